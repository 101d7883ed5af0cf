from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser

from made import ROUGH, results

from clip_platform.delivery.report import plain_name, report_html
from clip_platform.scoring.features import FEATURES

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)> \"'><b>@@BODY@@"


class Page(HTMLParser):
    """Every tag with its attributes, and that they are closed in order."""

    VOID = frozenset(["meta", "input", "img", "br", "link"])

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(page)
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        self.text += data

    def all(self, name: str) -> list[dict[str, str | None]]:
        return [attrs for tag, attrs in self.tags if tag == name]


def page_of(made, name: str = "talk.mov") -> Page:
    return Page(report_html(made.manifest(name), made.timeline()))


def test_each_clip_is_played_from_the_file_beside_the_page():
    made = results()

    page = page_of(made)

    names = [f"./{package.files[0].name}" for package in made.packages.packages]
    assert [video["src"] for video in page.all("video")] == names


def test_other_places_of_files_are_relative_links_whatever_they_hold():
    made = results()
    paths = {clip.clip_id: {"video": "javascript:alert(1)//ä ?.mp4"} for clip in made.selected.clips}

    page = Page(report_html(made.manifest(), made.timeline(), paths))

    assert {video["src"] for video in page.all("video")} == {"./javascript%3Aalert%281%29//%C3%A4%20%3F.mp4"}


def test_nothing_is_loaded_from_a_network():
    page = report_html(results().manifest(), results().timeline())

    assert not re.search(r"(src|href|url|import)\W{1,3}(https?:)?//", page)


def test_the_policy_lets_exactly_the_own_script_run():
    page = report_html(results().manifest(), results().timeline())

    scripts = re.findall(r"<script>(.*?)</script>", page, flags=re.DOTALL)

    assert len(scripts) == 1
    digest = base64.b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in page


def test_hostile_names_titles_words_and_reasons_stay_text():
    made = results(title=HOSTILE, problems=(HOSTILE,), fallbacks=(HOSTILE,))

    page = page_of(made, name=HOSTILE)

    assert len(page.all("script")) == 1
    assert page.all("img") == []
    assert all("onerror" not in attrs for _tag, attrs in page.tags)
    assert page.text.count(HOSTILE) >= 3
    assert len(page.all("main")) == 1


def test_a_rough_engine_is_said_loudly_with_its_remedy():
    page = page_of(results(engine=ROUGH))

    assert [attrs for _tag, attrs in page.tags if attrs.get("role") == "alert"]
    assert "The words in these clips are rough" in page.text
    assert "install the nemo extra" in page.text


def test_a_production_engine_raises_no_alarm():
    page = page_of(results())

    assert "rough" not in page.text
    assert not [attrs for _tag, attrs in page.tags if attrs.get("role") == "alert"]


def test_every_clip_tells_why_it_was_chosen_and_how_it_is_framed():
    made = results(fallbacks=("no face for 2 s",))

    page = page_of(made)

    for clip in made.selected.clips:
        assert clip.title in page.text
        assert all(reason in page.text for reason in clip.reasons)
    assert "second best: no face for 2 s" in page.text
    assert "900 of 900 frames" in page.text


def test_a_clip_held_back_says_so():
    assert "Not published: it is silent" in page_of(results(problems=("it is silent",))).text


def test_the_timeline_has_every_chosen_clip_as_a_button_that_names_its_card():
    made = results()

    page = page_of(made)

    buttons = [attrs for attrs in page.all("g") if attrs.get("role") == "button"]
    cards = {attrs["id"] for attrs in page.all("article")}
    assert [f"clip-{button['data-clip']}" for button in buttons] == [
        f"clip-{clip.clip_id}" for clip in made.selected.clips
    ]
    assert {f"clip-{button['data-clip']}" for button in buttons} == cards
    assert all(button["tabindex"] == "0" and button["aria-label"] for button in buttons)


def test_rejected_stretches_are_listed_with_their_reasons():
    made = results()

    page = page_of(made)

    assert len(page.all("tr")) == len(made.selected.rejected) + 1
    assert all(one.reason in page.text for one in made.selected.rejected)


def test_a_video_without_clips_still_has_a_page():
    page = page_of(results(("Hello there.",)))

    assert "No clip was made." in page.text
    assert page.all("video") == []


def test_every_feature_has_a_name_for_people():
    assert [feature.name for feature in FEATURES if plain_name(feature.name) == feature.name.replace("_", " ")] == []
