"""What engines make of a sound: the product's embedded engine as it is used, and the same decoder used plainly."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from clip_platform.errors import NoSpeech
from clip_platform.progress import silent
from clip_platform.speech.backends.pocketsphinx import PocketsphinxRecognizer
from clip_platform.speech.backends.silero import SileroVoiceActivity
from clip_platform.speech.sound import SAMPLE_RATE_HZ, HeldSound
from clip_platform.speech.transcript import Word
from clip_platform.speech.transcription import transcribe


class EmbeddedListener:
    """The embedded engine behind voice activity, as the `transcript` asset uses it. `close` ends its processes."""

    def __init__(self) -> None:
        self._recognizer = PocketsphinxRecognizer()
        self._find_speech = SileroVoiceActivity()

    def words(self, samples: np.ndarray) -> Sequence[Word]:
        """Words of a sound (float32, mono at 16 kHz); none where nobody speaks or nothing is understood."""
        try:
            return transcribe(HeldSound(samples), self._recognizer, self._find_speech, silent).words
        except NoSpeech:
            return ()

    def close(self) -> None:
        self._recognizer.close()


def plainly_decoded(samples: np.ndarray) -> str:
    """What PocketSphinx with its defaults understands of the whole sound at once: the least the product must reach."""
    from pocketsphinx import Decoder

    pcm = (samples.clip(-1.0, 1.0) * 32767.0).round().astype("<i2").tobytes()
    decoder = Decoder(samprate=SAMPLE_RATE_HZ, loglevel="FATAL")
    decoder.start_utt()
    decoder.process_raw(pcm, full_utt=True)
    decoder.end_utt()
    hypothesis = decoder.hyp()
    return hypothesis.hypstr if hypothesis is not None else ""
