from clip_platform.upload.acceptance import DEFAULT_LIMITS


def test_the_smallest_that_is_taken_is_below_the_largest():
    assert DEFAULT_LIMITS.min_duration_s < DEFAULT_LIMITS.max_duration_s
    assert DEFAULT_LIMITS.min_width_px < DEFAULT_LIMITS.max_width_px
    assert DEFAULT_LIMITS.min_height_px < DEFAULT_LIMITS.max_height_px
