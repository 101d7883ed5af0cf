import pytest

from clip_platform.upload.states import MAY_FOLLOW, VideoState


def test_every_state_says_what_may_follow_and_has_a_way_on():
    assert set(MAY_FOLLOW) == set(VideoState)
    assert all(MAY_FOLLOW.values())


_WITHOUT_A_SOURCE = {VideoState.UPLOADING, VideoState.VERIFYING, VideoState.REJECTED, VideoState.EXPIRED}


@pytest.mark.parametrize("state", sorted(set(VideoState) - _WITHOUT_A_SOURCE - {VideoState.DELETING}))
def test_every_video_with_a_source_can_be_processed_again_or_is_being_processed(state):
    assert VideoState.PROCESSING in MAY_FOLLOW[state] | {state}


@pytest.mark.parametrize("state", [*sorted(_WITHOUT_A_SOURCE), VideoState.DELETING])
def test_no_video_is_processed_before_its_bytes_are_verified_or_when_they_go(state):
    assert VideoState.PROCESSING not in MAY_FOLLOW[state]


@pytest.mark.parametrize("state", [VideoState.SUBMITTED, VideoState.ADMITTED])
def test_nothing_is_completed_without_having_been_processed(state):
    assert VideoState.COMPLETED not in MAY_FOLLOW[state]
