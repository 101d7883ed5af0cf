"""English words by CMU PocketSphinx, whose model ships in its wheel: no download, every core, rough in real rooms."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from importlib.metadata import version
from typing import TYPE_CHECKING, BinaryIO, Self, cast

from clip_platform.errors import ProgramFailed
from clip_platform.speech.backends import pocketsphinx_decoder
from clip_platform.speech.backends.pocketsphinx_decoder import FRAMES_PER_SECOND, LENGTH, Heard
from clip_platform.speech.sound import SAMPLE_RATE_HZ
from clip_platform.speech.transcript import EngineIdentity, Word
from clip_platform.timeline import Span

if TYPE_CHECKING:
    import numpy as np

REMEDY = (
    'for words that can be trusted, run `pip install "clip-platform[nemo]"` and set CLIP_PLATFORM_SPEECH_ENGINE=nemo '
    "and CLIP_PLATFORM_NEMO_MODEL to a model's name (nvidia/parakeet-tdt-0.6b-v2) or to the path of a .nemo file"
)

_MOST_WORKERS = 8  # each takes about 150 MB
_CHUNKS_PER_WORKER = 2  # so that a short chunk's worker is not idle while a long one is decoded
_DETAIL_CHARACTERS = 4000


class PocketsphinxRecognizer:
    """A `SpeechRecognizer` that decodes in processes of its own, started on first use and gone with `close`.

    Results depend neither on how many there are nor on what was decoded before. `recognize` may be called from several
    threads.

    Args:
        workers: how many processes; by default one per core this process may use.
        instead_of: why no better engine was taken, for people; becomes part of `identity.rough`.
    """

    language = "en"
    languages = ("en",)
    stride_s = Fraction(1, SAMPLE_RATE_HZ)  # its frames begin wherever a chunk does
    # The cepstral mean is a chunk's: on two voices at once it is wrong, and on little speech of one it is rough.
    wants_one_voice = True
    preferred_chunk_s = Fraction(5)
    margin_s = Fraction(1, 5)
    batches_at_once = 2

    def __init__(self, workers: int | None = None, instead_of: str | None = None) -> None:
        self._workers = workers or min(usable_cores(), _MOST_WORKERS)
        self._instead_of = instead_of
        self._lock = threading.Lock()
        self._pool: _DecoderPool | None = None

    @property
    def identity(self) -> EngineIdentity:
        because = f"it was taken because {self._instead_of}; " if self._instead_of else ""
        return EngineIdentity(
            name="pocketsphinx",
            version=version("pocketsphinx"),
            model="en-us",
            rough="the embedded speech engine is ROUGH on real recordings (measured: 25-80 % of the words wrong); "
            f"{because}{REMEDY}",
        )

    @property
    def batch_size(self) -> int:
        return self._workers * _CHUNKS_PER_WORKER

    def recognize(self, chunks: Sequence[np.ndarray]) -> list[tuple[Word, ...]]:
        """As `SpeechRecognizer.recognize`; `confidence` is the decoder's posterior probability of the word.

        Raises:
            ProgramFailed: a decoder process died.
        """
        sounds = [_as_pcm(chunk) for chunk in chunks]
        with contextlib.ExitStack() as on_failure:
            # Ctrl-C must not wait for a decoder to finish its chunk.
            on_failure.callback(self.close)
            answers = self._decoders().decode(sounds)
            on_failure.pop_all()
        return [_words(answer) for answer in answers]

    def close(self) -> None:
        """Ends the processes; the next `recognize` starts new ones."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def _decoders(self) -> _DecoderPool:
        with self._lock:
            if self._pool is None:
                self._pool = _DecoderPool(self._workers)
            return self._pool


def usable_cores() -> int:
    """Cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _DecoderPool:
    """One thread per decoder process. A thread starts its process and outlives its use: Linux's signal on the parent's
    death is sent when the *thread* ends that started the process."""

    def __init__(self, workers: int) -> None:
        self._own = threading.local()
        self._lock = threading.Lock()
        self._decoders: list[_Decoder] = []
        self._closed = False
        self._threads = ThreadPoolExecutor(workers, "pocketsphinx")

    def decode(self, sounds: Sequence[bytes]) -> list[list[Heard]]:
        longest_first = sorted(range(len(sounds)), key=lambda number: -len(sounds[number]))
        answers = {number: self._threads.submit(self._decode, sounds[number]) for number in longest_first}
        return [answers[number].result() for number in range(len(sounds))]

    def close(self) -> None:
        with self._lock:
            self._closed = True
            for decoder in self._decoders:
                decoder.kill()
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _decode(self, pcm: bytes) -> list[Heard]:
        if not hasattr(self._own, "decoder"):
            self._own.decoder = self._started()
        decoder: _Decoder = self._own.decoder
        return decoder.decode(pcm)

    def _started(self) -> _Decoder:
        with self._lock:
            if self._closed:
                raise ProgramFailed("the speech engine was closed while it worked; run the same command again")
            decoder = _Decoder()
            self._decoders.append(decoder)
            return decoder


class _Decoder:
    """A running decoder process."""

    def __init__(self) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - as long-lived as the process
        self._process = subprocess.Popen(
            # -P and PYTHONPATH: it finds what this process finds, not what happens to lie in the current folder.
            [sys.executable, "-P", "-m", pocketsphinx_decoder.__name__, str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            process_group=0,  # Ctrl-C reaches only us; we end it
        )
        self._requests = cast(BinaryIO, self._process.stdin)
        self._answers = cast(BinaryIO, self._process.stdout)

    def decode(self, pcm: bytes) -> list[Heard]:
        with contextlib.suppress(BrokenPipeError):
            self._requests.write(LENGTH.pack(len(pcm)) + pcm)
            self._requests.flush()
        header = self._answers.read(LENGTH.size)
        if len(header) < LENGTH.size:
            raise self._died()
        answer = self._answers.read(*LENGTH.unpack(header))
        return cast(list[Heard], json.loads(answer))

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def _died(self) -> ProgramFailed:
        status = self._process.wait()
        self._errors.seek(0)
        return ProgramFailed(
            f"the speech decoder's process ended with status {status} in the middle of its work; it needs about 150 MB "
            "of memory, so see whether the machine is short of it, and run the same command again",
            detail=self._errors.read().decode("utf-8", "replace")[-_DETAIL_CHARACTERS:],
        )


def _as_pcm(chunk: np.ndarray) -> bytes:
    import numpy as np

    return (np.nan_to_num(chunk).clip(-1.0, 1.0) * 32767.0).round().astype("<i2").tobytes()


def _words(heard: Sequence[Heard]) -> tuple[Word, ...]:
    return tuple(
        Word(_as_written(word), Span(_at(start), _at(end)), min(max(float(probability), 0.0), 1.0))
        for word, start, end, probability in heard
    )


def _at(frame: int) -> Fraction:
    return Fraction(frame, FRAMES_PER_SECOND)


def _as_written(word: str) -> str:
    """The dictionary is lower case; English writes one pronoun with a capital."""
    return "I" + word[1:] if word == "i" or word.startswith("i'") else word
