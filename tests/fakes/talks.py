"""Made-up talks: sentences spoken at a steady pace, with every result that later stages read."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from clip_platform.identifiers import StoredObject
from clip_platform.media.information import AudioStream, MediaInfo, VideoStream
from clip_platform.rendering.clips import LayoutRun, QualityReport, RenderedClip, RenderedClips
from clip_platform.selection.choice import SelectedClip, SelectedClips
from clip_platform.speakers.turns import SpeakerTurn, SpeakerTurns
from clip_platform.speech.acoustics import AcousticFeatures
from clip_platform.speech.sentences import Sentence
from clip_platform.speech.transcript import EngineIdentity, Transcript, Word
from clip_platform.timeline import Span
from clip_platform.vision.tracks import Box, FaceTrack, FaceTracks, Shot, Shots

BREAD = (
    "Good bread needs only flour, water, salt and patience.",
    "The dough rests for twelve hours so that the yeast can work.",
    "Cold dough ferments slowly and the flour gets its taste.",
    "Bakers fold the dough four times and never knead the dough hard.",
    "A hot oven gives the bread its crust in ten minutes.",
    "Steam in the oven keeps the crust soft while the bread rises.",
    "Wholemeal flour drinks more water than white flour.",
    "Salt makes the dough strong and the crust brown.",
    "Sourdough bread stays fresh for a week because the yeast makes acid.",
    "Let the bread cool before you cut the crust.",
)
BICYCLES = (
    "Now let's talk about bicycles and what keeps them rolling.",
    "A clean chain saves more power than light wheels.",
    "Wipe the chain with a rag and put oil on every link.",
    "Worn brakes scratch the rims of both wheels.",
    "Check the brakes each month and change the pads early.",
    "Tyres lose air every week, so pump the tyres on Sunday.",
    "Low pressure in the tyres makes punctures likely.",
    "Spokes carry the wheels, and one loose spoke bends the rim.",
    "The saddle must be level or the rider slides off the saddle.",
    "Ride the bicycle to work and the chain pays for itself.",
)
VOLCANOES = (
    "The next subject is volcanoes and why they erupt at all.",
    "Magma rises because hot rock is lighter than cold rock.",
    "Gas in the magma drives the eruption like soda in a bottle.",
    "Thick magma traps the gas and the volcano explodes.",
    "Thin lava flows for miles and the volcano stays calm.",
    "Ash from one eruption cooled the planet for two years.",
    "Scientists listen to the rock under each volcano.",
    "Small earthquakes warn of an eruption weeks ahead.",
    "The crater swells when magma fills the chamber below.",
    "Lava fields become the best farmland after a century of rain.",
)
THREE_SUBJECTS = (*BREAD, *BICYCLES, *VOLCANOES)

EVERYDAY = EngineIdentity("parakeet", "3", "tdt-0.6b", None)


@dataclass(frozen=True)
class Talk:
    """Everything the stages before selection give."""

    transcript: Transcript
    sentences: tuple[Sentence, ...]
    media: MediaInfo
    shots: Shots
    faces: FaceTracks
    turns: SpeakerTurns
    acoustics: AcousticFeatures


def talk(
    texts: Sequence[str] = THREE_SUBJECTS,
    *,
    pause_s: float = 0.5,
    word_s: float = 0.32,
    lead_s: float = 0.5,
    cuts_s: Sequence[float] = (),
    wrong_words: float = 0.0,
    seed: int = 7,
    engine: EngineIdentity = EVERYDAY,
) -> Talk:
    """One sentence a text, `pause_s` between them; a cut at each of `cuts_s`, a face in all camera shots.

    `wrong_words`: share of words replaced by others of the talk, as a poor recogniser does.
    """
    transcript, sentences = _spoken(texts, pause_s, word_s, lead_s, random.Random(seed), wrong_words, engine)
    end = transcript.words[-1].span.end if transcript.words else Fraction(0)
    duration_s = end + Fraction(1)
    shots = shots_with_cuts(duration_s, cuts_s)
    return Talk(
        transcript,
        sentences,
        media_of(duration_s),
        shots,
        faces_in(shots),
        SpeakerTurns(tuple(SpeakerTurn(sentence.span, "on_screen", 0, 0.9) for sentence in sentences)),
        acoustics_of(duration_s),
    )


def _spoken(
    texts: Sequence[str],
    pause_s: float,
    word_s: float,
    lead_s: float,
    chance: random.Random,
    wrong_words: float,
    engine: EngineIdentity,
) -> tuple[Transcript, tuple[Sentence, ...]]:
    vocabulary = " ".join(texts).split()
    words: list[Word] = []
    sentences = []
    now = lead_s
    for text in texts:
        first = len(words)
        for spoken in text.split():
            heard = chance.choice(vocabulary) if chance.random() < wrong_words else spoken
            words.append(Word(heard, Span.of(round(now, 3), round(now + word_s - 0.03, 3)), 0.95))
            now += word_s
        said = words[first:]
        span = Span(said[0].span.start, said[-1].span.end)
        sentences.append(Sentence(first, len(words) - 1, span, " ".join(word.text for word in said)))
        now += pause_s
    return Transcript(tuple(words), tuple(one.span for one in sentences), "en", engine), tuple(sentences)


def media_of(duration_s: Fraction) -> MediaInfo:
    video = VideoStream(
        index=0,
        codec="h264",
        width_px=1920,
        height_px=1080,
        coded_width_px=1920,
        coded_height_px=1080,
        frame_rate=Fraction(30),
        time_base=Fraction(1, 90000),
        start_s=Fraction(0),
        rotation_deg=0,
        sample_aspect=Fraction(1),
        variable_rate=False,
        pixel_format="yuv420p",
        bit_rate_bps=None,
    )
    audio = AudioStream(1, "aac", 48000, 2, Fraction(0), None, None)
    return MediaInfo("mov", duration_s, 1_000_000, video, audio, (audio,))


def shots_with_cuts(duration_s: Fraction, cuts_s: Sequence[float]) -> Shots:
    edges = [Fraction(0), *(Fraction(str(cut)) for cut in cuts_s), duration_s]
    return Shots(tuple(Shot(Span(start, end), "camera", "cut" if start else "start") for start, end in pairwise(edges)))


def faces_in(shots: Shots) -> FaceTracks:
    rate = Fraction(5)
    tracks = []
    for index, shot in enumerate(shots.shots):
        first = -(-shot.span.start * rate // 1)
        count = int(max(1, (shot.span.end * rate) // 1 - first))
        boxes = tuple(Box(800, 200, 240, 300) for _ in range(count))
        tracks.append(FaceTrack(index, index, int(first), boxes, "d" * count, (0.0,) * count))
    return FaceTracks(1920, 1080, rate, int(shots.shots[-1].span.end * rate), "fake", tuple(tracks))


def acoustics_of(duration_s: Fraction) -> AcousticFeatures:
    chance = random.Random(3)
    count = int(duration_s / Fraction(1, 2)) + 1
    return AcousticFeatures(
        Fraction(1, 2),
        {
            "energy_db": tuple(chance.uniform(-32, -18) for _ in range(count)),
            "pitch_hz": tuple(chance.choice([0.0, chance.uniform(90, 220)]) for _ in range(count)),
            "voiced_share": tuple(chance.random() for _ in range(count)),
            "spectral_flux": tuple(chance.random() for _ in range(count)),
            "loudness_lufs": tuple(chance.uniform(-32, -18) for _ in range(count)),
            "pitch_range_st": tuple(chance.uniform(2, 9) for _ in range(count)),
            "syllables_per_s": tuple(chance.uniform(2, 5) for _ in range(count)),
            "pause_share": tuple(chance.random() / 3 for _ in range(count)),
            "pause_s": (0.0,) * count,
            "laughter_likeness": (0.0,) * count,
            "applause_likeness": (0.0,) * count,
        },
    )


def stored(name: str) -> StoredObject:
    return StoredObject(f"tenant/{name}", "ab" * 32, 1234)


def rendered(selected: SelectedClips, *, problems: Sequence[str] = (), fallbacks: Sequence[str] = ()) -> RenderedClips:
    """As if every chosen clip had been rendered; `problems` and `fallbacks` are the first clip's."""
    return RenderedClips(
        tuple(
            _rendered(clip, tuple(problems if clip.rank == 1 else ()), tuple(fallbacks if clip.rank == 1 else ()))
            for clip in selected.clips
        )
    )


def _rendered(clip: SelectedClip, problems: tuple[str, ...], fallbacks: tuple[str, ...]) -> RenderedClip:
    layout = (LayoutRun(Span(Fraction(0), clip.span.duration_s), "crop", "one face"),)
    quality = QualityReport(900, 900, float(clip.span.duration_s), -14.1, -1.6, 0.03, fallbacks, problems)
    return RenderedClip(
        clip.clip_id, clip.rank, clip.span, 1080, 1920, stored("mp4"), stored("jpg"), stored("srt"), stored("vtt"),
        stored("ass"), layout, quality,
    )  # fmt: skip
