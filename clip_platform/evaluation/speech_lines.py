"""How well speech is understood: on real recordings, and where nobody speaks at all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing

from clip_platform.evaluation import measures, recordings
from clip_platform.evaluation.lines import Line, Measured, NotMeasured
from clip_platform.evaluation.listening import EmbeddedListener, plainly_decoded
from clip_platform.evaluation.nonspeech import NAMES, nonspeech_sounds
from clip_platform.evaluation.recordings import Recording, sound_of

_STAGE = "speech"
_PARAKEET = "parakeet-tdt-0.6b-v3 (the default model): 6.32 % on the Open ASR Leaderboard"


def recordings_measured() -> Measured:
    """Word error rates on real recordings; each may not be worse than the plain decoder's in the same run."""
    media = recordings.folder()
    if media is None:
        return Measured(absent=[NotMeasured(_STAGE, "real recordings", recordings.why_absent())])
    with closing(EmbeddedListener()) as listener:
        lines = [_recording_line(listener, name, set_) for name, set_ in recordings.spoken(media).items() if set_]
    return Measured(lines)


def _recording_line(listener: EmbeddedListener, name: str, data_set: Sequence[Recording]) -> Line:
    text = " ".join(recording.text for recording in data_set)
    sounds = [sound_of(recording.path) for recording in data_set]
    understood = " ".join(word.text for sound in sounds for word in listener.words(sound))
    plain = 100 * measures.word_error_rate(text, " ".join(plainly_decoded(sound) for sound in sounds))
    rate = 100 * measures.word_error_rate(text, understood)
    detail = f"the bound is the plain decoder's; {len(measures.normalised(text).split())} words"
    return Line(_STAGE, name, "word error rate", rate, "at most", plain, "%", detail, _PARAKEET)


def nonspeech_measured() -> Measured:
    """Words on silence, noise, machines and music: any word there is invented."""
    with closing(EmbeddedListener()) as listener:
        return Measured(list(_nonspeech_lines(listener)))


def _nonspeech_lines(listener: EmbeddedListener) -> Iterator[Line]:
    counts = {sound.name: len(listener.words(sound.samples)) for sound in nonspeech_sounds()}
    invented = ", ".join(f"{count} on {name}" for name, count in counts.items() if count)
    data_set = f"{len(NAMES)} sounds: silence, noise, machines, music"
    yield Line(_STAGE, data_set, "words", sum(counts.values()), "at most", 0, "", invented)
