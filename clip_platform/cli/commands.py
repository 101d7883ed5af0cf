"""The `clip-platform` command: arguments in, exit codes out. What the commands do is in the modules beside this one.

Exit codes: 0 done, 1 ours (a failure that is not the input's), 2 the input's or the command line's, 130 interrupted.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from clip_platform.cli.endings import reported, stopping_on_signals
from clip_platform.cli.preference_options import given, optional_preferences, preference_options
from clip_platform.upload.preferences import Preferences


def main() -> None:
    with stopping_on_signals():
        cli(prog_name="clip-platform")


class _TakesFile(click.Command):
    """Says what to do about a file whose name looks like an option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, list(args))
        except click.NoSuchOption as error:
            for argument in args:
                if argument.startswith("-") and Path(argument).exists():
                    message = f"{argument} looks like an option; for the file of this name write ./{argument}"
                    raise click.UsageError(message, ctx) from error
            raise


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="clip-platform")
def cli() -> None:
    """Long videos in, ranked, reframed, captioned short clips out."""


@cli.command(cls=_TakesFile)
@click.argument("file", type=click.Path(path_type=Path, readable=False))
@preference_options
@click.option(
    "--out", type=click.Path(path_type=Path, readable=False), help="Folder for the clips. [default: NAME-clips]"
)
@click.option("--recompute", is_flag=True, help="Ignore what earlier runs finished.")
@reported
def process(file: Path, out: Path | None, recompute: bool, **preferences: Any) -> int:
    """Turn FILE into clips, here and now; an interrupted run goes on where it stopped."""
    from clip_platform.cli.processing import process_file

    return process_file(file, Preferences(**preferences), out, recompute=recompute)


@cli.command(cls=_TakesFile)
@click.argument("file", type=click.Path(path_type=Path, readable=False))
@preference_options
@reported
def submit(file: Path, **preferences: Any) -> int:
    """Hand FILE to a running platform (`clip-platform up`), whose sensor picks it up."""
    from clip_platform.cli.submitting import submit_file

    return submit_file(file, Preferences(**preferences))


@cli.command(cls=_TakesFile)
@click.argument("file", type=click.Path(path_type=Path, readable=False))
@click.option("--api", "api_url", required=True, help="Address of the API, https://host.")
@optional_preferences
@reported
def upload(file: Path, api_url: str, **preferences: Any) -> int:
    """Send FILE to an API with the token in CLIP_PLATFORM_TOKEN; goes on where an earlier try stopped."""
    from clip_platform.cli.uploading import upload_file

    return upload_file(file, api_url, given(preferences))


@cli.command()
@click.option("--port", type=click.IntRange(1, 65535), default=3000, show_default=True, help="Port of the Dagster UI.")
@reported
def up(port: int) -> int:
    """Start Postgres, Dagster, MLflow, the API and its worker on this machine, until Ctrl-C."""
    from clip_platform.cli.serving import serve

    return serve(port)


@cli.command()
@reported
def api() -> int:
    """Serve the API alone, until Ctrl-C; CLIP_PLATFORM_API_HOST and _PORT say where."""
    from clip_platform.cli.serving import serve_api

    return serve_api()


@cli.command()
@reported
def worker() -> int:
    """Run the API's worker alone, until Ctrl-C: verification of uploads, webhooks, exports."""
    from clip_platform.cli.serving import run_worker

    return run_worker()


@cli.command()
@reported
def exporter() -> int:
    """Serve metrics of queue, runs and store to Prometheus, until Ctrl-C."""
    from clip_platform.cli.serving import run_exporter

    return run_exporter()


@cli.group()
def tenant() -> None:
    """Tenants of this platform."""


@tenant.command("create")
@click.argument("tenant_id")
@click.option("--name", default="", help="For people. [default: the id]")
@reported
def create_tenant(tenant_id: str, name: str) -> int:
    """Make a tenant and print its first token, once."""
    from clip_platform.cli import tenants

    return tenants.create_tenant(tenant_id, name)


@tenant.command("token")
@click.argument("tenant_id")
@click.option("--name", default="from the command line", show_default=True, help="What the token is for.")
@reported
def create_tenant_token(tenant_id: str, name: str) -> int:
    """Print another owner's token of a tenant, once; for when the first is lost."""
    from clip_platform.cli import tenants

    return tenants.create_token(tenant_id, name)


@tenant.command("close")
@click.argument("tenant_id", metavar="NAME")
@click.option("--confirm", help="The account's name as `tenant create` was given it; asked for when left out.")
@reported
def close_tenant(tenant_id: str, confirm: str | None) -> int:
    """Close a tenant's account and have all of it erased within a day; there is no way back."""
    from clip_platform.cli import tenants

    return tenants.close_tenant(tenant_id, confirm)


@tenant.command("list")
@reported
def list_tenants() -> int:
    """List all tenants."""
    from clip_platform.cli import tenants

    return tenants.list_tenants()


@cli.group("operator-token")
def operator_token() -> None:
    """Tokens for operations across tenants; they read no tenant's content."""


@operator_token.command("create")
@click.option("--name", default="operator", show_default=True, help="What the token is for.")
@reported
def create_operator_token(name: str) -> int:
    """Print a new operator's token, once."""
    from clip_platform.cli import tenants

    return tenants.create_operator_token(name)


@cli.group()
def model() -> None:
    """The engagement model: what serves, and what served before. VERSION is a number or an alias (champion)."""


@model.command("promote")
@click.argument("version")
@click.option("--reason", required=True, help="For those who read the history.")
@click.option("--force", is_flag=True, help="Although no gate, or not every gate, was passed.")
@reported
def promote_model(version: str, reason: str, force: bool) -> int:
    """Let VERSION serve; refused unless it passed all gates, or is forced."""
    from clip_platform.cli import models

    return models.promote_model(version, reason, force=force)


@model.command("rollback")
@click.option("--reason", required=True, help="For those who read the history.")
@reported
def roll_back_model(reason: str) -> int:
    """Go back to what served before: the version before, or the heuristic."""
    from clip_platform.cli import models

    return models.roll_back_model(reason)


@model.command("history")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True)
@reported
def model_history(limit: int) -> int:
    """List every change of what serves, newest first."""
    from clip_platform.cli import models

    return models.show_history(limit)


@model.command("show")
@click.argument("version", default="champion")
@reported
def show_model(version: str) -> int:
    """Show what VERSION was made of, how it did, and what the gates found."""
    from clip_platform.cli import models

    return models.show_model(version)


@model.command("compare")
@click.argument("one")
@click.argument("other")
@reported
def compare_models(one: str, other: str) -> int:
    """Show the figures of two versions side by side."""
    from clip_platform.cli import models

    return models.compare_models(one, other)


@cli.group()
def experiment() -> None:
    """Recipes for the engagement model, tried on examples; RUN is a run's id or its first characters."""


@experiment.command("run")
@click.argument("examples", type=click.Path(path_type=Path, readable=False), required=False)
@click.option(
    "--simulated", type=click.IntRange(1), metavar="CLIPS", help="So many clips of a simulated world instead."
)
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Of the training, and of the world.")
@click.option("--grid", multiple=True, metavar="NAME=V,V", help="Values of a LightGBM parameter; may be repeated.")
@click.option("--label", "labels", multiple=True, help="A label variant; may be repeated.")
@click.option("--drop", multiple=True, metavar="F,F", help="Features (or hook_*) to leave out together; repeatable.")
@click.option("--no-accept-head", is_flag=True, help="Do not learn from reviewers.")
@click.option("--no-tenant-parts", is_flag=True, help="Give no tenant a part of its own.")
@click.option("--figures/--no-figures", default=False, show_default=True, help="Draw and keep the plots of each run.")
@click.option("--again", metavar="RUN", help="Do that run over by its record, and compare to the digit.")
@reported
def run_experiment(
    examples: Path | None, simulated: int | None, seed: int, again: str | None, figures: bool, **chosen: Any
) -> int:
    """Train and backtest every combination beside the default on EXAMPLES, a Parquet file or a folder of them."""
    from clip_platform.cli import experiments

    if again is not None:
        return experiments.run_again(again, figures=figures)
    return experiments.run_experiments(
        experiments.Options(
            examples=examples,
            simulated=simulated,
            seed=seed,
            grid=chosen["grid"],
            labels=chosen["labels"],
            drop=chosen["drop"],
            accept_head=not chosen["no_accept_head"],
            tenant_parts=not chosen["no_tenant_parts"],
            figures=figures,
        )
    )


@experiment.command("list")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@reported
def list_experiments(limit: int) -> int:
    """List experiments, newest first."""
    from clip_platform.cli import experiments

    return experiments.list_experiments(limit)


@experiment.command("compare")
@click.argument("one")
@click.argument("other")
@reported
def compare_experiments(one: str, other: str) -> int:
    """Show the figures of two runs side by side, and what was chosen differently."""
    from clip_platform.cli import experiments

    return experiments.compare_experiments(one, other)


@cli.group()
def audit() -> None:
    """The audit trail."""


@audit.command("verify")
@click.option("--tenant", "tenant_id", help="One tenant's trail. [default: all]")
@click.option("--file", type=click.Path(path_type=Path), help="An exported segment instead of the database.")
@reported
def verify_audit(tenant_id: str | None, file: Path | None) -> int:
    """Check that nobody has changed the audit trail."""
    from clip_platform.cli import auditing

    return auditing.verify_file(file) if file else auditing.verify_database(tenant_id)


@cli.group()
def receipt() -> None:
    """Receipts of erased accounts."""


@receipt.command("verify")
@click.argument("file", type=click.Path(path_type=Path, readable=False))
@click.option("--key", "public_key", help="Public key in base64 that signed it. [default: this installation's]")
@click.option("--account", help="Id of the tenant that it has to be of.")
@reported
def verify_receipt(file: Path, public_key: str | None, account: str | None) -> int:
    """Check that FILE is a receipt that was signed, and that nobody has changed it."""
    from clip_platform.cli import receipts

    return receipts.verify_receipt(file, public_key, account)


@cli.command(hidden=True)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@reported
def openapi(file: Path) -> int:
    """Write the API's OpenAPI document to FILE."""
    from clip_platform.cli.describing import write_openapi

    return write_openapi(file)


@cli.command()
@reported
def videos() -> int:
    """List the videos of this machine, newest first."""
    from clip_platform.cli.submitting import list_videos

    return list_videos()


@cli.command()
@click.argument("video_id")
@reported
def requeue(video_id: str) -> int:
    """Submit a failed or dead-lettered video again."""
    from clip_platform.cli.submitting import requeue_video

    return requeue_video(video_id)


@cli.command("run-video", hidden=True)
@click.argument("video_id")
@click.option("--run-id", required=True)
@click.option("--parent", type=int, required=True, help="Process whose end is this one's end.")
@click.option("--recompute", is_flag=True)
@reported
def run_video(video_id: str, run_id: str, parent: int, recompute: bool) -> int:
    """The working half of `process`: one run in this process. Reads its addresses from the environment."""
    from clip_platform.cli.running import run_in_this_process

    return run_in_this_process(video_id, run_id, parent, recompute=recompute)


@cli.command("simulate")
@click.option("--months", type=click.FloatRange(0.25, 24), default=3.0, show_default=True)
@click.option("--videos-a-week", type=click.IntRange(5, 2000), default=70, show_default=True)
@click.option("--tenants", type=click.IntRange(1, 90), default=8, show_default=True)
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True)
@reported
def simulate_command(months: float, videos_a_week: int, tenants: int, seed: int) -> int:
    """Months of invented feedback through the real learning loop; `clip-platform up` has to run beside it."""
    from clip_platform.cli.simulating import simulate

    return simulate(months, videos_a_week, tenants, seed)
