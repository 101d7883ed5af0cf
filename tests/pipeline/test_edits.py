"""Edits of clips: one run a video, nothing rendered twice, and what tenants are told. Only the pixels are made up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import dagster as dg
import pytest

from clip_platform.database import clips, edits, events, progress, recovery, results, tenants, video_log, videos
from clip_platform.database.clips import ClipRow
from clip_platform.database.connection import Database
from clip_platform.database.videos import VideoRow
from clip_platform.definitions import build_definitions
from clip_platform.errors import NoSpeech, NotFound, ProgramFailed
from clip_platform.identifiers import new_ulid
from clip_platform.partitions import videos as video_partitions
from clip_platform.resources.artifacts import ArtifactIOManager
from clip_platform.resources.backlog import BacklogResource
from clip_platform.resources.clips import RENDERING_VERSION
from clip_platform.resources.stage_run import MadeFrom
from clip_platform.resources.videos import VideosResource
from clip_platform.sensors.edits import edited_clips
from clip_platform.upload.states import VideoState
from tests.fakes.renderer import CountingRenderer
from tests.unit.delivery.made import Results
from tests.unit.delivery.made import results as made_results

PREFERENCES = {"clips": 3, "min_s": 10, "max_s": 30, "platforms": ["tiktok"]}


@pytest.fixture(scope="module")
def made() -> Results:
    """What the stages before rendering gave."""
    return made_results()


@dataclass
class EditedTalk:
    """A video of `acme`'s whose clips are chosen; `run` is what Dagster does when a sensor asks it to."""

    videos_resource: VideosResource
    backlog: BacklogResource
    instance: dg.DagsterInstance
    api: Database
    renderer: CountingRenderer
    video_id: str

    def put(self, clip_id: str, **changes: object) -> int:
        with self.api.tenant_transaction("acme") as connection:
            return edits.put(connection, self.video_id, clip_id, **changes)  # type: ignore[arg-type]

    def remove(self, clip_id: str) -> int:
        with self.api.tenant_transaction("acme") as connection:
            return edits.remove(connection, self.video_id, clip_id)

    def requests(self) -> list[dg.RunRequest]:
        with dg.build_sensor_context(
            instance=self.instance, definitions=build_definitions(), resources={"backlog": self.backlog}
        ) as context:
            answer = edited_clips(context)
        return list(answer.run_requests or []) if isinstance(answer, dg.SensorResult) else []

    def run(self, **tags: str) -> bool:
        definitions = build_definitions(
            videos=self.videos_resource, io_manager=ArtifactIOManager(videos=self.videos_resource)
        )
        job = definitions.resolve_job_def("rerender_clips")
        ended = job.execute_in_process(
            instance=self.instance, partition_key=self.video_id, tags=tags, raise_on_error=False
        )
        return ended.success

    def rendered_again(self) -> list[str]:
        """Clips that a run, asked for by the sensor, rendered."""
        before = len(self.renderer.rendered)
        (request,) = self.requests()
        assert self.run(**request.tags)
        return self.renderer.rendered[before:]

    @property
    def row(self) -> VideoRow:
        with self.api.tenant_transaction("acme") as connection:
            return videos.find(connection, self.video_id)

    @property
    def clips(self) -> list[ClipRow]:
        with self.api.tenant_transaction("acme") as connection:
            return clips.of_video(connection, self.video_id)

    def told(self) -> list[tuple[str, dict[str, object]]]:
        with self.api.tenant_transaction("acme") as connection:
            return [(event.type, dict(event.payload)) for event in events.of_video(connection, self.video_id)]


@pytest.fixture
def talk(
    videos_resource: VideosResource,
    backlog_resource: BacklogResource,
    instance: dg.DagsterInstance,
    api_door: Database,
    made: Results,
    monkeypatch: pytest.MonkeyPatch,
) -> EditedTalk:
    """Its clips are published."""
    renderer = CountingRenderer()
    monkeypatch.setattr("clip_platform.resources.clips.render_clip", renderer)
    database, video_id = videos_resource.database.get(), new_ulid()
    tenants.ensure(database, "acme", "Acme")
    source = videos_resource.store().put_bytes(f"acme/videos/{video_id}/source/upload", b"a film")
    videos.register(database, "acme", video_id=video_id, name="talk.mp4", source=source, preferences=PREFERENCES)
    instance.add_dynamic_partitions(video_partitions.name, [video_id])
    with videos_resource.attempt(video_id, "before") as attempt:
        attempt.probed(made.talk.media.duration_s)
        for name, value in _chosen(made).items():
            attempt.commit(name, f"{name}-1", value, MadeFrom("1", {}, {}))
    recovery.interrupt(database, "acme", video_id, "before")
    edited = EditedTalk(videos_resource, backlog_resource, instance, api_door, renderer, video_id)
    assert edited.run()
    return edited


def _chosen(made: Results) -> dict[str, object]:
    return {
        "media_info": made.talk.media,
        "transcript": made.talk.transcript,
        "acoustic_features": made.talk.acoustics,
        "shots": made.talk.shots,
        "face_tracks": made.talk.faces,
        "speaker_turns": made.talk.turns,
        "clip_candidates": made.candidates,
        "clip_scores": made.scores,
        "selected_clips": made.selected,
    }


def test_a_longer_clip_is_rendered_alone_and_says_what_is_said_in_it(talk: EditedTalk) -> None:
    first, *others = talk.clips
    start, end = first.start_s - 3, first.end_s + 2

    talk.put(first.clip_id, start_s=start, end_s=end, title="Longer")
    again = talk.rendered_again()

    longer, *same = talk.clips
    assert again == [first.clip_id]
    assert (longer.start_s, longer.end_s, longer.title) == (start, end, "Longer")
    assert first.text in longer.text
    assert len(longer.text) > len(first.text)
    assert longer.revision == first.revision + 1
    assert (same, [clip.revision for clip in same]) == (others, [clip.revision for clip in others])


def test_all_edits_of_a_video_are_one_run_and_the_last_word_counts(talk: EditedTalk) -> None:
    first, second, third = talk.clips
    talk.put(first.clip_id, aspect="1:1")
    talk.put(first.clip_id, aspect="16:9", caption_style="none")
    talk.put(second.clip_id, platforms=("linkedin",))
    last = talk.put(third.clip_id, title="Other")

    (request,) = talk.requests()
    nothing_more = talk.requests()
    before = len(talk.renderer.rendered)
    assert talk.run(**request.tags)

    assert request.run_key == f"{talk.video_id}:edit:{last}"
    assert request.partition_key == talk.video_id
    assert nothing_more == []
    assert talk.renderer.rendered[before:] == [first.clip_id]  # places and titles are no pixels
    shown = [(clip.aspect, clip.caption_style, clip.width_px, clip.platforms, clip.title) for clip in talk.clips]
    assert shown[0] == ("16:9", "none", 1920, ("tiktok",), first.title)
    assert shown[1][3] == ("linkedin",)
    assert shown[2][4] == "Other"
    assert (talk.row.state, talk.row.edit_revision, talk.row.rendered_revision) == (VideoState.COMPLETED, last, last)


def test_an_edit_taken_back_gives_the_first_clip_again_without_rendering(talk: EditedTalk) -> None:
    first = talk.clips[0]
    talk.put(first.clip_id, aspect="1:1")
    talk.rendered_again()

    talk.put(first.clip_id, aspect=None)
    again = talk.rendered_again()

    assert again == []
    assert talk.clips[0].files == first.files
    assert talk.clips[0].aspect == "9:16"


def test_an_edit_made_while_a_run_renders_is_the_next_runs(talk: EditedTalk) -> None:
    first, second, _third = talk.clips
    talk.put(first.clip_id, aspect="1:1")
    talk.renderer.meanwhile = lambda: talk.put(second.clip_id, aspect="4:5")

    talk.rendered_again()
    talk.renderer.meanwhile = lambda: None
    between = talk.row
    again = talk.rendered_again()

    assert (between.edit_revision, between.rendered_revision) == (2, 1)
    assert again == [second.clip_id]
    assert [clip.aspect for clip in talk.clips] == ["1:1", "4:5", "9:16"]


def test_a_removed_clip_is_gone_at_once_and_stays_away_also_from_a_run_that_had_it(talk: EditedTalk) -> None:
    first, second, third = talk.clips
    talk.put(first.clip_id, aspect="1:1")
    talk.renderer.meanwhile = lambda: talk.remove(second.clip_id)
    talk.rendered_again()
    talk.renderer.meanwhile = lambda: None

    during = [clip.clip_id for clip in talk.clips]
    talk.rendered_again()

    assert during == [first.clip_id, third.clip_id]
    assert [(clip.clip_id, clip.rank) for clip in talk.clips] == [(first.clip_id, 1), (third.clip_id, 2)]
    with pytest.raises(NotFound):
        talk.put(second.clip_id, title="back?")


def fails(error: Exception) -> Callable[[], object]:
    def fail() -> None:
        raise error

    return fail


def test_an_edit_that_cannot_be_rendered_leaves_the_clips_as_they_were(talk: EditedTalk) -> None:
    before = talk.clips
    revision = talk.put(before[0].clip_id, aspect="1:1")
    talk.renderer.meanwhile = fails(NoSpeech("nothing to show", detail="its evidence"))

    (request,) = talk.requests()
    assert not talk.run(**request.tags)

    row = talk.row
    assert talk.clips == before
    assert (row.state, row.error_class, row.failed_revision) == (VideoState.COMPLETED, "NoSpeech", revision)
    assert edits.rendering_state(row, revision) == "failed"
    assert talk.requests() == []  # until it is edited again
    assert talk.told()[-1][0] == "video.failed"
    talk.renderer.meanwhile = lambda: None
    talk.put(before[0].clip_id, aspect="4:5")
    assert talk.rendered_again() == [before[0].clip_id]


def test_a_failure_that_may_pass_is_tried_again_with_the_whole_job(talk: EditedTalk) -> None:
    talk.put(talk.clips[0].clip_id, aspect="1:1")
    talk.renderer.meanwhile = fails(ProgramFailed("ffmpeg died", detail="tail of stderr"))

    (request,) = talk.requests()
    assert not talk.run(**request.tags)

    assert (talk.row.state, talk.row.error_class, talk.row.error_detail) == (
        VideoState.FAILED,
        "ProgramFailed",
        "tail of stderr",
    )


def test_a_tenant_is_told_of_stages_of_completion_and_of_each_new_file_once(talk: EditedTalk) -> None:
    at_first = talk.told()
    talk.put(talk.clips[1].clip_id, aspect="1:1")
    talk.rendered_again()
    later = talk.told()[len(at_first) :]

    first_types = [type_ for type_, _payload in at_first]
    assert first_types.count("clip.rendered") == 3
    assert first_types[-1] == "video.completed"
    assert at_first[-1][1]["clips"] == 3
    assert [(type_, payload.get("stage")) for type_, payload in later] == [
        ("video.stage_changed", "rendering"),
        ("video.stage_changed", "delivery"),
        ("clip.rendered", None),
    ]
    rendered = later[-1][1]
    assert rendered["clip_id"] == f"{talk.video_id}.{talk.clips[1].clip_id}"
    assert (rendered["aspect"], rendered["edit_revision"]) == ("1:1", 1)
    assert 0 < float(str(later[0][1]["percent"])) < float(str(later[1][1]["percent"])) < 100


def test_each_stage_says_what_it_did_and_each_result_what_it_was_made_from(talk: EditedTalk) -> None:
    with talk.api.tenant_transaction("acme") as connection:
        said = [(line.stage, line.message) for line in video_log.page(connection, talk.video_id, 100)]
        made = {one.asset: one for one in results.all_current(connection, talk.video_id)}
        percent = progress.overall(progress.of_video(connection, talk.video_id))

    assert ("rendering", "edited_clips: begun") in said
    assert any(message.startswith("published_clips: ready after") for _stage, message in said)
    rendered = made["rendered_clips"]
    assert rendered.needs is not None
    assert rendered.needs["edited_clips"] == made["edited_clips"].artifact.sha256
    assert set(rendered.reads or {}) == {"source"}
    assert rendered.code_version == RENDERING_VERSION
    assert percent == pytest.approx(100)


def test_a_deleted_video_ends_its_run_and_takes_no_more_results(talk: EditedTalk) -> None:
    talk.put(talk.clips[0].clip_id, aspect="1:1")

    def delete() -> None:
        with talk.api.tenant_transaction("acme") as connection:
            assert videos.begin_deleting(connection, talk.video_id)

    talk.renderer.meanwhile = delete
    (request,) = talk.requests()

    assert not talk.run(**request.tags)

    row = videos.get(talk.api, "acme", talk.video_id)
    assert (row.state, row.error_class) == (VideoState.DELETING, None)
    with pytest.raises(NotFound):
        _ = talk.row
    assert talk.requests() == []


def test_scores_of_published_clips_are_explained(talk: EditedTalk) -> None:
    clip = talk.clips[0]

    assert clip.baseline is not None
    explained = clip.baseline + sum(part["points"] for part in clip.contributions)
    assert explained == pytest.approx(clip.score, abs=0.01)
    assert clip.end_s - clip.start_s >= Fraction(10)
