"""The master key: what wraps all other keys, and is itself never in a database, an object store or a backup of them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import unquote, urlsplit

import tink
from tink import TinkError, aead, json_proto_keyset_format, secret_key_access

from clip_platform.errors import InvalidSetting, StorageUnavailable

if TYPE_CHECKING:
    from tink.aead import Aead

_KMS_PREFIX = "aws-kms://"


class MasterKey(Protocol):
    def aead(self, context: str) -> Aead:
        """Seals and opens under the master; `context` is bound to what is sealed and, with a KMS, shown in its log."""
        ...


def open_master_key(address: str, *, make: bool = False) -> MasterKey:
    """`file:///keyset.json`, a Tink keyset that only this user may read, or `aws-kms://KEY-ARN-OR-ALIAS`.

    Args:
        make: whether a missing file is made. Only where losing it loses nothing else: on one machine's own home.

    Raises:
        InvalidSetting: the address, the file or its permissions cannot be used.
    """
    aead.register()
    if address.startswith(_KMS_PREFIX):
        return KmsMasterKey(address.removeprefix(_KMS_PREFIX))
    parts = urlsplit(address)
    path = Path(unquote(parts.path))
    if parts.scheme != "file" or parts.netloc not in ("", "localhost") or not path.is_absolute():
        raise InvalidSetting(
            f"master key {address!r} cannot be used; write file:///absolute/keyset.json or aws-kms://ARN"
        )
    if make and not path.exists():
        _make_keyset(path)
    return FileMasterKey(path)


class FileMasterKey:
    """A keyset in a file of this user's own."""

    def __init__(self, path: Path) -> None:
        try:
            open_to_others = path.stat().st_mode & 0o077
            handle = json_proto_keyset_format.parse(path.read_text(), secret_key_access.TOKEN)
            self._aead = handle.primitive(aead.Aead)
        except FileNotFoundError as error:
            raise InvalidSetting(
                f"master key {path} is not there; restore it, without it nothing that was sealed can be read"
            ) from error
        except (OSError, UnicodeDecodeError, TinkError) as error:
            raise InvalidSetting(f"master key {path} is no keyset that can be read: {error}") from error
        if open_to_others:
            raise InvalidSetting(f"master key {path} can be read by other users of this machine; chmod 600 it")

    def aead(self, context: str) -> Aead:
        return _Bound(self._aead, context)


class KmsMasterKey:
    """A key of AWS KMS that never leaves it; region and credentials come from their usual environment variables.

    Errors when used: `StorageUnavailable` when KMS does not answer, `InvalidSetting` when it refuses.
    """

    def __init__(self, key_id: str) -> None:
        import boto3
        from botocore.config import Config

        limits = Config(connect_timeout=5, read_timeout=10, retries={"max_attempts": 3, "mode": "standard"})
        self._client: Any = boto3.client("kms", config=limits)
        self._key_id = key_id

    def aead(self, context: str) -> Aead:
        return _Kms(self._client, self._key_id, context)


class _Bound(aead.Aead):
    def __init__(self, inner: Aead, context: str) -> None:
        self._inner = inner
        self._context = context.encode()

    def encrypt(self, plaintext: bytes, associated_data: bytes) -> bytes:
        return self._inner.encrypt(plaintext, self._context + b"\0" + associated_data)

    def decrypt(self, ciphertext: bytes, associated_data: bytes) -> bytes:
        return self._inner.decrypt(ciphertext, self._context + b"\0" + associated_data)


class _Kms(aead.Aead):
    def __init__(self, client: Any, key_id: str, context: str) -> None:
        self._client = client
        self._key_id = key_id
        self._context = {"clip-platform": context}

    def encrypt(self, plaintext: bytes, associated_data: bytes) -> bytes:  # noqa: ARG002  it is the context
        answer = self._ask("encrypt", Plaintext=plaintext)
        sealed: bytes = answer["CiphertextBlob"]
        return sealed

    def decrypt(self, ciphertext: bytes, associated_data: bytes) -> bytes:  # noqa: ARG002  it is the context
        plain: bytes = self._ask("decrypt", CiphertextBlob=ciphertext)["Plaintext"]
        return plain

    def _ask(self, verb: str, **arguments: bytes) -> Any:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return getattr(self._client, verb)(KeyId=self._key_id, EncryptionContext=self._context, **arguments)
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            if code in ("InvalidCiphertextException", "IncorrectKeyException"):
                raise TinkError(f"KMS: {code}") from error
            if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500) >= 500 or "Throttl" in code:
                raise StorageUnavailable("KMS does not answer now; try again", detail=str(error)) from error
            raise InvalidSetting(
                f"KMS refuses to {verb} with key {self._key_id}: {code}; check key and rights"
            ) from error
        except BotoCoreError as error:
            raise StorageUnavailable(
                "KMS does not answer; check network, region and credentials", detail=str(error)
            ) from error


def _make_keyset(path: Path) -> None:
    """Whole or not at all, for this user only; of two that make it at once the first one's stays."""
    keyset = json_proto_keyset_format.serialize(
        tink.new_keyset_handle(aead.aead_key_templates.AES256_GCM), secret_key_access.TOKEN
    )
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(keyset)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(part, path)
    except FileExistsError:
        return
    finally:
        part.unlink()
