"""Whether proposed clips begin and end with sentences, on generated talks whose sentences are known."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from clip_platform.evaluation.topic_talks import TALKS, TopicTalk, topic_talk
from clip_platform.media.information import AudioStream, MediaInfo, VideoStream
from clip_platform.selection.candidates import ClipCandidates, propose
from clip_platform.speech.sentences import split_sentences
from clip_platform.speech.transcript import EngineIdentity, Transcript, Word
from clip_platform.timeline import Span
from clip_platform.upload.preferences import Preferences
from clip_platform.vision.tracks import Shots


@dataclass(frozen=True, slots=True)
class BoundScores:
    """Of all proposed clips' starts and ends: how many there are, and how many lie inside a word or a sentence."""

    bounds: int
    in_words: int
    in_sentences: int


def bound_scores(wrong_words_share: float, talks: int = TALKS) -> BoundScores:
    """Over generated talks without punctuation, with so many of the words wrong."""
    bounds = in_words = in_sentences = 0
    for talk in (topic_talk(seed, wrong_words_share) for seed in range(talks)):
        opened = {*talk.sentence_first, len(talk.words)}
        for one in _proposed(talk).candidates:
            bounds += 2
            in_sentences += (one.first_word not in opened) + (one.last_word + 1 not in opened)
            in_words += sum(
                word.span.start < moment < word.span.end
                for moment in (one.span.start, one.span.end)
                for word in talk.words
            )
    return BoundScores(bounds, in_words, in_sentences)


def _proposed(talk: TopicTalk) -> ClipCandidates:
    return proposed_from(talk.words)


def proposed_from(words: tuple[Word, ...]) -> ClipCandidates:
    """What the product proposes of these words alone, in one shot that ends a second after them."""
    whole = Span(Fraction(0), words[-1].span.end + 1)
    engine = EngineIdentity("generated", "1", "none", None)
    transcript = Transcript(words=words, speech=(whole,), language="en", engine=engine)
    sentences = split_sentences(words, "en")
    return propose(transcript, sentences, Shots(()), _media(whole.duration_s), Preferences())


def _media(duration_s: Fraction) -> MediaInfo:
    rate = Fraction(30)
    video = VideoStream(
        0, "h264", 1920, 1080, 1920, 1080, rate, 1 / rate / 512, Fraction(0), 0, Fraction(1), False, "yuv420p", None
    )
    audio = AudioStream(1, "aac", 44100, 1, Fraction(0), None, None)
    return MediaInfo("mp4", duration_s, 1, video, audio, (audio,))
