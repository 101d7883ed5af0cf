"""`python -m deploy.observability.dashboards`: writes Grafana's dashboards, one JSON file each, beside this module."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from grafana_foundation_sdk.builders.common import VizLegendOptions
from grafana_foundation_sdk.builders.dashboard import Dashboard, Row
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.builders.stat import Panel as Stat
from grafana_foundation_sdk.builders.timeseries import Panel as TimeSeries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import LegendDisplayMode, LegendPlacement
from grafana_foundation_sdk.models.dashboard import DataSourceRef

FOLDER = Path(__file__).with_name("dashboards")
_SOURCE = DataSourceRef(type_val="prometheus", uid="prometheus")
_LATENCY = "clip_platform_http_request_seconds_bucket"
Query = tuple[str, str]
"""PromQL, and what its lines are called."""


def plot(title: str, said: str, unit: str, *queries: Query, span: int = 12) -> TimeSeries:
    legend = VizLegendOptions().display_mode(LegendDisplayMode.LIST).placement(LegendPlacement.BOTTOM).show_legend(True)
    panel = TimeSeries().title(title).description(said).unit(unit).datasource(_SOURCE).height(8).span(span).min(0)
    return _asking(panel.legend(legend), queries)


def number(title: str, said: str, unit: str, query: str, span: int = 4) -> Stat:
    panel = Stat().title(title).description(said).unit(unit).datasource(_SOURCE).height(4).span(span)
    return _asking(panel, [(query, title)])


def _asking(panel, queries: Sequence[Query]):
    for expression, name in queries:
        panel = panel.with_target(Dataquery().expr(expression).legend_format(name).datasource(_SOURCE))
    return panel


def _named(uid: str, title: str) -> Dashboard:
    return Dashboard(title).uid(uid).tags(["clip-platform"]).refresh("10s").time("now-3h", "now").readonly()


def operations() -> Dashboard:
    """For whoever is on call: is anything waiting, failing or away."""
    return (
        _named("clip-platform-operations", "clip-platform: operations")
        .with_panel(
            number(
                "waiting",
                "Videos submitted and not started.",
                "short",
                'sum(clip_platform_videos{state="submitted"}) or vector(0)',
            )
        )
        .with_panel(
            number(
                "longest wait",
                "Pages from three minutes on.",
                "s",
                'max(clip_platform_videos_oldest_seconds{state="submitted"}) or vector(0)',
            )
        )
        .with_panel(
            number(
                "running",
                "Videos being processed.",
                "short",
                'sum(clip_platform_videos{state="processing"}) or vector(0)',
            )
        )
        .with_panel(
            number("given up", "Videos that need somebody.", "short", "sum(clip_platform_dead_letters) or vector(0)")
        )
        .with_panel(
            number("webhooks late by", "The oldest delivery that is due.", "s", "clip_platform_webhook_lag_seconds")
        )
        .with_panel(
            number(
                "sources away",
                "Of Postgres, Dagster and the store.",
                "short",
                "count(clip_platform_source_up == 0) or vector(0)",
            )
        )
        .with_row(Row("queue"))
        .with_panel(
            plot("videos by state", "All tenants.", "short", ("sum by (state) (clip_platform_videos)", "{{state}}"))
        )
        .with_panel(
            plot(
                "longest wait by tenant",
                "The ten that wait longest.",
                "s",
                ('topk(10, clip_platform_videos_oldest_seconds{state="submitted"})', "{{tenant}}"),
            )
        )
        .with_panel(
            plot(
                "runs",
                "Not ended, by status.",
                "short",
                ("sum by (dagster_job, status) (clip_platform_runs)", "{{dagster_job}} {{status}}"),
            )
        )
        .with_panel(plot("given up", "By error class.", "short", ("clip_platform_dead_letters", "{{error_class}}")))
        .with_row(Row("stages"))
        .with_panel(
            plot(
                "steps, median and 95 %",
                "From start to end.",
                "s",
                (
                    "histogram_quantile(0.5, sum by (le, stage) (rate(clip_platform_step_seconds_bucket[30m])))",
                    "{{stage}}",
                ),
                (
                    "histogram_quantile(0.95, sum by (le, stage) (rate(clip_platform_step_seconds_bucket[30m])))",
                    "{{stage}} 95 %",
                ),
            )
        )
        .with_panel(
            plot(
                "steps that fail",
                "Share, by stage.",
                "percentunit",
                (
                    'sum by (stage) (rate(clip_platform_step_seconds_count{status="failure"}[15m])) '
                    "/ sum by (stage) (rate(clip_platform_step_seconds_count[15m]))",
                    "{{stage}}",
                ),
            )
        )
        .with_panel(
            plot(
                "GPUs held",
                "GPU seconds a second: how many are busy.",
                "short",
                ("sum by (stage) (rate(clip_platform_gpu_seconds_total[10m]))", "{{stage}}"),
            )
        )
        .with_panel(
            plot(
                "the learning loop's checks",
                "1 where the newest result failed.",
                "short",
                ("clip_platform_check_failed == 1", "{{asset}} {{check}}"),
            )
        )
    )


def api() -> Dashboard:
    """For whoever owns the API: traffic, errors, latency, and what stands behind it."""
    return (
        _named("clip-platform-api", "clip-platform: API")
        .with_panel(
            plot(
                "requests",
                "A second, by outcome.",
                "reqps",
                ("sum by (status) (rate(clip_platform_http_requests_total[5m]))", "{{status}}"),
            )
        )
        .with_panel(
            plot(
                "requests that fail",
                "Share; the month's budget is 0.1 %.",
                "percentunit",
                ("clip_platform:http_errors:ratio_rate5m", "5 min"),
                ("clip_platform:http_errors:ratio_rate1h", "1 h"),
            )
        )
        .with_panel(
            plot(
                "latency, 99 %",
                "Until the answer begins, by route.",
                "s",
                (
                    f"histogram_quantile(0.99, sum by (le, route) (rate({_LATENCY}[5m])))",
                    "{{route}}",
                ),
            )
        )
        .with_panel(plot("open requests", "", "short", ("sum(clip_platform_http_requests_open)", "open")))
        .with_row(Row("behind it"))
        .with_panel(
            plot(
                "database and store",
                "One look each.",
                "s",
                ("clip_platform_database_seconds", "database"),
                ("clip_platform_store_seconds", "store"),
            )
        )
        .with_panel(
            plot(
                "uploads",
                "Sessions.",
                "short",
                ("clip_platform_upload_sessions_open", "open"),
                ("clip_platform_upload_sessions_expired", "past their time"),
            )
        )
        .with_panel(
            plot(
                "events and webhooks",
                "How late the oldest is.",
                "s",
                ("clip_platform_events_lag_seconds", "events"),
                ("clip_platform_webhook_lag_seconds", "webhooks"),
            )
        )
    )


DASHBOARDS = {"operations": operations, "api": api}


def text_of(name: str) -> str:
    return JSONEncoder(sort_keys=True, indent=2).encode(DASHBOARDS[name]().build()) + "\n"


if __name__ == "__main__":
    for name in DASHBOARDS:
        (FOLDER / f"{name}.json").write_text(text_of(name), encoding="utf-8")
