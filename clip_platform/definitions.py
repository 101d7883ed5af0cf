"""Dagster's composition root, and the one reader of its environment. Loads in about Dagster's own import time."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from typing import Any

import dagster as dg

from clip_platform import compute, telemetry, tracing
from clip_platform.jobs import (
    LEARNING,
    STEPS,
    judge_models,
    learn_daily,
    process_video,
    requeue_video,
    rerender_clips,
    rescore_archive,
    roll_back_model,
    train_model,
)
from clip_platform.resources.artifacts import ArtifactIOManager
from clip_platform.resources.backlog import BacklogResource
from clip_platform.resources.connections import DatabaseResource, ObjectStoreResource
from clip_platform.resources.engines import (
    ClipWriterResource,
    FaceDetectorResource,
    SentenceEmbedderResource,
    SpeechRecognizerResource,
)
from clip_platform.resources.erasure import ErasureResource
from clip_platform.resources.learning import LearningResource
from clip_platform.resources.models import ModelsResource
from clip_platform.resources.retention import RetentionResource
from clip_platform.resources.scorer import ScorerResource
from clip_platform.resources.videos import VideosResource
from clip_platform.sensors.abandoned import abandoned_runs
from clip_platform.sensors.edits import edited_clips
from clip_platform.sensors.erasure import closed_accounts
from clip_platform.sensors.failures import failed_runs
from clip_platform.sensors.learning import (
    changed_champion,
    daily_judgement,
    nightly_learning,
    nightly_rescoring,
    stale_model,
    weekly_training,
)
from clip_platform.sensors.retention import expired_videos
from clip_platform.sensors.uploads import finished_uploads
from clip_platform.settings import Settings, read_settings

_WATCHED_S = 4.0
"""Of the 5 s between two ticks of a sensor."""


def default_resources(settings: Settings) -> dict[str, Any]:
    """Resources as the settings say. Secrets are read when a run needs them, and not shown in the UI."""
    videos = VideosResource(
        database=_database(settings, "pipeline"),
        object_store=ObjectStoreResource(
            url=settings.store_url,
            master_key=settings.master_key_address,
            keys_url=settings.key_store_url,
            make_master=settings.makes_master_key,
            kms_key=settings.s3_kms_key,
        ),
        scratch=str(settings.scratch_folder),
        max_upload_bytes=settings.max_upload_bytes,
        max_upload_duration_s=settings.max_upload_duration_s,
        outbound_allow=settings.outbound_allow,
    )
    models = ModelsResource(mlflow_uri=settings.mlflow_address, cache=str(settings.model_cache))
    return {
        "videos": videos,
        "io_manager": ArtifactIOManager(videos=videos),
        "backlog": BacklogResource(
            database=_database(settings, "sensors"),
            slots=settings.concurrent_videos,
            slots_of_a_tenant=settings.quota_concurrent_videos,
            watched_s=_WATCHED_S,
        ),
        "retention": RetentionResource(
            sensors_database=_database(settings, "sensors"),
            database=videos.database,
            object_store=videos.object_store,
            default_days=settings.retention_days,
            notice_days=settings.expiry_notice_days,
        ),
        "erasure": ErasureResource(sensors_database=_database(settings, "sensors"), database=videos.database),
        "learning": LearningResource(
            videos=videos,
            learner=_database(settings, "learner"),
            rescorer=_database(settings, "rescorer"),
        ),
        "speech_recognizer": SpeechRecognizerResource(
            engine=settings.speech_engine,
            model=settings.nemo_model,
            device=settings.device,
            precision=settings.nemo_precision,
            batch=settings.nemo_batch,
            speaker_model=settings.speaker_model,
        ),
        "face_detector": FaceDetectorResource(
            engine=settings.face_engine,
            model=str(settings.face_model) if settings.face_model else None,
            device=settings.device,
        ),
        "sentence_embedder": SentenceEmbedderResource(model=settings.sentence_model, device=settings.device),
        "scorer": ScorerResource(
            models=models, exploration_share=settings.exploration_share, is_expected=settings.mlflow_uri is not None
        ),
        "clip_writer": ClipWriterResource(),
        "models": models,
    }


def _database(settings: Settings, role: str) -> DatabaseResource:
    return DatabaseResource(
        host=settings.database_host or "",
        port=settings.database_port,
        name=settings.database_name,
        role=f"clip_platform_{role}",
        password=dg.EnvVar(f"CLIP_PLATFORM_DATABASE_{role.upper()}_PASSWORD"),
    )


def default_executor(settings: Settings) -> dg.ExecutorDefinition:
    """Where the steps of all jobs happen that do not say otherwise."""
    if settings.executor == "in_process":
        return dg.in_process_executor
    from clip_platform.resources.step_pods import pod_executor

    return pod_executor(settings, {step.op.name: step.op.tags[compute.SHAPE_TAG] for step in (*STEPS, *LEARNING)})


def build_definitions(**replacements: Any) -> dg.Definitions:
    """The whole code location; `replacements` take the place of resources by name, in tests."""
    settings = read_settings()
    resources: Mapping[str, Any] = {**default_resources(settings), **replacements}
    return dg.Definitions(
        assets=[*STEPS, *LEARNING],
        jobs=[
            process_video,
            rerender_clips,
            requeue_video,
            learn_daily,
            train_model,
            judge_models,
            rescore_archive,
            roll_back_model,
        ],
        sensors=[
            finished_uploads,
            edited_clips,
            failed_runs,
            abandoned_runs,
            expired_videos,
            closed_accounts,
            changed_champion,
            stale_model,
        ],
        schedules=[nightly_learning, nightly_rescoring, weekly_training, daily_judgement],
        resources=resources,
        executor=default_executor(settings),
    )


@dg.definitions
def defs() -> dg.Definitions:
    """For Dagster's own processes; whoever has set up logging already keeps it."""
    tracing.configure("pipeline")
    if not logging.getLogger().handlers:
        telemetry.configure_logging(sys.stderr, read_settings().log_level)
    return build_definitions()
