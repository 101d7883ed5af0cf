"""One self-contained page about what was made of a video: it plays the clips, says why, and draws the whole talk.

The page needs no network and works from a folder. Everything that was said, named or configured is escaped; its content
policy lets only the page's own script run.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib.resources import files
from typing import Any
from urllib.parse import quote

from clip_platform.delivery.svg import timeline_svg
from clip_platform.delivery.timeline import TimelineData
from clip_platform.scoring.features import FEATURES
from clip_platform.timeline import clock

MOST_REJECTED = 300
"""Rows of the table of rejected candidates; the manifest has them all."""
MOST_BARS = 8

Json = Mapping[str, Any]

_MARK = re.compile("@@[A-Z_]+@@")

_FEATURES = {feature.name: feature for feature in FEATURES}
_PLAIN_NAMES: Mapping[str, str] = {
    "duration_s": "Length",
    "duration_fit": "Fits the asked length",
    "position_share": "Place in the video",
    "topic_share": "Stays with one subject",
    "starts_topic": "Opens a subject",
    "ends_topic": "Closes a subject",
    "pause_before_s": "Pause before",
    "pause_after_s": "Pause after",
    "start_leaning": "Needs what came before",
    "end_open": "Leaves things open",
    "sentence_count": "Sentences",
    "opens_with_question": "Opens with a question",
    "questions_per_min": "Questions",
    "hook_number": "Number in the first 3 s",
    "hook_you": "Addresses you in the first 3 s",
    "hook_strong": "Strong word in the first 3 s",
    "number_share": "Numbers",
    "you_share": "Addresses the viewer",
    "first_person_share": "First person",
    "strong_share": "Strong words",
    "filler_share": "Filler words",
    "content_share": "Words with content",
    "repeated_share": "Keeps to its point",
    "centrality": "Central to its subject",
    "word_confidence": "Words heard surely",
    "words_per_s": "Pace",
    "hook_words_per_s": "Pace in the first 3 s",
    "speech_share": "Speech",
    "longest_pause_s": "Longest pause",
    "turns_per_min": "Changes of speaker",
    "energy_rel_db": "Loud against the rest",
    "energy_spread_db": "Loud and soft",
    "hook_energy_rel_db": "Energy in the first 3 s",
    "pitch_spread_st": "Melody of speech",
    "flux_rel": "Lively sound",
    "face_share": "Face on screen",
    "hook_face_share": "Face in the first 3 s",
    "face_height_share": "Size of the face",
    "speaker_share": "Speaker on screen",
    "cuts_per_min": "Cuts",
    "slide_share": "Slides",
}
_FILE_LABELS = {"video": "MP4", "thumbnail": "Thumbnail", "srt": "SRT", "vtt": "VTT", "ass": "ASS"}
_WARNING = (
    '<svg viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2" aria-hidden="true">'
    '<path d="M12 3 2 21h20L12 3zM12 10v5M12 18v.5" stroke-linecap="round" stroke-linejoin="round"/></svg>'
)


def report_html(
    manifest: Json,
    timeline: TimelineData,
    media_paths: Mapping[str, Mapping[str, str]] | None = None,
) -> str:
    """The page.

    Args:
        manifest: what `clips_manifest` returns.
        timeline: lanes of the whole video.
        media_paths: path of each file relative to the page, by kind, by clip id; None when they lie beside the page
            under the manifest's names.
    """
    paths = media_paths if media_paths is not None else {clip["clip_id"]: clip["files"] for clip in manifest["clips"]}
    page = files("clip_platform.delivery").joinpath("report.html").read_text(encoding="utf-8")
    body = "\n".join(
        [
            _header(manifest),
            *_banners(manifest),
            timeline_svg(timeline, [clip["clip_id"] for clip in manifest["clips"]]),
            "<h2>Clips</h2>",
            *(_clip(clip, paths.get(clip["clip_id"], {})) for clip in manifest["clips"]),
            *([] if manifest["clips"] else ['<p class="note">No clip was made.</p>']),
            _rejected(manifest["rejected"]),
            _footer(manifest),
        ]
    )
    title = escape(f"Clips of {manifest['video']['name']}")
    marks = {"@@SCRIPT_HASH@@": _script_hash(page), "@@TITLE@@": title, "@@BODY@@": body}
    return _MARK.sub(lambda found: marks[found[0]], page)  # in one pass: what was said may look like a mark


def _script_hash(page: str) -> str:
    """The content policy's name for the page's one script (CSP level 3, hash-source)."""
    script = page.split("<script>")[1].split("</script>")[0]
    return f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}"


def _header(manifest: Json) -> str:
    video, clips = manifest["video"], manifest["clips"]
    facts = [
        _time(video["duration_s"]),
        f"{video['width_px']}×{video['height_px']}, {video['frame_rate']:.4g} frames/s",
        f"{len(clips)} {'clip' if len(clips) == 1 else 'clips'} of {manifest['preferences']['clips']} asked for",
        f"{len(manifest['rejected'])} other stretches considered",
    ]
    return f"<header><h1>{escape(video['name'])}</h1><div class='facts'>{_spans(facts)}</div></header>"


def _time(moment_s: float) -> str:
    """`m:ss.t`, with hours only where there are some."""
    return clock(moment_s).removeprefix("0:")


def _spans(texts: Iterable[str]) -> str:
    return "".join(f"<span>{escape(text)}</span>" for text in texts)


def _banners(manifest: Json) -> list[str]:
    rough = manifest["engines"]["speech"]["rough"]
    banners = []
    if rough:
        name = escape(manifest["engines"]["speech"]["name"])
        banners.append(
            f'<div class="banner" role="alert">{_WARNING}<div><strong>The words in these clips are rough</strong>'
            f"{escape(rough)} <span>(speech engine: {name})</span></div></div>"
        )
    notes = [*([manifest["shortfall"]] if manifest["shortfall"] else []), *manifest["video"]["warnings"]]
    return [*banners, *(f'<p class="note">{escape(_sentence(note))}</p>' for note in notes)]


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


def _clip(clip: Json, paths: Mapping[str, str]) -> str:
    identity = escape(clip["clip_id"])
    span = f"{_time(clip['start_s'])} – {_time(clip['end_s'])} · {clip['duration_s']:.1f} s"
    return (
        f'<article class="card clip-card" id="clip-{identity}" data-start="{clip["start_s"]}" '
        f'aria-label="Clip {clip["rank"]}">{_player(clip, paths)}<div><div class="head"><div>'
        f'<p class="rank">Clip {clip["rank"]} · {span}</p><h3>{escape(clip["title"])}</h3>'
        f'<p class="note">{escape(clip["summary"])} {escape(" ".join(clip["hashtags"]))}</p>'
        f"{_chips(clip['score']['reasons'])}</div>{_ring(clip['score']['value'])}</div>"
        f"{_blocked(clip['quality'])}{_said(clip)}{_bars(clip['score'])}{_layout(clip)}{_checks(clip['quality'])}"
        "</div></article>"
    )


def _player(clip: Json, paths: Mapping[str, str]) -> str:
    links = "".join(
        f'<a href="{_link(paths[kind])}">{label}</a>' for kind, label in _FILE_LABELS.items() if kind in paths
    )
    if "video" not in paths:
        return '<div class="player"><div class="missing">not rendered</div></div>'
    poster = f' poster="{_link(paths["thumbnail"])}"' if "thumbnail" in paths else ""
    return (
        f'<div class="player"><video controls preload="none"{poster} src="{_link(paths["video"])}" '
        f'aria-label="{escape(clip["title"])}"></video><div class="files">{links}</div></div>'
    )


def _link(path: str) -> str:
    """A link below the page's folder, whatever the path holds."""
    return escape("./" + quote(path))


def _ring(value: float) -> str:
    length = 2 * 3.14159 * 28
    return (
        f'<div class="score" role="img" aria-label="score {value:.0f} of 100"><svg viewBox="0 0 68 68">'
        '<circle cx="34" cy="34" r="28" fill="none" stroke="var(--faint)" stroke-width="7"/>'
        '<circle cx="34" cy="34" r="28" fill="none" stroke="var(--accent)" stroke-width="7" stroke-linecap="round" '
        f'transform="rotate(-90 34 34)" stroke-dasharray="{length * value / 100:.1f} {length:.1f}"/>'
        f'<text x="34" y="41" text-anchor="middle">{value:.0f}</text></svg></div>'
    )


def _chips(reasons: Sequence[str]) -> str:
    return f'<ul class="chips">{"".join(f"<li>{escape(reason)}</li>" for reason in reasons)}</ul>'


def _blocked(quality: Json | None) -> str:
    if quality is None or quality["publishable"]:
        return ""
    return f'<p class="blocked"><strong>Not published:</strong> {escape("; ".join(quality["problems"]))}</p>'


def _said(clip: Json) -> str:
    if len(clip["text"]) <= len(clip["first_words"]):
        return f'<h4>What is said</h4><p class="said">{escape(clip["text"])}</p>'
    return (
        f'<h4>What is said</h4><p class="said">{escape(clip["first_words"])} …</p>'
        f'<details><summary>All words</summary><p class="said">{escape(clip["text"])}</p></details>'
    )


def _bars(score: Json) -> str:
    parts = sorted(score["contributions"], key=lambda part: -abs(part["points"]))
    if not parts:
        return ""
    widest = max(abs(parts[0]["points"]), 1e-9)
    shown = "".join(_bar(part, widest) for part in parts[:MOST_BARS])
    rest = sum(part["points"] for part in parts[MOST_BARS:])
    tail = (
        f'<p class="dim">{score["baseline"]:.0f} to begin with, {rest:+.1f} from {len(parts) - MOST_BARS} smaller parts'
        "</p>"
        if len(parts) > MOST_BARS
        else ""
    )
    return f'<h4>Why {score["value"]:.1f} points</h4><div class="bars">{shown}</div>{tail}'


def _bar(part: Json, widest: float) -> str:
    name, points = part["feature"], part["points"]
    feature = _FEATURES.get(name)
    meaning = escape(feature.meaning) if feature else ""
    way = "up" if points >= 0 else "down"
    return (
        f'<span title="{meaning}">{escape(plain_name(name))}</span>'
        f'<span class="value">{escape(_measured(part["value"], feature.unit if feature else ""))}</span>'
        f'<span class="bar {way}"><b style="width:{50 * abs(points) / widest:.1f}%"></b></span>'
        f'<span class="points {way}">{points:+.1f}</span>'
    )


def plain_name(feature: str) -> str:
    """A feature's name for people; an unknown one with its underscores opened."""
    return _PLAIN_NAMES.get(feature, feature.replace("_", " "))


def _measured(value: float, unit: str) -> str:
    if unit == "share":
        return f"{100 * value:.0f} %"
    if unit == "flag":
        return "yes" if value else "no"
    shown = {"semitones": "st", "count": "", "ratio": ""}.get(unit, unit)
    return f"{value:.3g} {shown}".strip()


def _layout(clip: Json) -> str:
    if not clip["layout"]:
        return ""
    runs = "".join(
        f'<span class="{escape(run["layout"])}" style="flex:{max(run["end_s"] - run["start_s"], 0.01):.3f} 1 0" '
        f'title="{escape(_run_label(run))}">{escape(run["layout"])}</span>'
        for run in clip["layout"]
    )
    label = escape("; ".join(_run_label(run) for run in clip["layout"]))
    return f'<h4>How it is framed</h4><div class="layout" role="img" aria-label="{label}">{runs}</div>'


def _run_label(run: Json) -> str:
    return f"{_time(run['start_s'])}-{_time(run['end_s'])}: {run['layout']}, {run['reason']}"


def _checks(quality: Json | None) -> str:
    if quality is None:
        return ""
    loudness, peak = quality["loudness_lufs"], quality["true_peak_dbtp"]
    facts = [
        f"{quality['frames']} of {quality['expected_frames']} frames",
        "silent" if loudness is None else f"{loudness:.1f} LUFS",
        *([] if peak is None else [f"true peak {peak:.1f} dBTP"]),
        f"captions within {1000 * quality['caption_error_s']:.0f} ms of the words",
    ]
    items = "".join(f"<li>{escape(fact)}</li>" for fact in facts)
    warnings = "".join(f'<li class="warn">second best: {escape(fallback)}</li>' for fallback in quality["fallbacks"])
    return f'<h4>Measured on the file</h4><ul class="checks">{items}{warnings}</ul>'


def _rejected(rejected: Sequence[Json]) -> str:
    if not rejected:
        return ""
    rows = "".join(_rejected_row(one) for one in rejected[:MOST_REJECTED])
    more = len(rejected) - MOST_REJECTED
    tail = f'<p class="note">{more} more are in clips.json.</p>' if more > 0 else ""
    return (
        '<h2>Not chosen, and why</h2><div class="card"><input id="filter" type="search" '
        'placeholder="Filter by words or reason" aria-label="Filter rejected stretches"><div class="scroll" '
        'tabindex="0" role="region" aria-label="Rejected stretches"><table id="rejected"><thead><tr>'
        "<th>Score</th><th>Stretch</th><th>Why not</th><th>Words</th>"
        f"</tr></thead><tbody>{rows}</tbody></table></div></div>{tail}"
    )


def _rejected_row(one: Json) -> str:
    score = "–" if one["score"] is None else f"{one['score']:.0f}"
    text = one["text"] if len(one["text"]) <= 160 else one["text"][:159] + "…"
    return (
        f'<tr><td class="number">{score}</td><td class="number">{_time(one["start_s"])} – {_time(one["end_s"])}</td>'
        f'<td>{escape(one["reason"])}</td><td class="dim">{escape(text)}</td></tr>'
    )


def _footer(manifest: Json) -> str:
    speech, score = manifest["engines"]["speech"], manifest["engines"]["score"]
    wanted = manifest["preferences"]
    lines = [
        f"Speech: {speech['name']} {speech['version']}, model {speech['model']}, language {speech['language']}.",
        *([f"Faces: {manifest['engines']['faces']}."] if manifest["engines"]["faces"] else []),
        f"Score: {score['model']} on features {score['feature_digest']}.",
        f"Asked for: {wanted['clips']} clips of {wanted['min_s']:g} to {wanted['max_s']:g} s, {wanted['aspect']}, "
        f"{wanted['caption_style']} captions.",
        f"Source: SHA-256 {manifest['video']['sha256']}. Details: clips.json, schema {manifest['schema_version']}.",
    ]
    return f"<footer>{''.join(f'<p>{escape(line)}</p>' for line in lines)}</footer>"
