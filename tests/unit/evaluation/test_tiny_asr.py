"""The tiny speech model: what it is taught, and what is said of how well it listens."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from clip_platform.errors import CorruptArtifact
from clip_platform.evaluation.tiny_asr import __main__ as command
from clip_platform.evaluation.tiny_asr import lines
from clip_platform.evaluation.tiny_asr.accuracy import HeldOutResult, SeamsResult, agreement, held_out_lines
from clip_platform.evaluation.tiny_asr.checkpoint import MODEL_FILE
from clip_platform.evaluation.tiny_asr.corpus import Recording, TimedWord, at_speed, joined, record
from clip_platform.evaluation.tiny_asr.grammar import MARKS, VOICES, Line, every_sentence, split_sentences, vocabulary
from clip_platform.evaluation.tiny_asr.model import build_model
from clip_platform.evaluation.tiny_asr.training import Schedule, step_targets, train
from clip_platform.speech.transcript import Word
from clip_platform.timeline import Span

SECOND = np.zeros(16000, np.float32)


NUMBERS = {"Nobody": 1, "will": 2, ".": 9}


class Numbered:
    """Tokens by `NUMBERS`; the blank is 0."""

    blank = 0

    def of(self, text: str) -> list[int]:
        return [NUMBERS[part] for part in re.findall(r"\w+|\.", text)]


def test_every_sentence_is_written_as_one_and_has_no_word_twice_in_a_kind():
    sentences = every_sentence()

    assert len(sentences) == len(set(sentences)) > 700
    assert all(sentence[0].isupper() and sentence[-1] in MARKS for sentence in sentences)
    assert "The best doctor is best." not in sentences


def test_no_held_out_sentence_is_taught_in_any_voice():
    split = split_sentences(seed=1)

    taught = {line.text for line in split.taught}
    assert len(split.held_out) == 60
    assert not taught & {line.text for line in split.held_out}
    assert {line.voice for line in split.held_out} == {line.voice for line in split.taught} == set(VOICES)
    assert {word.strip(".?") for text in taught for word in text.split()} == set(vocabulary())


def test_the_same_seed_gives_the_same_split_and_another_one_another():
    assert split_sentences(1) == split_sentences(1)
    assert split_sentences(1).held_out != split_sentences(2).held_out


def test_the_committed_sentences_are_those_of_the_committed_seed():
    assert tuple(held_out_lines()) == split_sentences(seed=1).held_out
    assert MODEL_FILE.stat().st_size <= command.LARGEST_BYTES


def test_a_file_that_lists_no_sentences_is_refused(tmp_path: Path):
    (tmp_path / "held_out.txt").write_text("nobody speaks this\n")

    with pytest.raises(CorruptArtifact, match="make tiny-asr"):
        held_out_lines(tmp_path / "held_out.txt")


def test_joined_recordings_keep_their_words_at_their_times():
    one = Recording(SECOND, (TimedWord("a", 0.25, 0.5),))

    both = joined((0.5, one, 0.25, one))

    assert both.duration_s == 2.75
    assert both.words == (TimedWord("a", 0.75, 1.0), TimedWord("a", 2.0, 2.25))


def test_what_is_played_faster_is_said_earlier():
    fast = at_speed(Recording(SECOND, (TimedWord("a", 0.5, 0.75),)), 1.25)

    assert fast.duration_s == pytest.approx(0.8)
    assert fast.words == (TimedWord("a", 0.4, 0.6),)


def test_a_recording_is_spoken_with_its_words_in_its_time():
    said = record(Line("slt", "Nobody will follow the teacher."))

    assert said.text == "Nobody will follow the teacher."
    assert 0 < said.words[0].start_s < said.words[-1].end_s < said.duration_s


def test_a_step_is_taught_the_word_in_its_middle_and_a_mark_follows_its_word():
    said = Recording(SECOND, (TimedWord("Nobody", 0.16, 0.30), TimedWord("will.", 0.30, 0.33)))

    assert step_targets(said, Numbered(), 9) == [0, 0, 1, 1, 2, 9, 9, 0, 0]
    assert step_targets(said, Numbered(), 3) == [0, 0, 1]


def test_training_with_the_same_seed_gives_the_same_weights(tmp_path: Path):
    pytest.importorskip("nemo", reason='NeMo is not installed: pip install "clip-platform[nemo]" runs this test')
    import torch

    recordings = [record(Line(voice, "Nobody will follow the teacher.")) for voice in ("slt", "rms")]
    schedule = Schedule(steps=3, batch=2, in_order_from=0.5)
    weights, losses = [], []
    for _ in range(2):
        torch.manual_seed(3)
        model, tokens = build_model(tmp_path)
        train(model, tokens, recordings, 3, schedule, lambda step, loss: losses.append((step, loss)))
        weights.append(torch.cat([parameter.flatten() for parameter in model.parameters()]))

    assert [step for step, _ in losses] == [1, 2, 3, 1, 2, 3]
    assert losses[:3] == losses[3:]
    assert torch.equal(*weights)


def word(text: str, start_s: str) -> Word:
    return Word(text, Span.of(start_s, Fraction(start_s) + Fraction(1, 5)))


def test_words_at_seams_are_compared_and_one_that_is_missing_agrees_with_nothing():
    chunked = [word("far", "1"), word("at", "9.92"), word("the", "10.08"), word("cut", "10.4")]
    single = [word("far", "5"), word("at", "9.84"), word("the", "10.24"), word("lost", "10.3"), word("cut", "10.64")]

    result = agreement(chunked, single, [Fraction(10)], Fraction(8, 100))

    assert result == SeamsResult(seams=1, words=4, within_one=1, within_two=2)


def test_the_table_says_what_was_measured():
    said = [
        *lines.held_out_lines_of(HeldOutResult(0.0025, 400, 59, 60, (0.01, -0.02, 0.3))),
        *lines.seam_lines_of(SeamsResult(8, 50, 48, 49)),
    ]

    figures = [(line.measure.rpartition("one pass ")[2], line.figure, line.passed) for line in said]
    assert figures == [
        ("word error rate", 0.25, True),
        ("word onset error, median", 20.0, True),
        ("word onset error, p95", 300.0, False),
        ("within one stride", 96.0, True),
        ("within two strides", 98.0, False),
    ]


def test_without_nemo_the_table_says_why_nothing_was_measured(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)

    measured = lines.tiny_asr_measured()

    assert not measured.lines
    assert all("pip install" in absent.why for absent in measured.absent)


def test_a_model_that_errs_too_often_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    monkeypatch.setattr(command, "_trained", lambda _split, _seed, _schedule, path: path.write_bytes(b"a model"))
    poor = HeldOutResult(0.021, 400, 50, 60, (0.01,))
    monkeypatch.setattr(command, "held_out_result", lambda _path, _lines: poor)

    assert command.make(tmp_path / "made", 1, Schedule()) == 1
    assert "MISS: more than 2% of the words" in capsys.readouterr().out
    assert not (tmp_path / "made").exists()


def test_a_model_that_listens_is_written_with_what_it_never_heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(command, "_trained", lambda _split, _seed, _schedule, path: path.write_bytes(b"a model"))
    good = HeldOutResult(0.02, 400, 58, 60, (0.01,))
    monkeypatch.setattr(command, "held_out_result", lambda _path, _lines: good)

    assert command.make(tmp_path / "made", 5, Schedule()) == 0
    assert (tmp_path / "made" / "tiny.nemo").read_bytes() == b"a model"
    assert tuple(held_out_lines(tmp_path / "made" / "held_out.txt")) == split_sentences(5).held_out
