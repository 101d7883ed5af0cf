from __future__ import annotations

import re
from fractions import Fraction
from itertools import pairwise

from scenes import grid, steady_words, words

from clip_platform.rendering import subtitles, typeface
from clip_platform.rendering.captions import caption_area, caption_blocks

RATE = Fraction(30)
AREA = caption_area(1080, 1920)
HOSTILE = "{\\an8} <b>bold</b> --> C:\\Nope a&b 你好"


def blocks_of(spoken):
    return caption_blocks(spoken, grid(30), AREA, typeface.text_width_px)


def events(text: str) -> list[tuple[float, float, str]]:
    found = re.findall(r"^Dialogue: 0,([\d:.]+),([\d:.]+),Words,,0,0,0,,(.*)$", text, re.MULTILINE)
    return [(clock_s(start), clock_s(end), line) for start, end, line in found]


def clock_s(text: str) -> float:
    hours, minutes, rest = text.replace(",", ".").split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(rest)


def ass_of(spoken, *, highlight=True) -> str:
    return subtitles.ass(blocks_of(spoken), AREA, 1080, 1920, RATE, highlight=highlight)


def test_the_spoken_word_and_only_it_is_coloured():
    shown = events(ass_of(steady_words("one two three", start_s=1)))

    coloured = [re.findall(r"\{\\c&H00D7FF&\}(\w+)\{\\c&HFFFFFF&\}", line) for _, _, line in shown]
    assert coloured == [["one"], ["two"], ["three"], []]


def test_an_event_begins_in_the_half_frame_before_its_word():
    spoken = steady_words("one two three four", start_s=1.013, each_s=0.271)

    starts = [start for start, _, line in events(ass_of(spoken)) if "\\c" in line]

    for start, word in zip(starts, spoken, strict=True):
        first_frame_showing = -(-Fraction(str(start)) * RATE // 1)
        assert abs(first_frame_showing / RATE - word.span.start) <= 1 / (2 * RATE)


def test_events_do_not_overlap():
    shown = events(ass_of(steady_words("one two three four five, six seven. eight nine ten eleven twelve")))

    assert all(earlier[1] <= later[0] for earlier, later in pairwise(shown))


def test_plain_captions_have_one_event_a_block_and_no_colour():
    spoken = steady_words("one two three four five six")

    shown = events(ass_of(spoken, highlight=False))

    assert len(shown) == len(blocks_of(spoken))
    assert not any("\\c" in line for _, _, line in shown)


def test_hostile_text_commands_nothing_in_ass():
    shown = events(ass_of(steady_words(HOSTILE), highlight=False))

    text = "".join(line for _, _, line in shown).replace("\\N", " ")
    assert not re.search(r"(?<!\\)\{(?!\\fs)", text)
    assert "C:\\\u2060Nope" in text


def test_hostile_text_commands_nothing_in_srt_and_vtt():
    cues = subtitles.phrases(blocks_of(steady_words(HOSTILE)), RATE)

    srt, vtt = subtitles.srt(cues), subtitles.vtt(cues)
    assert srt.count("-->") == vtt.count("-->") == len(cues)
    assert "<b>" not in srt
    assert "{\\" not in srt
    assert "&lt;b&gt;bold&lt;/b&gt; --&gt;" in vtt.replace("\n", " ")
    assert "a&amp;b" in vtt
    assert "你好" in srt


def test_sidecars_have_whole_phrases_in_two_lines_of_42_letters():
    spoken = steady_words(
        "Every extra person adds a meeting, and meetings kill focus. That is the secret of small teams."
    )

    cues = subtitles.phrases(blocks_of(spoken), RATE)

    assert [" ".join(cue.lines) for cue in cues] == [
        "Every extra person adds a meeting, and meetings kill focus.",
        "That is the secret of small teams.",
    ]
    assert all(len(cue.lines) <= 2 and max(map(len, cue.lines)) <= 42 for cue in cues)


def test_times_are_written_in_each_formats_way():
    cues = (subtitles.Cue(Fraction(3661, 1), Fraction(36622, 10), ("hello",)),)

    assert subtitles.srt(cues) == "1\n01:01:01,000 --> 01:01:02,200\nhello\n"
    assert subtitles.vtt(cues) == "WEBVTT\n\n01:01:01.000 --> 01:01:02.200\nhello\n"


def test_no_words_make_no_events():
    cues = subtitles.phrases(blocks_of(words()), RATE)

    assert events(ass_of(words())) == []
    assert subtitles.srt(cues) == ""
    assert subtitles.vtt(cues) == "WEBVTT\n"


def test_a_cue_ends_with_its_sentence_also_within_quotes():
    spoken = words(("He", 1, 1.2), ("said", 1.2, 1.5), ('"stop."', 1.5, 2), ("We", 2, 2.2), ("stopped.", 2.2, 2.6))

    cues = subtitles.phrases(blocks_of(spoken), RATE)

    assert [cue.lines for cue in cues] == [('He said "stop."',), ("We stopped.",)]
