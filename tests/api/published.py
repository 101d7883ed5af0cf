"""A video that has been through the pipeline, as far as the API can tell: rows and files, without a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from clip_platform.api.services import Services
from clip_platform.database import clips, results, videos
from clip_platform.database.clips import CandidateRow, ClipRow
from clip_platform.database.connection import Database
from clip_platform.database.results import AssetResult
from clip_platform.identifiers import StoredObject, new_ulid
from clip_platform.scoring.scorer import ClipScore, ClipScores, Contribution
from clip_platform.selection.choice import SelectedClip, SelectedClips
from clip_platform.speech.transcript import EngineIdentity, Transcript, Word
from clip_platform.storage import artifacts
from clip_platform.timeline import Span

DURATION_S = 120
SPOKEN = ("Hello", "there.", "This", "is", "<b>a", "talk", "--> about", "sleep.", "It", "helps.")
FEATURE = {"feature": "hook", "value": 0.5, "points": 12.5}


@dataclass(frozen=True)
class Published:
    """A completed video of 120 s with clips `c1` (10..40 s) and `c2` (50..80 s), and two rejected stretches."""

    tenant_id: str
    video_id: str
    token: str

    @property
    def clip_id(self) -> str:
        return f"{self.video_id}.c1"


def transcript() -> Transcript:
    words = tuple(
        Word(text, Span.of(i + (3 if i > 1 else 0), i + (3.5 if i > 1 else 0.5))) for i, text in enumerate(SPOKEN)
    )
    return Transcript(words, (Span.of(0, 13),), "en", EngineIdentity("pocketsphinx", "5", "en-us", rough="it is small"))


def publish(database: Database, services: Services, tenant_id: str = "acme", name: str = "talk.mp4") -> Published:
    video_id = new_ulid()
    source = StoredObject(f"{tenant_id}/videos/{video_id}/source/upload", "ab" * 32, 1000)
    videos.register(database, tenant_id, video_id=video_id, name=name, source=source, preferences={"clips": 3})
    token = videos.begin_attempt(database, tenant_id, video_id, "run-1")
    published = Published(tenant_id, video_id, token)
    videos.set_duration(database, tenant_id, video_id, token, Fraction(DURATION_S))
    keep(database, services, published, "transcript", transcript())
    keep(database, services, published, "clip_scores", _scores())
    keep(database, services, published, "selected_clips", _selected())
    show(database, services, published, [_clip(services, published, 1), _clip(services, published, 2)])
    videos.complete(database, tenant_id, video_id, token)
    return published


def keep(database: Database, services: Services, published: Published, asset: str, value: object) -> None:
    key = f"{published.tenant_id}/videos/{published.video_id}/artifacts/{asset}"
    stored = services.object_store.put_bytes(key, artifacts.encode(value))
    made_from = {"needs": {"audio_track": "00" * 32}, "reads": {"model": "/opt/models/face.onnx"}}
    result = AssetResult(published.video_id, asset, f"print of {asset}", stored, 1, code_version="1", **made_from)
    results.commit(database, published.tenant_id, result, published.token)


def show(
    database: Database, services: Services, published: Published, rows: Sequence[ClipRow], edit_revision: int = 0
) -> None:
    """What the delivery stage does in the end."""
    del services
    rejected = [
        CandidateRow("c9", Fraction(5), Fraction(30), 33.0, "less good", "it overlaps the better clip 1"),
        CandidateRow(None, Fraction(100), Fraction(102), None, "too short", "nothing closes in time"),
    ]
    owner = (published.tenant_id, published.video_id, published.token)
    clips.publish(database, *owner, rows, rejected, edit_revision)


def _clip(services: Services, published: Published, rank: int) -> ClipRow:
    key = f"{published.tenant_id}/videos/{published.video_id}/clips/c{rank}"
    stored = {
        "video": services.object_store.put_bytes(f"{key}.mp4", b"moving pictures %d" % rank),
        "srt": services.object_store.put_bytes(f"{key}.srt", b"1\n"),
    }
    return ClipRow(
        clip_id=f"c{rank}",
        rank=rank,
        start_s=Fraction(40 * rank - 30),
        end_s=Fraction(40 * rank),
        score=70.0 - rank,
        title=f"Why sleep helps, part {rank}",
        reasons=("a strong opening",),
        files=stored,
        fallbacks=(),
        model="heuristic 1",
        baseline=50.0,
        contributions=(FEATURE,),
        text="It helps.",
        aspect="9:16",
        caption_style="highlight",
        width_px=1080,
        height_px=1920,
    )


def _scores() -> ClipScores:
    given = (Contribution("hook", 0.1, -17.0),)
    return ClipScores("heuristic 1", "fd", (ClipScore("c9", 33.0, 50.0, given, ("a slow opening",)),))


def _selected() -> SelectedClips:
    chosen = tuple(
        SelectedClip(f"c{rank}", rank, Span.of(40 * rank - 30, 40 * rank), 0, 9, 70.0, "Why", ()) for rank in (1, 2)
    )
    return SelectedClips(chosen, (), None)
