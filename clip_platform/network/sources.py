"""Videos that are fetched from a URL of the tenant's: https, and public objects as `s3://` and `az://`.

The platform's own credentials are never used: a tenant would read with our rights.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import quote, urljoin, urlsplit

from clip_platform.errors import LimitExceeded, SourceUnavailable, SourceUnreachable, UnsafeAddress
from clip_platform.network.http import Outbound, Reply
from clip_platform.network.urls import expect_safe_url

MAX_REDIRECTS = 5
_REDIRECTS = (301, 302, 303, 307, 308)
_NOT_VIDEO = ("text/", "application/json", "application/xml", "application/xhtml")
_PAGE_BEGINS = (b"<!doctype html", b"<html", b"<?xml")


@dataclass(frozen=True, slots=True)
class Source:
    """An open source. `size_bytes` as announced, None when it was not; `chunks` are to be read once."""

    content_type: str | None
    size_bytes: int | None
    chunks: Iterator[bytes]


def expect_source_url(url: str, outbound: Outbound) -> None:
    """
    Raises:
        UnsafeAddress: it can be told from the URL alone that it will not be fetched.
    """
    expect_safe_url(_as_https(url), outbound.allowed)


@contextmanager
def open_source(url: str, outbound: Outbound, *, max_bytes: int, deadline_s: float) -> Iterator[Source]:
    """A source's bytes as they come. `deadline_s` is for all of it, redirects included.

    Raises:
        UnsafeAddress: also of a redirect.
        SourceUnavailable: it is not there, may not be read without credentials, or is no video.
        LimitExceeded: more than `max_bytes`, announced or received.
        SourceUnreachable, DeadlineExceeded: later it may work.
    """
    ends_at = time.monotonic() + deadline_s
    hop = _as_https(url)
    for _ in range(MAX_REDIRECTS + 1):
        left_s = ends_at - time.monotonic()
        with outbound.exchange("GET", hop, deadline_s=left_s, headers={"accept-encoding": "identity"}) as reply:
            if reply.status not in _REDIRECTS:
                yield _source(reply, max_bytes)
                return
            hop = _next_hop(hop, reply)
    raise SourceUnavailable(f"the source redirects more than {MAX_REDIRECTS} times; give its final URL")


def _next_hop(hop: str, reply: Reply) -> str:
    target = reply.headers.get("location")
    if target is None:
        raise SourceUnavailable(f"the source answers {reply.status} without saying where it is; give its final URL")
    try:
        return urljoin(hop, target)
    except ValueError as error:  # `https://[`
        raise SourceUnavailable(f"the source redirects to no URL ({error}); give its final URL") from error


def _source(reply: Reply, max_bytes: int) -> Source:
    _expect_success(reply.status)
    content_type = reply.headers.get("content-type")
    if (content_type or "").lower().startswith(_NOT_VIDEO):
        raise SourceUnavailable(f"the source is {content_type}, not a video; give the URL of the file itself")
    if reply.headers.get("content-encoding", "identity").lower() != "identity":
        raise SourceUnavailable("the source is sent compressed; give a URL that sends the file as it is")
    announced = reply.headers.get("content-length", "")
    size_bytes = int(announced) if announced.isascii() and announced.isdigit() else None
    _expect_size(size_bytes or 0, max_bytes)
    return Source(content_type, size_bytes, _counted(reply.body, max_bytes))


def _expect_success(status: int) -> None:
    if status == 429 or status >= 500:
        raise SourceUnreachable(f"the source's server answers {status}; try again later")
    if status != 200:
        raise SourceUnavailable(
            f"the source answers {status}; give a URL that can be read without credentials, or a presigned one"
        )


def _counted(body: Iterator[bytes], max_bytes: int) -> Iterator[bytes]:
    received_bytes = 0
    for chunk in body:
        if received_bytes == 0 and chunk.lstrip()[:16].lower().startswith(_PAGE_BEGINS):
            raise SourceUnavailable("the source is a web page, not a video; give the URL of the file itself")
        received_bytes += len(chunk)
        _expect_size(received_bytes, max_bytes)
        yield chunk
    if received_bytes == 0:
        raise SourceUnavailable("the source is empty; give the URL of a video")


def _expect_size(size_bytes: int, max_bytes: int) -> None:
    if size_bytes > max_bytes:
        raise LimitExceeded(f"the source has more than the {max_bytes} bytes that are taken; give a smaller file")


def _as_https(url: str) -> str:
    """`s3://bucket/key` and `az://account/container/blob` at the provider's own endpoint, read as anybody may."""
    scheme, _, rest = url.partition("://")
    if scheme not in ("s3", "az"):
        return url
    try:
        place = urlsplit(url)
    except ValueError as error:  # `s3://[`
        raise UnsafeAddress(f"this is no URL ({error}); write {scheme}:// and a plain name") from error
    if not place.netloc.replace("-", "").replace(".", "").isalnum() or len(place.path) < 2:
        form = "s3://bucket/key" if scheme == "s3" else "az://account/container/blob"
        raise UnsafeAddress(f"{scheme}:// is followed by {rest[:80]!r}; write {form}, or give a presigned https:// URL")
    path = quote(rest[len(place.netloc) :])
    if scheme == "az":
        return f"https://{place.netloc}.blob.core.windows.net{path}"
    if "." in place.netloc:  # Amazon's certificate covers one label
        return f"https://s3.amazonaws.com/{place.netloc}{path}"
    return f"https://{place.netloc}.s3.amazonaws.com{path}"
