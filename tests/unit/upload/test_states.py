import pytest

from clip_platform.upload.states import MAY_FOLLOW, VideoState


def test_every_state_says_what_may_follow_and_has_a_way_on():
    assert set(MAY_FOLLOW) == set(VideoState)
    assert all(MAY_FOLLOW.values())


@pytest.mark.parametrize("state", VideoState)
def test_every_video_can_be_processed_again_or_is_being_processed(state):
    assert VideoState.PROCESSING in MAY_FOLLOW[state] | {state}


@pytest.mark.parametrize("state", [VideoState.SUBMITTED, VideoState.ADMITTED])
def test_nothing_is_completed_without_having_been_processed(state):
    assert VideoState.COMPLETED not in MAY_FOLLOW[state]
