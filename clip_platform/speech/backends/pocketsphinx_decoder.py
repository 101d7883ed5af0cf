"""The program behind `backends.pocketsphinx`: reads stretches of sound on stdin, writes their words on stdout.

A process of its own, because the decoder holds Python's lock while it works. Per request: a little-endian 32-bit count
of bytes, then 16-bit PCM at 16 kHz; per answer: the same count, then a JSON list of [word, start, end, probability],
times in frames of 10 ms. Ends when stdin ends, and on Linux when the thread that started it does.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import signal
import struct
import sys
from typing import Any, BinaryIO

LENGTH = struct.Struct("<I")
FRAMES_PER_SECOND = 100

_PRONUNCIATION = re.compile(r"\(\d+\)$")  # "to(2)": the second way to say it
_FILLER = re.compile(r"[<\[+]")  # <s> <sil> [NOISE] ++UH++
_PR_SET_PDEATHSIG = 1

Heard = tuple[str, int, int, float]


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    decoder = load()
    while header := requests.read(LENGTH.size):
        answer = json.dumps(decode(decoder, requests.read(*LENGTH.unpack(header)))).encode()
        answers.write(LENGTH.pack(len(answer)) + answer)
        answers.flush()


def load() -> Any:
    from pocketsphinx import Decoder

    return Decoder(samprate=16000, loglevel="FATAL")


def decode(decoder: Any, pcm: bytes) -> list[Heard]:
    """Words of one stretch. The same sound gives the same words whatever was decoded before it."""
    # Noise and cepstral-mean trackers remember the stretch before; this forgets, and takes 0.1 ms.
    decoder.reinit_feat()
    decoder.start_utt()
    decoder.process_raw(pcm, full_utt=True)  # the cepstral mean is that of the whole stretch
    decoder.end_utt()
    if decoder.hyp() is None:
        return []
    return [
        (_PRONUNCIATION.sub("", segment.word), segment.start_frame, segment.end_frame + 1, segment.prob)
        for segment in decoder.seg()
        if not _FILLER.match(segment.word)
    ]


def die_with_parent(parent: int) -> None:
    """Has Linux kill this process when the thread that started it ends, `kill -9` included; elsewhere stdin must do."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            sys.exit(0)


if __name__ == "__main__":
    die_with_parent(int(sys.argv[1]))
    serve(sys.stdin.buffer, sys.stdout.buffer)
