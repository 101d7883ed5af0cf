"""Where wrapped keys are kept: small texts under names, created once. Not the object store, and not Postgres."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import LocalStore, from_url

from clip_platform.errors import InvalidSetting, StorageUnavailable


class KeyStore:
    """At `file:///folder` (made when missing) or `s3://bucket/prefix`.

    Errors of every method: `StorageUnavailable`.

    Raises:
        InvalidSetting: the address cannot be used.
    """

    def __init__(self, url: str) -> None:
        try:
            if url.startswith("file:"):
                folder = Path(unquote(urlsplit(url).path))
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                self._backend = LocalStore(folder)
            else:
                self._backend = from_url(url)  # type: ignore[assignment]
        except (BaseError, ValueError, OSError) as error:
            raise InvalidSetting(
                f"key store {url!r} cannot be opened: {error}; give file:///folder or s3://bucket/prefix"
            ) from error

    def get(self, name: str) -> str | None:
        with _translated():
            try:
                return bytes(obstore.get(self._backend, _path_of(name)).bytes()).decode()
            except FileNotFoundError:
                return None

    def create(self, name: str, text: str) -> None:
        """
        Raises:
            AlreadyExistsError: there is one of this name, which stays.
        """
        with _translated():
            obstore.put(self._backend, _path_of(name), text.encode(), mode="create")

    def delete(self, name: str) -> None:
        """Twice is once."""
        with _translated():
            try:
                obstore.delete(self._backend, _path_of(name))
            except FileNotFoundError:
                return


def _path_of(name: str) -> str:
    return f"{name}.json"


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except AlreadyExistsError:
        raise
    except (BaseError, OSError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise StorageUnavailable(
            "the key store does not answer; check CLIP_PLATFORM_KEYS_URL and its rights", detail=str(error)
        ) from error
