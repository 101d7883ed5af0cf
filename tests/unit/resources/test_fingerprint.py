import pytest

from clip_platform.resources.stage_run import fingerprint_of

GIVEN = {"asset": "shots", "code_version": "1", "needs": {"media_info": "a" * 64}, "settings": {"detector": "haar"}}


@pytest.mark.parametrize(
    "changed",
    [
        {"asset": "face_tracks"},
        {"code_version": "2"},
        {"needs": {"media_info": "b" * 64}},
        {"settings": {"detector": "yunet"}},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_whatever_a_result_depends_on_changes_its_key(changed):
    assert fingerprint_of(**GIVEN | changed) != fingerprint_of(**GIVEN)


def test_the_order_of_needs_and_settings_does_not_matter():
    one = fingerprint_of("clips", "1", {"a": "1", "b": "2"}, {"x": 1, "y": 2})

    assert fingerprint_of("clips", "1", {"b": "2", "a": "1"}, {"y": 2, "x": 1}) == one
