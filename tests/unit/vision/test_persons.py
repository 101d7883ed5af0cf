from __future__ import annotations

import numpy as np

from clip_platform.vision.persons import Identified, persons_of


def seen(first: int, end: int, *embedding: float) -> Identified:
    return Identified(first, end, np.array(embedding, np.float32) if embedding else None)


def test_tracks_that_look_alike_are_one_person_whatever_the_length_of_their_embeddings():
    assert persons_of([seen(0, 10, 1, 0), seen(20, 30, 50, 12), seen(40, 50, 0, 3)]) == [0, 0, 1]


def test_two_faces_on_display_at_once_are_two_people_however_alike():
    assert persons_of([seen(0, 10, 1, 0), seen(5, 15, 1, 0), seen(20, 30, 1, 0.1)]) == [0, 1, 0]


def test_a_track_without_embedding_is_nobody():
    assert persons_of([seen(0, 10), seen(20, 30, 1, 0)]) == [None, 0]
    assert persons_of([]) == []
