"""What concerns a video is in the trace of its id, whichever process it comes from; without an endpoint none is."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from clip_platform import tracing
from clip_platform.identifiers import is_ulid, ulid_bits, ulid_of

VIDEO, OTHER = ulid_of(1_700_000_000_000, b"0123456789"), ulid_of(1_700_000_000_001, b"abcdefghij")


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setenv(tracing.ENDPOINT, "http://127.0.0.1:9")
    monkeypatch.setattr(trace, "get_tracer", provider.get_tracer)
    yield exporter
    provider.shutdown()


def test_spans_of_a_video_are_in_the_trace_of_its_id(spans: InMemorySpanExporter) -> None:
    with tracing.span("speech", VIDEO, attempt=2), tracing.span("decode", VIDEO):
        tracing.record("GET /v1/videos/{video_id}", OTHER, 0.0, {"http.response.status_code": 200})
    with tracing.span("vision", VIDEO), tracing.span("nothing", None):
        pass

    found = {one.name: one for one in spans.get_finished_spans()}
    assert set(found) == {"speech", "decode", "vision", "GET /v1/videos/{video_id}"}
    assert {found[name].context.trace_id for name in ("speech", "decode", "vision")} == {ulid_bits(VIDEO)}
    assert found["GET /v1/videos/{video_id}"].context.trace_id == ulid_bits(OTHER)
    assert found["decode"].parent.span_id == found["speech"].context.span_id
    assert found["speech"].parent.span_id == found["vision"].parent.span_id
    assert dict(found["speech"].attributes) == {"video": VIDEO, "attempt": 2}


def test_an_error_marks_its_span(spans: InMemorySpanExporter) -> None:
    with pytest.raises(OSError, match="gone"), tracing.span("rendering", VIDEO):
        raise OSError("gone")
    (one,) = spans.get_finished_spans()
    assert not one.status.is_ok


def test_without_an_endpoint_nothing_is_recorded(spans: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(tracing.ENDPOINT)
    with tracing.span("speech", VIDEO):
        tracing.record("x", VIDEO, 0.0, {})
    tracing.configure("api")
    assert spans.get_finished_spans() == ()
    assert "opentelemetry.exporter.otlp.proto.http.trace_exporter" not in sys.modules


def test_an_id_is_its_bits() -> None:
    assert ulid_of(0, bytes(10)) == "0" * 26
    assert ulid_bits("7" + "Z" * 25) == (1 << 128) - 1
    assert ulid_bits(VIDEO) >> 80 == 1_700_000_000_000
    assert is_ulid(VIDEO)
    assert not is_ulid("8" + "0" * 25)
    assert not is_ulid(VIDEO[:-1])
    assert not is_ulid("wp-login.php")
