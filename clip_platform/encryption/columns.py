"""Sealed columns: text that the database keeps and cannot read. Which columns are sealed is the schema's business."""

from __future__ import annotations

from tink import KeysetHandle, TinkError, aead, prf

from clip_platform.errors import CorruptArtifact

_INDEX_BYTES = 32


class ColumnCipher:
    """Tink AEAD bound to tenant, column and row: a sealed value that is copied to another place does not open.

    Args:
        sealing: keyset of AEAD keys.
        indexing: keyset of PRF keys, for columns that are looked up.
    """

    def __init__(self, sealing: KeysetHandle, indexing: KeysetHandle) -> None:
        self._aead = sealing.primitive(aead.Aead)
        self._prf = indexing.primitive(prf.PrfSet).primary()

    def seal(self, tenant_id: str, column: str, row_id: str, text: str) -> bytes:
        """`column` is `table.column`."""
        return self._aead.encrypt(text.encode(), _place(tenant_id, column, row_id))

    def open(self, tenant_id: str, column: str, row_id: str, sealed: bytes) -> str:
        """
        Raises:
            CorruptArtifact: changed, moved from another place, or sealed with keys that are gone.
        """
        try:
            return self._aead.decrypt(bytes(sealed), _place(tenant_id, column, row_id)).decode()
        except TinkError as error:
            raise CorruptArtifact(
                f"{column} of row {row_id} cannot be opened with the keys of this installation; restore the keys it "
                "was sealed with"
            ) from error

    def index(self, tenant_id: str, column: str, text: str) -> bytes:
        """32 bytes that are the same for the same text in the same column, and tell nothing else (a blind index).

        `tenant_id` is empty where a value is looked up before its tenant is known.
        """
        return self._prf.compute(_place(tenant_id, column, text), _INDEX_BYTES)


def _place(*parts: str) -> bytes:
    """Unambiguous also for parts that hold the separator."""
    return b"".join(f"{len(part.encode())}:".encode() + part.encode() for part in parts)
