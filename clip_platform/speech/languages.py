"""Which language a talk is taken to be in, when its tenant says so."""

from __future__ import annotations

from clip_platform.errors import InvalidPreference
from clip_platform.speech.transcript import SpeechRecognizer


def spoken_language(asked: str | None, recognizer: SpeechRecognizer) -> str:
    """The language as a plain code, `pt` for `pt-BR`: the one asked for, or the engine's own where nobody says.

    Raises:
        InvalidPreference: the engine does not know it; names those it knows.
    """
    if asked is None:
        return recognizer.language
    code = asked.split("-")[0].lower()
    if code not in recognizer.languages:
        known = ", ".join(recognizer.languages)
        raise InvalidPreference(
            f"language is {asked!r}, but the speech engine {recognizer.identity.name} here knows {known}; choose one "
            "of these, or ask the operator for another engine"
        )
    return code
