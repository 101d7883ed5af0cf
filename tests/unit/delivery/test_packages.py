from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clip_platform.delivery.packages import LONGEST_SLUG, SUFFIX_BY_KIND, file_stem, package_clips, publish
from clip_platform.selection.choice import SelectedClip, SelectedClips
from clip_platform.timeline import Span
from tests.fakes.talks import rendered, stored


def two_clips(title: str = "How dough rises") -> SelectedClips:
    clips = tuple(
        SelectedClip(f"clip{rank}", rank, Span.of(30 * rank, 30 * rank + 20), 0, 9, 90.0 - rank, title, ("why",))
        for rank in (1, 2)
    )
    return SelectedClips(clips, (), None)


def test_files_are_named_by_rank_and_title():
    packages = package_clips(two_clips(), rendered(two_clips()))

    assert packages.file_names["clip1"] == {
        "video": "01-how-dough-rises.mp4",
        "thumbnail": "01-how-dough-rises.jpg",
        "srt": "01-how-dough-rises.srt",
        "vtt": "01-how-dough-rises.vtt",
        "ass": "01-how-dough-rises.ass",
    }
    assert len(packages.files) == 2 * len(SUFFIX_BY_KIND)


def test_a_clip_with_a_problem_is_left_out_with_its_reason_and_the_others_are_published():
    packages = package_clips(two_clips(), rendered(two_clips(), problems=["12 frames are missing", "it is silent"]))

    published = publish(packages)

    assert published.published == ("clip2",)
    assert [(one.clip_id, one.reason) for one in published.left_out] == [
        ("clip1", "12 frames are missing; it is silent")
    ]


def test_a_fallback_alone_does_not_keep_a_clip_back():
    packages = package_clips(two_clips(), rendered(two_clips(), fallbacks=["no face for 2 s"]))

    assert publish(packages).left_out == ()


def test_the_manifest_and_the_page_are_handed_over_with_the_clips_once_stored():
    packages = replace(
        package_clips(two_clips(), rendered(two_clips())), manifest=stored("json"), report=stored("html")
    )

    assert packages.files["clips.json"] == stored("json")
    assert packages.files["report.html"] == stored("html")


def test_packages_come_by_rank_whatever_order_rendering_had():
    made = rendered(two_clips())

    packages = package_clips(two_clips(), replace(made, clips=made.clips[::-1]))

    assert [package.rank for package in packages.packages] == [1, 2]


@pytest.mark.parametrize(
    ("title", "stem"),
    [
        ("../../etc/passwd", "03-etc-passwd"),
        ('What\'s "good" bread?', "03-whats-good-bread"),
        ("Zürich: l'été à 30 °C", "03-zurich-lete-a-30-c"),
        ("-rf / ; reboot", "03-rf-reboot"),
        ("日本語のタイトル", "03-clip"),
        ("\u202egnp.exe\x00\n", "03-gnp-exe"),
        ("", "03-clip"),
    ],
)
def test_hostile_titles_become_plain_names(title, stem):
    assert file_stem(3, title) == stem


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=120))
def test_any_title_gives_a_safe_bounded_name(title):
    stem = file_stem(7, title)

    assert stem.startswith("07-")
    assert set(stem) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert len(stem) <= LONGEST_SLUG + 3
    assert not stem.endswith("-")
