"""How well a tiny model hears what it never heard, through the product: voice activity, chunks, offsets and all."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from clip_platform.errors import CorruptArtifact
from clip_platform.evaluation import measures
from clip_platform.evaluation.tiny_asr.checkpoint import HELD_OUT_FILE, MODEL_FILE
from clip_platform.evaluation.tiny_asr.corpus import Recording, joined, record_all
from clip_platform.evaluation.tiny_asr.grammar import VOICES, Line
from clip_platform.progress import silent
from clip_platform.speech.backends.nemo import NemoRecognizer
from clip_platform.speech.backends.silero import SileroVoiceActivity
from clip_platform.speech.sound import SAMPLE_RATE_HZ, HeldSound
from clip_platform.speech.transcript import Word
from clip_platform.speech.transcription import chunks_for, transcribe

SEAM_TALK_S = 300.0
_NEAR_A_SEAM_S = Fraction(3, 2)
_PAUSE_S, _BREATH_S = (0.4, 1.2), (0.05, 0.3)


@dataclass(frozen=True, slots=True)
class HeldOutResult:
    """`onset_errors_s`: recognised minus true start, of every word that was recognised right."""

    word_error_rate: float
    words: int
    exact_sentences: int
    sentences: int
    onset_errors_s: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class SeamsResult:
    """Words within 1.5 s of where the talk was cut, in the chunked and in the single pass: how many, and how many of
    them start at most one, and at most two strides apart. A word that only one pass heard is in neither."""

    seams: int
    words: int
    within_one: int
    within_two: int


def held_out_lines(path: Path = HELD_OUT_FILE) -> list[Line]:
    """The sentences that training never saw.

    Raises:
        CorruptArtifact: a line is not a voice, a tab and a sentence.
    """
    lines = [line.partition("\t") for line in path.read_text(encoding="utf-8").splitlines()]
    if not lines or any(voice not in VOICES or not text for voice, _, text in lines):
        raise CorruptArtifact(
            f"{path} is not what `make tiny-asr` writes, a voice, a tab and a sentence a line; run it"
        )
    return [Line(voice, text) for voice, _, text in lines]


def held_out_result(model: Path = MODEL_FILE, lines: Sequence[Line] | None = None) -> HeldOutResult:
    """Every held-out sentence, one after the other in one track, transcribed as the product does."""
    recordings = record_all(held_out_lines() if lines is None else lines)
    track = joined(_apart(recordings, _PAUSE_S, seed=1))
    words = transcribe(HeldSound(track.samples), NemoRecognizer(str(model), device="cpu"), SileroVoiceActivity()).words
    pairs = measures.paired_words([word.text for word in track.words], [word.text for word in words])
    text = " ".join(word.text for word in words)
    return HeldOutResult(
        word_error_rate=measures.word_error_rate(track.text, text),
        words=len(track.words),
        exact_sentences=sum(recording.text in text for recording in recordings),
        sentences=len(recordings),
        onset_errors_s=tuple(float(words[found].span.start) - track.words[true].start_s for true, found in pairs),
    )


def seams_result(model: Path = MODEL_FILE, duration_s: float = SEAM_TALK_S) -> SeamsResult:
    """Talk with hardly a pause, cut as the product cuts it, against the same talk in one piece."""
    samples = _seam_talk(duration_s).samples
    sound = HeldSound(samples)
    recognizer = NemoRecognizer(str(model), device="cpu")
    speech = SileroVoiceActivity()(sound, silent)
    chunked = transcribe(sound, recognizer, lambda _sound, _on_progress: speech).words
    (single,) = recognizer.recognize([samples])
    chunks = chunks_for(recognizer, sound, speech)
    return agreement(chunked, single, [chunk.span.start for chunk in chunks[1:]], recognizer.stride_s)


def agreement(
    chunked: Sequence[Word], single: Sequence[Word], seams: Sequence[Fraction], stride_s: Fraction
) -> SeamsResult:
    """How far both passes agree on when words near a seam start; `seams`: where the chunks but the first one start."""

    def near_a_seam(word: Word) -> bool:
        return any(abs(word.span.middle - seam) <= _NEAR_A_SEAM_S for seam in seams)

    pairs = measures.paired_words([word.text for word in chunked], [word.text for word in single])
    partner = dict(pairs)
    near = [number for number, word in enumerate(chunked) if near_a_seam(word)]
    unheard = set(range(len(single))) - set(partner.values())
    only_single = sum(near_a_seam(single[number]) for number in unheard)
    strides = [
        abs(chunked[number].span.start - single[partner[number]].span.start) / stride_s
        for number in near
        if number in partner
    ]
    return SeamsResult(
        seams=len(seams),
        words=len(near) + only_single,
        within_one=sum(count <= 1 for count in strides),
        within_two=sum(count <= 2 for count in strides),
    )


def _seam_talk(duration_s: float) -> Recording:
    """Held-out sentences in a hurry, until the time is full."""
    lines = held_out_lines()
    turns = [
        Line(VOICES[(VOICES.index(line.voice) + turn) % len(VOICES)], line.text) for turn in range(2) for line in lines
    ]
    talk = joined(_apart(record_all(turns), _BREATH_S, seed=2))
    count = round(duration_s * SAMPLE_RATE_HZ)
    return Recording(talk.samples[:count], tuple(word for word in talk.words if word.end_s <= duration_s))


def _apart(recordings: Sequence[Recording], gap_s: tuple[float, float], seed: int) -> Iterator[Recording | float]:
    chance = random.Random(seed)  # noqa: S311 - chance, not a secret
    for recording in recordings:
        yield chance.uniform(*gap_s)
        yield recording
    yield chance.uniform(*gap_s)
