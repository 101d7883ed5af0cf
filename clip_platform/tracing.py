"""Traces by OpenTelemetry: all that concerns one video is one trace, whose id is the video's.

A ULID is 128 bits, as a trace's id is: requests, the worker's jobs and the run's stages need nobody to hand it on.
Without `OTEL_EXPORTER_OTLP_ENDPOINT` nothing is recorded and nothing imported.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from clip_platform.identifiers import ulid_bits

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Tracer

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
"""OpenTelemetry's own variable; its others hold too."""
_NAME = "clip_platform"


def configure(service: str) -> None:
    """Sends this process's spans to the endpoint that is named, in the background; once."""
    if not os.environ.get(ENDPOINT):
        return
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    if isinstance(trace.get_tracer_provider(), TracerProvider):
        return
    provider = TracerProvider(resource=Resource.create({"service.name": f"clip-platform-{service}"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)


@contextmanager
def span(name: str, video: str | None, **attributes: str | int) -> Iterator[None]:
    """What happens inside, in the video's trace, and nothing without one; an error inside marks it."""
    tracer = _tracer()
    if tracer is None or video is None:
        yield
        return
    with tracer.start_as_current_span(name, _trace_of(video), attributes={"video": video, **attributes}):
        yield


def record(name: str, video: str, began_s: float, attributes: Mapping[str, str | int]) -> None:
    """A span that ends now, of what was not known to concern the video when it began.

    Args:
        began_s: by `time.perf_counter`.
    """
    tracer = _tracer()
    if tracer is not None:
        now = time.time_ns()
        began = now - round((time.perf_counter() - began_s) * 1e9)
        values = {"video": video, **attributes}
        tracer.start_span(name, _trace_of(video), attributes=values, start_time=began).end(now)


def _tracer() -> Tracer | None:
    if not os.environ.get(ENDPOINT):
        return None
    from opentelemetry import trace

    return trace.get_tracer(_NAME)


def _trace_of(video: str) -> Context | None:
    """Where a span of this video hangs: below the current one of the same trace, else at the trace's root."""
    from opentelemetry import trace
    from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

    bits = ulid_bits(video)
    if trace.get_current_span().get_span_context().trace_id == bits:
        return None
    root = SpanContext(bits, bits & (1 << 64) - 1 or 1, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))
    return trace.set_span_in_context(NonRecordingSpan(root))
