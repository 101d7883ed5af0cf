"""What the accuracy table says of NeMo: the tiny model on what it never heard, and where the product cuts talk."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator

from clip_platform.evaluation.lines import Line, Measured, NotMeasured
from clip_platform.evaluation.sample_lines import onset_lines
from clip_platform.evaluation.tiny_asr.accuracy import HeldOutResult, SeamsResult, held_out_result, seams_result

_STAGE = "speech"
_HELD_OUT = "tiny NeMo model, 60 held-out sentences"
_SEAMS = "tiny NeMo model, 5 min with hardly a pause"


def tiny_asr_measured() -> Measured:
    """Words, onsets and seams of the committed tiny model; absent where NeMo is not installed."""
    if importlib.util.find_spec("nemo") is None:
        why = 'NeMo is not installed: pip install "clip-platform[nemo]"'
        return Measured(absent=[NotMeasured(_STAGE, name, why) for name in (_HELD_OUT, _SEAMS)])
    return Measured([*held_out_lines_of(held_out_result()), *seam_lines_of(seams_result())])


def held_out_lines_of(result: HeldOutResult) -> Iterator[Line]:
    """Wrong words and onsets."""
    exact = f"{result.exact_sentences} of {result.sentences} sentences exact, capitals and marks included"
    rate = 100 * result.word_error_rate
    yield Line(_STAGE, _HELD_OUT, "word error rate", rate, "at most", 2.0, "%", exact)
    yield from onset_lines(_HELD_OUT, result.onset_errors_s)


def seam_lines_of(result: SeamsResult) -> Iterator[Line]:
    """Words near the cuts, against a single pass."""
    detail = f"{result.words} words near {result.seams} cuts"
    for name, count, target in (
        ("within one stride", result.within_one, 95.0),
        ("within two strides", result.within_two, 100.0),
    ):
        share = 100 * count / result.words if result.words else 0.0
        yield Line(
            _STAGE, _SEAMS, f"words at cuts that agree with one pass {name}", share, "at least", target, "%", detail
        )
