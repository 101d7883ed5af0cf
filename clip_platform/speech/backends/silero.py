"""Voice activity by silero-vad (MIT), whose model ships in its wheel. When somebody speaks, never what or who."""

from __future__ import annotations

import contextlib
from array import array
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from clip_platform.errors import EngineUnavailable
from clip_platform.progress import OnProgress, silent
from clip_platform.speech.backends.silero_gate import FRAME, THRESHOLD, believed
from clip_platform.speech.sound import SAMPLE_RATE_HZ, SoundTrack, clean_samples, samples_span
from clip_platform.timeline import Span

if TYPE_CHECKING:
    import numpy as np

_CONTEXT = 64  # samples of the frame before that it sees as well
_BLOCK = 512 * FRAME  # samples per call, 16.4 s: memory is flat, and calls are few
_SHORTEST_SPEECH_MS = 150  # "yes", alone
_SHORTEST_SILENCE_MS = 300
_PAD_MS = 200  # an unvoiced onset (/f/, /s/, /h/) scores low; it lasts up to 150 ms


class SileroVoiceActivity:
    """A `transcription.VoiceActivity`. Loads its model on first use; not for two threads at once."""

    def __init__(self) -> None:
        self._model: Any = None

    def __call__(self, audio: SoundTrack, on_progress: OnProgress = silent) -> tuple[Span, ...]:
        """Raises: EngineUnavailable when silero-vad or onnxruntime is not installed."""
        if self._model is None:
            self._model = _load()
        from silero_vad import get_speech_timestamps_from_probs

        probabilities = self._probabilities(audio, on_progress)
        found = get_speech_timestamps_from_probs(
            probabilities,
            sampling_rate=SAMPLE_RATE_HZ,
            threshold=THRESHOLD,
            min_speech_duration_ms=_SHORTEST_SPEECH_MS,
            min_silence_duration_ms=_SHORTEST_SILENCE_MS,
            speech_pad_ms=_PAD_MS,
            audio_length_samples=audio.sample_count,
        )
        on_progress(1.0)
        stretches = [(stretch["start"], stretch["end"]) for stretch in found]
        return tuple(samples_span(start, end) for start, end in believed(audio, stretches, probabilities))

    def _probabilities(self, audio: SoundTrack, on_progress: OnProgress) -> array[float]:
        """Speech probability of every 32 ms. The recurrent state is carried from block to block, so the blocks leave no
        trace: silero-vad's own `audio_forward` gives the same numbers, but wants the whole track in memory."""
        import numpy as np

        hidden, cell = np.zeros((1, 1, 128), np.float32), np.zeros((1, 1, 128), np.float32)
        probabilities = array("f")  # four bytes a frame; as Python's numbers, ten hours took 36 MB
        for block, end_sample in _blocks(audio):
            inputs = {"input": block, "h": hidden, "c": cell}
            values, hidden, cell = self._model.session.run(["speech_probs", "hn", "cn"], inputs)
            probabilities.frombytes(np.ascontiguousarray(values, np.float32).tobytes())
            on_progress(min(end_sample / audio.sample_count, 1.0))
        return probabilities


def _blocks(audio: SoundTrack) -> Iterator[tuple[np.ndarray, int]]:
    """Frames of up to one block, shape (frames, 64 + 512), led by the end of the frame before; and where it ends."""
    import numpy as np

    for start in range(0, audio.sample_count, _BLOCK):
        frames = -(-min(audio.sample_count - start, _BLOCK) // FRAME)
        samples = clean_samples(audio, start - _CONTEXT, start + frames * FRAME)
        windows = np.lib.stride_tricks.sliding_window_view(samples, _CONTEXT + FRAME)[::FRAME]
        yield np.ascontiguousarray(windows), start + frames * FRAME


def _load() -> Any:
    try:
        with _torch_threads_kept():
            from silero_vad import load_silero_vad

            return load_silero_vad(sequence=True)
    except ImportError as error:
        raise EngineUnavailable(
            f"voice activity needs '{error.name}', which is not installed; install this package again"
        ) from error


@contextlib.contextmanager
def _torch_threads_kept() -> Iterator[None]:
    """Importing silero_vad sets torch to one thread for the whole process."""
    import torch

    threads = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(threads)
