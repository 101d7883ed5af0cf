"""All settings, typed, read from the environment at the edge and nowhere else. A secret has no default."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pydantic import AliasChoices, Field, PositiveFloat, PositiveInt, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from clip_platform.errors import InvalidSetting
from clip_platform.upload.acceptance import Limits

PREFIX = "CLIP_PLATFORM_"


def _default_home() -> Path:
    data = os.environ.get("XDG_DATA_HOME", "")
    return (Path(data) if Path(data).is_absolute() else Path.home() / ".local" / "share") / "clip-platform"


class Settings(BaseSettings):
    """What an operator can set, each as `CLIP_PLATFORM_<NAME>`. Use `read_settings` to make one."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, frozen=True)

    home: Path = Field(default_factory=_default_home, description="folder of everything this machine keeps")
    object_store_url: str | None = Field(
        default=None,
        description="file:///folder, s3://bucket/prefix or az://container/prefix; a folder in home when unset",
    )
    scratch: Path | None = Field(default=None, description="folder for temporary files; in home when unset")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(default="INFO", description="how much is logged")

    database_host: str | None = Field(
        default=None, description="Postgres server of Dagster's processes; unset for the CLI, which brings its own"
    )
    database_port: int = Field(default=5432, ge=1, le=65535, description="port of that server")
    database_name: str = Field(default="clip_platform", description="database of the application on that server")
    database_owner_password: SecretStr | None = Field(default=None, description="role clip_platform_owner: migrations")
    database_pipeline_password: SecretStr | None = Field(
        default=None, description="role clip_platform_pipeline: assets, CLI"
    )
    database_sensors_password: SecretStr | None = Field(default=None, description="role clip_platform_sensors: sensors")

    database_api_password: SecretStr | None = Field(default=None, description="role clip_platform_api: the API")
    database_worker_password: SecretStr | None = Field(
        default=None, description="role clip_platform_worker: verification, webhooks, audit export"
    )
    database_learner_password: SecretStr | None = Field(
        default=None, description="role clip_platform_learner: feedback and clips to train from"
    )
    database_rescorer_password: SecretStr | None = Field(
        default=None, description="role clip_platform_rescorer: scores of the archive"
    )
    database_exporter_password: SecretStr | None = Field(
        default=None, description="role clip_platform_exporter: counts for Prometheus"
    )
    exploration_share: float = Field(
        default=0.1,
        ge=0.0,
        le=0.5,
        description="share of videos shown in random order and without scores, so that models are judged fairly",
    )
    redis_url: SecretStr | None = Field(
        default=None,
        validation_alias=AliasChoices(f"{PREFIX}REDIS_URL", "REDIS_URL"),
        description="redis://host:port/0 for live progress and rate limits; Postgres and memory when unset",
    )

    mlflow_uri: str | None = Field(
        default=None, description="MLflow server of runs and models, http(s)://host; the one that `up` runs when unset"
    )
    mlflow_port: int = Field(default=5000, ge=1, le=65535, description="port of the MLflow server that `up` runs")

    api_host: str = Field(default="127.0.0.1", description="address the API listens on")
    api_port: int = Field(default=8000, ge=1, le=65535, description="port of the API")
    api_url: str | None = Field(
        default=None, description="the API's address as clients see it, http(s)://host; from host and port when unset"
    )
    metrics_host: str = Field(
        default="127.0.0.1", description="address that metrics of the API and the exporter are on"
    )
    api_metrics_port: int | None = Field(
        default=None, ge=1, le=65535, description="port of the API's metrics for Prometheus; none when unset"
    )
    exporter_port: int = Field(default=9464, ge=1, le=65535, description="port of `clip-platform exporter`'s metrics")
    oidc_issuer: str | None = Field(
        default=None, description="issuer of access tokens, https://...; our own tokens only when unset"
    )
    oidc_audience: str | None = Field(default=None, description="audience that access tokens must name")
    oidc_groups_claim: str = Field(default="groups", description="claim that lists a user's groups")
    oidc_group_pattern: str = Field(
        default="clip-platform:{tenant}:{role}", description="groups that give a role in a tenant"
    )
    oidc_operator_group: str = Field(default="clip-platform:operators", description="group of the operators")
    rate_limit_per_token: str = Field(default="600/minute", description="requests of one token; see limits' notation")
    rate_limit_per_tenant: str = Field(default="3000/minute", description="requests of one tenant")
    max_request_bytes: PositiveInt = Field(default=1024**2, description="largest request body but for bulk imports")

    master_key: str | None = Field(
        default=None,
        description="what wraps all other keys: file:///keyset.json or aws-kms://ARN; a file in home when unset",
    )
    keys_url: str | None = Field(
        default=None, description="store of the wrapped keys, outside Postgres and the object store; in home when unset"
    )
    s3_kms_key: str | None = Field(
        default=None, description="SSE-KMS key of a tenant's originals and clips, alias/clips-{tenant} say"
    )
    azure_encryption_scope: str | None = Field(
        default=None, description="encryption scope of a tenant's originals and clips, clips-{tenant} say"
    )
    outbound_allow: str = Field(
        default="", description="networks beside the public internet that webhooks and sources may be on, 10.1.0.0/16"
    )
    destination_endpoints: str = Field(
        default="", description="S3 and Azure endpoints beside the providers' own that destinations may name"
    )

    upload_session_hours: PositiveFloat = Field(default=24.0, description="an upload not completed by then expires")
    signed_url_minutes: PositiveFloat = Field(default=15.0, description="how long a signed URL works")
    retention_days: PositiveInt | None = Field(default=None, description="videos are deleted after; never when unset")
    expiry_notice_days: PositiveInt = Field(default=7, description="warning time before a video is deleted")
    quota_stored_bytes: PositiveInt | None = Field(default=None, description="of each tenant; unlimited when unset")
    quota_minutes_a_month: PositiveInt | None = Field(default=None, description="of each tenant; unlimited when unset")
    quota_concurrent_videos: PositiveInt | None = Field(default=None, description="of each tenant; any when unset")
    audit_store_url: str | None = Field(
        default=None, description="s3://bucket/prefix with object lock, for the audit trail; not exported when unset"
    )
    audit_retention_days: PositiveInt = Field(default=365, description="how long exported audit trails are locked")

    speech_engine: Literal["auto", "nemo", "pocketsphinx"] = Field(default="auto", description="what recognises speech")
    nemo_model: str = Field(default="nvidia/parakeet-tdt-0.6b-v3", description="NeMo model, by name or .nemo file")
    nemo_precision: Literal["auto", "fp32", "bf16", "fp16"] = Field(
        default="auto", description="what NeMo computes in; auto is bf16 on CUDA, fp32 on a CPU"
    )
    nemo_batch: PositiveInt | None = Field(
        default=None, description="chunks of 20 s that NeMo hears at once; 16 on CUDA, 1 on a CPU when unset"
    )
    speaker_model: str | None = Field(
        default=None,
        description="NeMo speaker model, by name or .nemo file; faces alone tell speakers apart when unset",
    )
    device: Literal["auto", "cpu", "cuda"] = Field(default="auto", description="where engines compute")
    face_engine: Literal["haar", "yunet", "insightface"] = Field(default="haar", description="what finds faces")
    face_model: Path | None = Field(
        default=None,
        description="model of the face engine: yunet's file, insightface's folder "
        "(its own packs: non-commercial research only)",
    )

    sentence_model: str | None = Field(
        default=None, description="sentence-transformers model, by name or folder; topics go by words when unset"
    )

    executor: Literal["in_process", "kubernetes"] = Field(
        default="in_process", description="where the steps of a run happen: in its own process, or in a pod each"
    )
    gpu_image: str | None = Field(
        default=None, description="image of steps that need a GPU, in Kubernetes; the code location's own when unset"
    )
    scratch_storage_class: str | None = Field(
        default=None, description="class of the volumes for temporary files, in Kubernetes; they must be encrypted"
    )

    concurrent_videos: PositiveInt = Field(default=2, description="how many videos sensors start at once")
    max_upload_bytes: PositiveInt = Field(default=20 * 1024**3, description="larger files are refused")
    max_upload_duration_s: PositiveFloat = Field(default=6 * 3600, description="longer videos are refused")

    @property
    def store_url(self) -> str:
        """The object store's address, whether set or not."""
        return self.object_store_url or (self.home.absolute() / "objects").as_uri()

    @property
    def master_key_address(self) -> str:
        return self.master_key or (self.home.absolute() / "master-key" / "keyset.json").as_uri()

    @property
    def makes_master_key(self) -> bool:
        """Whether a missing master key is made: on one machine of its own. Where a server is named there may be several
        machines, and each would make another one."""
        return self.master_key is None and self.database_host is None

    @property
    def key_store_url(self) -> str:
        return self.keys_url or (self.home.absolute() / "keys").as_uri()

    @property
    def upload_limits(self) -> Limits:
        return Limits(max_bytes=self.max_upload_bytes, max_duration_s=self.max_upload_duration_s)

    @property
    def scratch_folder(self) -> Path:
        return self.scratch or self.home / "scratch"

    @property
    def mlflow_address(self) -> str:
        """Of the MLflow server, whether set or not, without a slash at its end."""
        return (self.mlflow_uri or f"http://127.0.0.1:{self.mlflow_port}").rstrip("/")

    @property
    def model_cache(self) -> Path:
        """Where models that served are kept for when MLflow is away."""
        return self.home.absolute() / "models"

    @property
    def public_api_url(self) -> str:
        """The API's address as clients see it, without a slash at its end."""
        return (self.api_url or f"http://{self.api_host}:{self.api_port}").rstrip("/")

    def database_url(
        self, role: Literal["owner", "pipeline", "sensors", "api", "worker", "learner", "rescorer", "exporter"]
    ) -> str | None:
        """The address for one of the application's roles; None when the embedded server is to be used.

        Raises:
            InvalidSetting: a server is named, but not the role's password.
        """
        if self.database_host is None:
            return None
        from sqlalchemy import URL

        password: SecretStr | None = getattr(self, f"database_{role}_password")
        if password is None:
            name = f"{PREFIX}DATABASE_{role.upper()}_PASSWORD"
            raise InvalidSetting(
                f"{PREFIX}DATABASE_HOST names a server, but {name} is not set; set it, or unset the host to use the "
                "embedded server"
            )
        url = URL.create(
            "postgresql+psycopg",
            username=f"clip_platform_{role}",
            password=password.get_secret_value(),
            host=self.database_host,
            port=self.database_port,
            database=self.database_name,
        )
        return url.render_as_string(hide_password=False)


def read_settings() -> Settings:
    """The settings of this process's environment.

    Raises:
        InvalidSetting: names the variable, its value unless it is a secret, and what is allowed; also for a variable
            with our prefix that is no setting, which is a typing error more often than not.
    """
    known = {f"{PREFIX}{name}".upper() for name in Settings.model_fields}
    unknown = sorted(name for name in os.environ if name.upper().startswith(PREFIX) and name.upper() not in known)
    unknown = [name for name in unknown if name not in _NOT_SETTINGS]
    if unknown:
        raise InvalidSetting(f"{', '.join(unknown)}: no such setting; .env.example lists them all")
    try:
        return Settings()
    except ValidationError as error:
        raise InvalidSetting("; ".join(_in_words(problem) for problem in error.errors())) from error


_NOT_SETTINGS = frozenset({f"{PREFIX}SHARED_MEDIA", f"{PREFIX}TOKEN"})
"""Read by the tests and by the client, not by the platform."""


def _in_words(problem: object) -> str:
    assert isinstance(problem, dict)  # noqa: S101
    name = str(problem["loc"][0])
    value = "" if "password" in name or "redis" in name.lower() else f" is {problem['input']!r}"
    return f"{PREFIX}{name.upper()}{value}: {problem['msg']}"
