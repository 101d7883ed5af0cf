"""What 1,000 hours of video a day cost: docs/cost.md, worked out from `figures.toml` so that it cannot rot.

python -m deploy.cost [--check]
"""

from __future__ import annotations

from pathlib import Path

import click

from deploy.cost.model import read_figures, work_out
from deploy.cost.page import written

PAGE = Path(__file__).parents[2] / "docs" / "cost.md"


@click.command()
@click.option("--check", is_flag=True, help="Write nothing; fail when the page is not what it would be.")
def main(check: bool) -> None:
    figures = read_figures()
    text = written(figures, work_out(figures))
    if not check:
        PAGE.write_text(text)
    elif PAGE.read_text() != text:
        raise click.ClickException("docs/cost.md is stale; run python -m deploy.cost")


if __name__ == "__main__":
    main()
