"""Connections go where it was decided they may, and end in time."""

from __future__ import annotations

import datetime as dt
import ssl
import time
from http.server import BaseHTTPRequestHandler
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from clip_platform.errors import DeadlineExceeded, SourceUnreachable, UnsafeAddress
from clip_platform.network.addresses import Address, Allowed
from clip_platform.network.http import Outbound, outbound
from tests.unit.network.servers import says, serving

LOOPBACK = Allowed.parse("127.0.0.0/8")


def _get(client: Outbound, url: str, deadline_s: float = 5) -> tuple[int, bytes]:
    with client.exchange("GET", url, deadline_s=deadline_s) as reply:
        return reply.status, b"".join(reply.body)


class ChangingResolver:
    """Gives another answer each time it is asked, as a rebinding name server does."""

    def __init__(self, *answers: list[str]) -> None:
        self._answers = list(answers)
        self.asked = 0

    def __call__(self, *_: object) -> list[Address]:
        self.asked += 1
        return [ip_address(each) for each in self._answers.pop(0)]


def test_a_server_on_loopback_is_reached_only_where_that_is_allowed() -> None:
    with serving(says(200, b"hello")) as peer:
        allowed = _get(outbound(LOOPBACK), peer.url())
        with pytest.raises(UnsafeAddress):
            _get(outbound(Allowed()), peer.url())

    assert allowed == (200, b"hello")
    assert len(peer.seen) == 1


@pytest.mark.parametrize("host", ["localhost", "127.1", "2130706433", "0x7f000001", "[::1]", "[::ffff:127.0.0.1]"])
def test_no_spelling_of_loopback_gets_through(host: str) -> None:
    with serving(says(200)) as peer, pytest.raises(UnsafeAddress):
        _get(outbound(Allowed()), peer.url(host=host, scheme="https"))

    assert peer.seen == []


def test_a_name_that_leads_inside_is_refused_on_connecting() -> None:
    resolver = ChangingResolver(["10.0.0.7"])

    with pytest.raises(UnsafeAddress, match=r"inside\.example"):
        _get(outbound(Allowed(), resolver), "https://inside.example/")


def test_one_bad_address_among_good_ones_refuses_the_name() -> None:
    resolver = ChangingResolver(["8.8.8.8", "169.254.169.254"])

    with pytest.raises(UnsafeAddress):
        _get(outbound(Allowed(), resolver), "https://both.example/")


def test_a_name_is_asked_for_once_so_a_later_answer_changes_nothing() -> None:
    with serving(says(200, b"the one that was judged")) as peer:
        resolver = ChangingResolver(["127.0.0.1"], ["10.0.0.1"])
        answer = _get(outbound(LOOPBACK, resolver), peer.url(host="rebinding.example"))

    assert answer == (200, b"the one that was judged")
    assert resolver.asked == 1
    assert peer.seen[0][2]["host"] == f"rebinding.example:{peer.port}"


def test_a_name_in_an_allowed_network_may_use_any_port_and_a_public_one_only_443() -> None:
    resolver = ChangingResolver(["8.8.8.8"], ["8.8.8.8"])
    client = outbound(LOOPBACK, resolver)

    with pytest.raises(UnsafeAddress, match="8443"):
        _get(client, "https://public.example:8443/")
    with pytest.raises(UnsafeAddress, match="not encrypted"):
        _get(client, "http://public.example/")


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    with serving(says(200, b"direct")) as peer:
        assert _get(outbound(LOOPBACK), peer.url()) == (200, b"direct")


def test_a_peer_that_drips_is_cut_off_at_the_deadline_also_in_its_headers() -> None:
    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nx-slow: ")
        for _ in range(100):
            handler.wfile.write(b".")
            handler.wfile.flush()
            time.sleep(0.05)

    began = time.monotonic()
    with serving(drip) as peer, pytest.raises(DeadlineExceeded):
        _get(outbound(LOOPBACK), peer.url(), deadline_s=0.4)

    assert time.monotonic() - began < 1.5


def test_a_peer_that_is_not_there_or_breaks_off_may_be_tried_again() -> None:
    def break_off(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")
        handler.close_connection = True

    with serving(break_off) as peer, pytest.raises(SourceUnreachable):
        _get(outbound(LOOPBACK), peer.url())
    with pytest.raises(SourceUnreachable):
        _get(outbound(LOOPBACK), peer.url())


def test_an_error_of_the_caller_stays_its_own() -> None:
    client = outbound(LOOPBACK)

    with (
        serving(says(200, b"hello")) as peer,
        pytest.raises(OSError, match="disk full"),
        client.exchange("GET", peer.url(), deadline_s=5),
    ):
        raise OSError("disk full")


def _certificate(name: str, folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context for a name, and a client's that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    chain, secret = folder / "chain.pem", folder / "key.pem"
    chain.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(chain, secret)
    return server, ssl.create_default_context(cafile=chain)


def test_the_certificate_must_be_the_names_although_the_address_is_pinned(tmp_path: Path) -> None:
    server, client = _certificate("hooks.example", tmp_path)
    resolver = ChangingResolver(["127.0.0.1"], ["127.0.0.1"])

    with serving(says(200, b"private"), tls=server) as peer:
        right = _get(outbound(LOOPBACK, resolver, client), peer.url(host="hooks.example", scheme="https"))
        with pytest.raises(SourceUnreachable) as refused:
            _get(outbound(LOOPBACK, resolver, client), peer.url(host="other.example", scheme="https"))

    assert right == (200, b"private")
    assert "certificate" in refused.value.detail
