"""Videos from URLs: what is taken, what is refused, and that redirects are judged as the first URL was."""

from __future__ import annotations

import gzip
from http.server import BaseHTTPRequestHandler
from ipaddress import ip_address

import pytest

from clip_platform.errors import LimitExceeded, SourceUnavailable, SourceUnreachable, UnsafeAddress
from clip_platform.network.addresses import Address, Allowed
from clip_platform.network.http import Outbound, outbound
from clip_platform.network.sources import expect_source_url, open_source
from tests.unit.network.servers import Answer, says, serving

LOOPBACK = outbound(Allowed.parse("127.0.0.1"))
VIDEO = b"\x00\x00\x00\x18ftypmp42" + bytes(100_000)


def _read(url: str, max_bytes: int = 10**6, via: Outbound = LOOPBACK) -> bytes:
    with open_source(url, via, max_bytes=max_bytes, deadline_s=5) as source:
        return b"".join(source.chunks)


def test_a_video_comes_as_it_is_with_what_is_known_of_it() -> None:
    with (
        serving(says(200, VIDEO, content_type="video/mp4")) as peer,
        open_source(peer.url("/talk.mp4"), LOOPBACK, max_bytes=10**6, deadline_s=5) as source,
    ):
        received = b"".join(source.chunks)

    assert received == VIDEO
    assert (source.content_type, source.size_bytes) == ("video/mp4", len(VIDEO))


def test_redirects_are_followed_to_a_limit() -> None:
    def hop(handler: BaseHTTPRequestHandler) -> None:
        left = int(handler.path.strip("/"))
        (says(302, location=f"/{left - 1}") if left else says(200, VIDEO))(handler)

    with serving(hop) as peer:
        assert _read(peer.url("/5")) == VIDEO
        with pytest.raises(SourceUnavailable, match="redirects more than 5 times"):
            _read(peer.url("/6"))


@pytest.mark.parametrize(
    "target",
    [
        "http://169.254.169.254/latest/meta-data/",
        "https://10.0.0.1/",
        "http://127.0.0.2:{port}/",
        "http://[::1]:{port}/",
        "//0x7f000002:{port}/",
        "file:///etc/passwd",
        "ftp://example.com/",
    ],
)
def test_a_redirect_to_where_nobody_may_go_is_refused(target: str) -> None:
    def redirect(handler: BaseHTTPRequestHandler) -> None:
        says(302, location=target.format(port=handler.server.server_address[1]))(handler)

    with serving(redirect) as peer, pytest.raises(UnsafeAddress):
        _read(peer.url())

    assert len(peer.seen) == 1


def test_a_redirect_to_a_name_that_turns_inside_is_refused() -> None:
    answers: list[list[Address]] = [[ip_address("127.0.0.1")], [ip_address("192.168.0.1")]]
    client = outbound(Allowed.parse("127.0.0.1"), lambda *_: answers.pop(0))

    with serving(says(307, location="/again")) as peer, pytest.raises(UnsafeAddress):
        _read(peer.url(host="rebinding.example"), via=client)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (says(404), "404"),
        (says(403), "presigned"),
        (says(206, VIDEO), "206"),
        (says(302), "without saying where"),
        (says(200, b"<p>hello", content_type="text/html; charset=utf-8"), "not a video"),
        (says(200, b"{}", content_type="application/json"), "not a video"),
        (says(200, b"\n <!DOCTYPE html><title>Log in</title>", content_type="video/mp4"), "web page"),
        (says(200, gzip.compress(VIDEO), content_encoding="gzip"), "compressed"),
        (says(200, b""), "empty"),
    ],
)
def test_what_is_no_video_is_refused_in_words(answer: Answer, words: str) -> None:
    with serving(answer) as peer, pytest.raises(SourceUnavailable, match=words):
        _read(peer.url())


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_server_in_trouble_may_be_tried_again(status: int) -> None:
    with serving(says(status)) as peer, pytest.raises(SourceUnreachable):
        _read(peer.url())


def test_too_large_is_refused_by_what_is_announced_and_by_what_comes() -> None:
    def unannounced(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n" + VIDEO)
        handler.close_connection = True

    with serving(says(200, VIDEO)) as peer, pytest.raises(LimitExceeded):
        _read(peer.url(), max_bytes=len(VIDEO) - 1)
    with serving(unannounced) as peer:
        assert _read(peer.url(), max_bytes=len(VIDEO)) == VIDEO
        with pytest.raises(LimitExceeded):
            _read(peer.url(), max_bytes=len(VIDEO) - 1)


@pytest.mark.parametrize(
    ("url", "host", "path"),
    [
        ("s3://talks/2026/a b.mp4", "talks.s3.amazonaws.com", "/2026/a%20b.mp4"),
        ("s3://talks.example/a.mp4", "s3.amazonaws.com", "/talks.example/a.mp4"),
        ("az://account/talks/a?b.mp4", "account.blob.core.windows.net", "/talks/a%3Fb.mp4"),
    ],
)
def test_objects_are_read_as_anybody_may_at_the_providers_own_endpoint(url: str, host: str, path: str) -> None:
    asked: list[str] = []

    def resolve(name: str, port: int) -> list[Address]:
        asked.append(f"{name}:{port}")
        return [ip_address("10.0.0.1")]

    with pytest.raises(UnsafeAddress):
        _read(url, via=outbound(Allowed(), resolve))

    assert asked == [f"{host}:443"]
    from clip_platform.network.sources import _as_https

    assert _as_https(url) == f"https://{host}{path}"


@pytest.mark.parametrize(
    "url", ["s3://bucket", "s3:///key", "s3://user:pw@evil/key", "az://a:1/b", "gs://b/k", "x", "s3://[", "https://["]
)
def test_a_source_that_cannot_be_is_refused_before_it_is_fetched(url: str) -> None:
    with pytest.raises(UnsafeAddress):
        expect_source_url(url, LOOPBACK)


def test_a_redirect_to_no_url_is_the_sources_fault() -> None:
    with serving(says(302, location="https://[")) as peer, pytest.raises(SourceUnavailable, match="no URL"):
        _read(peer.url())
