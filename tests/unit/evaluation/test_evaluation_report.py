"""Perfect results pass every line, and each kind of mistake is missed in its own line."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from fractions import Fraction
from types import SimpleNamespace

import pytest

from benchmarks.perfect import perfect_analysis
from clip_platform.evaluation import sample_lines, tables
from clip_platform.evaluation.lines import Line, Measured, NotMeasured
from clip_platform.evaluation.results import ClipResult, Results
from clip_platform.evaluation.truth import TrueFace, TrueSegment, TrueShot, TrueWord, Truth
from clip_platform.media.information import AudioStream, MediaInfo, VideoStream
from clip_platform.rendering import subtitles
from clip_platform.rendering.framing import FramedRun
from clip_platform.rendering.plan import plan_clip
from clip_platform.selection.choice import SelectedClip
from clip_platform.speech.transcript import Word
from clip_platform.timeline import Span
from clip_platform.upload.preferences import Preferences
from clip_platform.vision.tracks import Box, FaceTrack, Shots

SPANS = (Span.of(0, 4), Span.of(0, "3.9"), Span.of("0.1", 6))
TEXT = "Small teams finish more good work than large teams"


def talk() -> Truth:
    """Six seconds: `host` speaks for four and moves slowly to the right, then a slide."""
    words = tuple(
        TrueWord(text, 0.2 + 0.4 * number, 0.5 + 0.4 * number, "host") for number, text in enumerate(TEXT.split())
    )
    return Truth(
        fps=30,
        width_px=1920,
        height_px=1080,
        frames=180,
        speakers={"host": "slt"},
        cuts_s=(4.0,),
        fades=(),
        shots=(TrueShot("host", 0.0, 4.0, ("host",), slide=False), TrueShot("slide-a", 4.0, 6.0, (), slide=True)),
        segments=(TrueSegment("host", 0.0, 4.0, "host", TEXT, slide=False, topic=0),),
        words=words,
        faces=tuple((TrueFace("host", 800.0 + frame, 300, 200, 230),) for frame in range(120)) + ((),) * 60,
    )


def media() -> MediaInfo:
    rate = Fraction(30)
    video = VideoStream(
        0, "h264", 1920, 1080, 1920, 1080, rate, 1 / rate / 512, Fraction(0), 0, Fraction(1), False, "yuv420p", None
    )
    audio = AudioStream(1, "aac", 44100, 1, Fraction(0), None, None)
    return MediaInfo("mp4", Fraction(6), 1000, video, audio, (audio,))


@pytest.fixture(scope="module")
def perfect(tmp_path_factory):
    known = perfect_analysis(talk())

    def planned(rank: int, span: Span):
        clip = SelectedClip(f"clip{rank}", rank, span, 0, 0, 50.0, "", ())
        return plan_clip(clip, media(), known.transcript, known.shots, known.faces, known.turns, Preferences())

    clips = []
    for rank, span in enumerate(SPANS, 1):
        plan = planned(rank, span)
        video = tmp_path_factory.mktemp("clips") / f"{rank}.mp4"
        make_video(video, plan.grid.frames)
        clips.append(ClipResult(plan, SimpleNamespace(clip_id=plan.clip_id), burned(plan), video))
    return Results(known.transcript, known.shots, known.faces, known.turns, tuple(clips), planned(0, Span.of(0, 6)))


def burned(plan) -> str:
    area, rate = plan.caption_area, plan.grid.rate
    return subtitles.ass(plan.captions, area, plan.width_px, plan.height_px, rate, highlight=True)


def make_video(path, frames: int) -> None:
    picture = ["-f", "lavfi", "-i", "testsrc2=size=64x64:rate=30"]
    sound = ["-f", "lavfi", "-i", "sine=sample_rate=48000", "-shortest"]
    command = ["ffmpeg", "-v", "error", *picture, *sound, "-frames:v", str(frames), "-pix_fmt", "yuv420p", str(path)]
    subprocess.run(command, check=True)


def missed(results: Results) -> set[str]:
    return {line.measure for line in sample_lines.judge(talk(), results) if not line.passed}


def test_perfect_results_pass_every_line(perfect):
    assert missed(perfect) == set()


def test_wrong_words_are_missed(perfect):
    words = tuple(Word("uh", word.span) for word in perfect.transcript.words)
    spoiled = replace(perfect, transcript=replace(perfect.transcript, words=words))

    assert missed(spoiled) == {"word error rate", "word onset error, median", "word onset error, p95"}


def test_words_that_come_late_are_missed(perfect):
    words = list(perfect.transcript.words)
    for number in (2, 5):
        words[number] = replace(words[number], span=words[number].span.shifted(Fraction("0.21")))
    late = replace(perfect, transcript=replace(perfect.transcript, words=tuple(words)))

    assert missed(late) == {"word onset error, p95"}


def test_a_late_cut_is_missed(perfect):
    camera, slide = perfect.shots.shots
    border = Fraction("4.11")
    shots = Shots((replace(camera, span=Span(Fraction(0), border)), replace(slide, span=Span(border, Fraction(6)))))

    assert missed(replace(perfect, shots=shots)) == {"cuts, F1"}


def test_lost_and_invented_faces_are_missed(perfect):
    (track,) = perfect.faces.tracks
    lost = replace(track, boxes=track.boxes[:50])
    invented = FaceTrack(9, 0, 0, (Box(0, 0, 90, 90),) * 10, "d" * 10, (0.0,) * 10)

    assert missed(replace(perfect, faces=replace(perfect.faces, tracks=(lost,)))) == {"faces found"}
    assert missed(replace(perfect, faces=replace(perfect.faces, tracks=(track, invented)))) == {"false faces"}


def test_a_window_that_stays_behind_is_missed(perfect):
    behind = with_runs(perfect.whole, lambda run: replace(run, corners=tuple((x - 160, y) for x, y in run.corners)))

    assert missed(replace(perfect, whole=behind)) == {"its centre in the middle 40 %"}


def test_a_window_that_jumps_is_missed(perfect):
    jumping = with_runs(perfect.whole, jumped)

    assert missed(replace(perfect, whole=jumping)) == {"crop jumps that are no cut"}


def jumped(run: FramedRun) -> FramedRun:
    half = len(run.corners) // 2
    return replace(run, corners=run.corners[:half] + tuple((x + 60, y) for x, y in run.corners[half:]))


def test_a_cropped_slide_is_missed(perfect):
    def crop(run: FramedRun) -> FramedRun:
        return replace(run, layout="crop", corners=((700, 0),) * run.frames) if run.layout == "fit" else run

    assert missed(replace(perfect, whole=with_runs(perfect.whole, crop))) == {"slides shown whole"}


def with_runs(plan, change):
    return replace(plan, framing=replace(plan.framing, runs=tuple(change(run) for run in plan.framing.runs)))


def test_a_missing_frame_late_captions_and_a_cut_word_are_missed(perfect, tmp_path):
    short, *others = perfect.clips
    make_video(tmp_path / "short.mp4", short.plan.grid.frames - 1)

    def with_first(**changes):
        return replace(perfect, clips=(replace(short, **changes), *others))

    late = replace(short.plan, grid=replace(short.plan.grid, start_s=Fraction(-1, 2)))
    inside = replace(short.plan, grid=replace(short.plan.grid, frames=round(3.55 * 30)))
    make_video(tmp_path / "inside.mp4", inside.grid.frames)
    assert missed(with_first(video=tmp_path / "short.mp4")) == {"frames missing or too many"}
    assert "captions within 100 ms of spoken words" in missed(with_first(plan=late))
    assert "words cut by a clip's start or end" in missed(with_first(plan=inside, video=tmp_path / "inside.mp4"))


def test_fewer_clips_than_asked_for_are_missed(perfect):
    assert missed(replace(perfect, clips=perfect.clips[:2])) == {"clips made"}


def test_table_json_and_markdown_say_the_same(tmp_path):
    lines = [
        Line("speech", "set", "one", 3.0, "at least", 4.0, "%"),
        Line("vision", "set", "two", 4.0, "at most", 4.0, "ms", "a | detail"),
        Line("vision", "set", "three", 5.0, "reported", None, "ms"),
    ]
    measured = Measured(lines, [NotMeasured("speech", "recordings", "none are at hand")])

    tables.save_json(measured, tmp_path / "lines.json")
    tables.save_markdown(measured, tmp_path / "lines.md")

    saved = json.loads((tmp_path / "lines.json").read_text())
    assert [(row["measure"], row["passed"]) for row in saved["measures"]] == [
        ("one", False),
        ("two", True),
        ("three", True),
    ]
    assert [absent["data_set"] for absent in saved["not_measured"]] == ["recordings"]
    assert tables.table_of(measured).row_count == 4
    text = (tmp_path / "lines.md").read_text()
    assert "| set | one | 3 % | ≥ 4 % | **miss** |" in text
    assert "| set | two | 4 ms | ≤ 4 ms | pass | a / detail |" in text
    assert "| set | three | 5 ms |  |  |" in text
    assert "- speech, recordings: none are at hand" in text
