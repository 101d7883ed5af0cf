"""Clips that say almost the same as one that a tenant got from another video before.

A clip is remembered by a signature of what is said, from which the text cannot be read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from clip_platform.selection.vocabulary import stem, tokens

SAME_SHARE = 0.6
"""Estimated Jaccard similarity of the runs of three words from which two clips say the same."""
_HASHES, _SEED = 128, 1
_RUN = 3
_FEWEST_RUNS = 8


@dataclass(frozen=True, slots=True)
class EarlierClip:
    """`name`: how people find it. `signature`: as `signature_of` gave it."""

    name: str
    signature: bytes


def signature_of(text: str) -> bytes:
    """128 little-endian 32-bit minima of hashes over the text's runs of three stems; empty for a few words.

    A. Broder, "On the resemblance and containment of documents", Compression and Complexity of Sequences, 1997.
    """
    import numpy as np
    from datasketch import MinHash

    stems = [stem(token) for token in tokens(text)]
    runs = [" ".join(stems[first : first + _RUN]).encode() for first in range(len(stems) - _RUN + 1)]
    if len(runs) < _FEWEST_RUNS:
        return b""
    hashed = MinHash(num_perm=_HASHES, seed=_SEED)
    hashed.update_batch(sorted(set(runs)))
    return bytes(np.asarray(hashed.hashvalues, "<u4").tobytes())


def same_as(signature: bytes, earlier: Sequence[EarlierClip]) -> EarlierClip | None:
    """The most similar of the earlier clips, if it says the same; those of another length of signature are none."""
    import numpy as np

    comparable = [one for one in earlier if signature and len(one.signature) == len(signature)]
    if not comparable:
        return None
    others = np.frombuffer(b"".join(one.signature for one in comparable), "<u4").reshape(len(comparable), -1)
    shares = (others == np.frombuffer(signature, "<u4")).mean(axis=1)
    best = int(shares.argmax())
    return comparable[best] if shares[best] >= SAME_SHARE else None
