"""The door to an MLflow server: patience, telemetry off, and its errors as ours. Nothing of what is asked of it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx

from clip_platform.errors import InvalidInput, InvalidSetting, NotFound, StorageUnavailable

if TYPE_CHECKING:
    from mlflow import MlflowClient

_PROBE_S, _BELIEVED_S = 3.0, 10.0
"""How long an answer may take, and how long it is believed that the next one will come."""
_DEFAULTS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    # MLflow's own seven tries take four minutes, in which a video could have been scored without it
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
"""For MLflow's client, which knows only the environment; what an operator has set stays."""


class MlflowServer:
    """One server by its URI. The client is made on first use: importing MLflow takes seconds."""

    def __init__(self, uri: str) -> None:
        for name, value in _DEFAULTS.items():  # before MLflow is imported: its telemetry starts with the import
            os.environ.setdefault(name, value)
        self.uri = uri.rstrip("/")
        self._client: MlflowClient | None = None
        self._answered_at = -_BELIEVED_S
        self._probe: httpx.Client | None = None

    @contextmanager
    def asked(self) -> Iterator[MlflowClient]:
        """A client to ask inside the block.

        Raises:
            StorageUnavailable: nobody answers, or the server has a fault.
            InvalidSetting: it refuses us, or the URI is no server's.
            NotFound, InvalidInput: what is asked for is not there, or not possible.
        """
        if time.monotonic() - self._answered_at > _BELIEVED_S:
            self.expect_answer()
        from mlflow.exceptions import MlflowException

        try:
            yield self._connected()
        except MlflowException as error:
            translated = self._translated(error)
            if isinstance(translated, StorageUnavailable):
                self.expect_answer()  # the plainer error, where it has gone
            raise translated from error

    def expect_answer(self) -> None:
        """
        Raises:
            StorageUnavailable: nobody listens there, or does not answer within seconds.
        """
        if not self.uri.startswith(("http://", "https://")):
            return
        if self._probe is None:  # made once: its TLS context costs more than all else; no connection is kept
            self._probe = httpx.Client(timeout=_PROBE_S, limits=httpx.Limits(max_keepalive_connections=0))
        try:
            self._probe.get(f"{self.uri}/health")
            self._answered_at = time.monotonic()
        except httpx.HTTPError as error:
            raise StorageUnavailable(
                f"no MLflow server answers at {self.uri}; start the platform with `clip-platform up`, or set "
                "CLIP_PLATFORM_MLFLOW_URI to another server",
                detail=str(error),
            ) from error
        except httpx.InvalidURL as error:
            raise InvalidSetting(f"CLIP_PLATFORM_MLFLOW_URI is {self.uri!r}, expected http(s)://host:port") from error

    def run_url(self, experiment_id: str, run_id: str) -> str:
        """The page of a run in MLflow's UI."""
        return f"{self.uri}/#/experiments/{experiment_id}/runs/{run_id}"

    def _connected(self) -> MlflowClient:
        if self._client is None:
            from mlflow import MlflowClient

            self._client = MlflowClient(self.uri, self.uri)
        return self._client

    def _translated(self, error: Exception) -> Exception:
        code = getattr(error, "error_code", "")
        said = str(error).splitlines()[0][:300]
        if code == "RESOURCE_DOES_NOT_EXIST":
            return NotFound(f"MLflow at {self.uri}: {said}; `clip-platform model history` and MLflow's UI list them")
        if code in ("PERMISSION_DENIED", "UNAUTHENTICATED", "CUSTOMER_UNAUTHORIZED"):
            return InvalidSetting(
                f"MLflow at {self.uri} refuses us: {said}; set MLFLOW_TRACKING_USERNAME and _PASSWORD, or _TOKEN"
            )
        if code in ("INVALID_PARAMETER_VALUE", "BAD_REQUEST"):
            return InvalidInput(f"MLflow at {self.uri} does not take this: {said}")
        return StorageUnavailable(f"MLflow at {self.uri} failed: {said}; see its log and try again", detail=str(error))
