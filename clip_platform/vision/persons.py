"""Which tracks show the same person, from the embeddings of their faces. Knows no pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

SAME_PERSON = 0.363
"""Least cosine similarity of two faces of one person: OpenCV's threshold for its face recogniser (`FaceRecognizerSF`,
documentation of `match`, from the Labelled Faces in the Wild benchmark). ArcFace models tell people apart at 0.3 to 0.4
as well."""


@dataclass(frozen=True, slots=True)
class Identified:
    """A track as far as it says who it shows. `embedding`: sum of those of its detections; None when there was none.
    `first_sample`, `end_sample`: when it is on display."""

    first_sample: int
    end_sample: int
    embedding: np.ndarray | None


def persons_of(tracks: Sequence[Identified]) -> list[int | None]:
    """For each track the number of its person, counted from 0 in order of appearance; None without an embedding.

    A track joins the person whom it resembles most. Two faces on display at once are two people, however alike.
    """
    import numpy as np

    people: list[list[int]] = []
    means: list[np.ndarray] = []
    found: list[int | None] = []
    for number, track in enumerate(tracks):
        if track.embedding is None:
            found.append(None)
            continue
        own = _unit(track.embedding)
        likeness = [
            -1.0 if any(_meet(tracks[other], track) for other in members) else float((own * _unit(mean)).sum())
            for members, mean in zip(people, means, strict=True)
        ]
        best = int(np.argmax(likeness)) if likeness else -1
        if best < 0 or likeness[best] < SAME_PERSON:
            best = len(people)
            people.append([])
            means.append(np.zeros_like(own))
        people[best].append(number)
        means[best] = means[best] + own
        found.append(best)
    return found


def _unit(vector: np.ndarray) -> np.ndarray:
    import numpy as np

    return vector / max(float(np.sqrt((vector * vector).sum())), 1e-9)


def _meet(first: Identified, second: Identified) -> bool:
    return first.first_sample < second.end_sample and second.first_sample < first.end_sample
