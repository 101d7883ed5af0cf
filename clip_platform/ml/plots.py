"""Figures of a model as PNG bytes: numbers in, a picture out. What the numbers are is computed elsewhere.

Every title says what to look for; no figure needs another window, a display or a font of its own.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from clip_platform.ml.backtest import CurvePoint, Reliability, TenantFigures

BLUE, ORANGE, GREY, INK = "#2c6fbb", "#d9772b", "#9aa3ad", "#2b2f36"
_LOW, _HIGH = "#3b6fc4", "#c8453b"
_WIDTH_IN, _DPI = 8.0, 110
_TABLE_ROWS = 20
_STYLE: Mapping[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": GREY,
    "axes.titlesize": 12,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 12,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "#e6e9ed",
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
    "figure.constrained_layout.h_pad": 0.12,
    "figure.constrained_layout.w_pad": 0.12,
}


def calibration(
    chance: Reliability, expected: np.ndarray, label: np.ndarray, *, slope: float, coverage: float
) -> bytes:
    """Told against true: chances of the top third, and labels with the slope of their regression.

    Args:
        expected, label: (n,).
    """
    with _figure(2) as (figure, (left, right)):
        left.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1, label="perfect")
        spread = 1.96 * np.sqrt(chance.came_true * (1 - chance.came_true) / np.maximum(chance.clips, 1))
        left.errorbar(chance.told, chance.came_true, spread, color=BLUE, marker="o", capsize=3, label="model, ± 95 %")
        left.set(xlabel="P(top third) as told", ylabel="share that came true", xlim=(0, 1), ylim=(0, 1))
        left.set_title(f"Chances: off by {chance.error:.3f} on average")
        left.legend(loc="upper left")
        right.scatter(expected, label, s=9, color=BLUE, alpha=0.25, linewidths=0)
        reach = np.quantile(expected, [0.005, 0.995])
        middle = float(label.mean() - slope * expected.mean())
        right.plot(reach, reach, color=GREY, linestyle="--", linewidth=1, label="perfect, slope 1")
        right.plot(reach, middle + slope * reach, color=ORANGE, linewidth=2, label=f"found, slope {slope:.2f}")
        right.set(xlabel="expected label", ylabel="label", ylim=_padded(np.quantile(label, [0.005, 0.995])))
        right.set_title(f"Labels: {coverage:.0%} in the 80 % interval")
        right.legend(loc="upper left")
        return _png(figure)


def gain_importance(names: Sequence[str], label: np.ndarray, accept: np.ndarray | None, most: int = 20) -> bytes:
    """Each feature's share of the loss that trees took away, of viewers' and reviewers' head.

    Args:
        label, accept: (f,) gain; `accept` None without that head.
    """
    heads = [("viewers", _shares(label), BLUE)]
    heads += [("reviewers", _shares(accept), ORANGE)] if accept is not None else []
    order = np.argsort(np.mean([shares for _, shares, _ in heads], axis=0), kind="stable")[-most:]
    with _figure(1, height_in=0.27 * len(order) + 1.4) as (figure, (axes,)):
        high = 0.8 / len(heads)
        for row, (head, shares, colour) in enumerate(heads):
            places = np.arange(len(order)) + (0.4 - high / 2 - row * high)
            axes.barh(places, 100 * shares[order], high, color=colour, label=f"what {head} like")
        axes.set_yticks(np.arange(len(order)), [names[column] for column in order])
        axes.set(xlabel="share of the gain, %", ylim=(-0.6, len(order) - 0.4))
        axes.grid(visible=False, axis="y")
        axes.set_title("What the trees split on")
        axes.legend(loc="lower right")
        return _png(figure)


def partial_dependence(curves: Sequence[tuple[str, str, np.ndarray, np.ndarray]], seen: Sequence[np.ndarray]) -> bytes:
    """The mean score of all clips if all had this value of one feature, a panel each; ticks are where clips are.

    Args:
        curves: name, unit, (k,) values and (k,) mean scores 0-100.
        seen: (n,) each, values of clips.
    """
    columns = 3
    rows = -(-len(curves) // columns)
    reach = _padded(np.concatenate([score for *_, score in curves]), least=4.0)
    with _figure(columns, rows, height_in=2.5 * rows + 0.5, width_in=9.5) as (figure, panels):
        for number, (axes, (name, unit, values, score), clips) in enumerate(zip(panels, curves, seen, strict=False)):
            axes.plot(values, score, color=BLUE, linewidth=2)
            axes.set(ylim=reach, xlabel=name if unit in ("flag", "") else f"{name} ({unit})")
            some = clips[np.isfinite(clips)][:300]
            axes.plot(some, np.full(len(some), reach[0]), "|", color=INK, alpha=0.25, markersize=9)
            if number % columns == 0:
                axes.set_ylabel("mean score")
        for axes in panels[len(curves) :]:
            axes.set_visible(False)
        figure.suptitle("How the score answers to one feature", x=0.01, ha="left", fontweight="bold", fontsize=12)
        return _png(figure)


def rank_agreement(model: np.ndarray, heuristic: np.ndarray) -> bytes:
    """Kendall's tau within each held-out video, (videos,) each: how the two are distributed, and which won where."""
    with _figure(2) as (figure, (left, right)):
        bins = np.linspace(-1, 1, 17)
        for name, taus, colour in (("heuristic", heuristic, GREY), ("model", model, BLUE)):
            left.hist(taus, bins, color=colour, alpha=0.55, label=f"{name}, mean {taus.mean():.2f}")
            left.axvline(float(taus.mean()), color=colour, linewidth=2)
        left.set(xlabel="τ within a video", ylabel="videos", xlim=(-1, 1))
        left.set_title("Agreement with what viewers did")
        left.legend(loc="upper left")
        gain = np.sort(model - heuristic)
        colours = np.where(gain > 0, BLUE, np.where(gain < 0, ORANGE, GREY))
        right.bar(np.arange(len(gain)), gain, width=1.0, color=colours)
        right.axhline(0, color=INK, linewidth=0.8)
        right.set(xlabel="videos, worst to best", ylabel="τ of model − τ of heuristic")
        right.set_title(f"Better in {(gain > 0).mean():.0%} of videos, worse in {(gain < 0).mean():.0%}")
        return _png(figure)


def shap_summary(names: Sequence[str], parts: np.ndarray, values: np.ndarray, most: int = 15) -> bytes:
    """What each feature adds to each clip's predicted label: a dot a clip, its colour the value (TreeSHAP).

    Args:
        parts: (n, f) contributions.
        values: (n, f) of the features.
    """
    order = np.argsort(np.abs(parts).mean(axis=0), kind="stable")[-most:]
    random = np.random.default_rng(0)
    with _figure(1, height_in=0.36 * len(order) + 1.5) as (figure, (axes,)):
        for row, column in enumerate(order):
            at, places = parts[:, column], row + _jitter(parts[:, column], random)
            known = np.isfinite(values[:, column])
            axes.scatter(at[~known], places[~known], s=8, color=GREY, linewidths=0)
            shown = axes.scatter(
                at[known], places[known], s=8, c=_ranks(values[known, column]), cmap=_colours(), vmin=0, vmax=1,
                linewidths=0, alpha=0.8,
            )  # fmt: skip
        axes.axvline(0, color=INK, linewidth=0.8)
        axes.set_yticks(np.arange(len(order)), [names[column] for column in order])
        axes.set(xlabel="added to the predicted label", ylim=(-0.7, len(order) - 0.3))
        axes.grid(visible=False, axis="y")
        axes.set_title("Which features move which clips")
        bar = figure.colorbar(shown, ax=axes, fraction=0.03, pad=0.02, ticks=[0, 1])
        bar.ax.set_yticklabels(["low", "high"])
        bar.set_label("value of the feature", labelpad=-12)
        bar.outline.set_visible(False)
        return _png(figure)


def learning_curve(points: Sequence[CurvePoint], heuristic_tau: float) -> bytes:
    """Tau on held-out videos by the number of clips to learn from; whether more feedback would still help."""
    with _figure(1, height_in=3.8, width_in=6.5) as (figure, (axes,)):
        axes.plot(
            [p.clips for p in points], [p.tau for p in points], color=BLUE, marker="o", linewidth=2, label="model"
        )
        axes.axhline(heuristic_tau, color=GREY, linestyle="--", label=f"heuristic, {heuristic_tau:.2f}")
        for point in points:
            axes.annotate(f"{point.tau:.2f}", (point.clips, point.tau), (0, 7), textcoords="offset points", ha="center")
        found = [point.tau for point in points]
        axes.set(xlabel="clips with feedback to learn from", ylabel="τ within held-out videos", xlim=(0, None))
        axes.set_ylim(min([0.0, heuristic_tau - 0.03, *found]), 1.2 * max([heuristic_tau, 0.05, *found]))
        axes.set_title("Does more feedback help?")
        axes.legend(loc="center right")
        return _png(figure)


def tenant_table(tenants: Sequence[TenantFigures]) -> bytes:
    """The twenty tenants with most held-out clips; whom the model serves worse than the heuristic stands out."""
    shown = tenants[:_TABLE_ROWS]
    headings = ["tenant", "clips", "videos", "τ model", "τ heuristic", "gain", "coverage", "own part"]
    with _figure(1, height_in=0.28 * (len(shown) + 1) + 0.9, width_in=9.0) as (figure, (axes,)):
        axes.axis("off")
        cells = [_cells(one) for one in shown]
        widths = [0.22, 0.09, 0.09, 0.12, 0.14, 0.12, 0.12, 0.1]
        table = axes.table(cells, colLabels=headings, colWidths=widths, cellLoc="right", bbox=(0, 0, 1, 1))
        table.auto_set_font_size(False)
        table.set_fontsize(9)
        for (row, column), cell in table.get_celld().items():
            cell.set_edgecolor("#e6e9ed")
            cell.visible_edges = "B"
            if column == 0:
                cell.set_text_props(ha="left")
            if row == 0:
                cell.set_text_props(fontweight="bold")
            elif column == 5 and shown[row - 1].tau < shown[row - 1].heuristic_tau:
                cell.set_text_props(color=_HIGH, fontweight="bold")
        left_out = f" (of {len(tenants)})" if len(tenants) > len(shown) else ""
        axes.set_title(f"Tenants by held-out clips{left_out}")
        return _png(figure)


def over_time(days: Sequence[str], values: Sequence[float], limits: Sequence[float], title: str, said: str) -> bytes:
    """One figure a day with the limits it should stay within; a gap where it was not measured.

    Args:
        said: what the figure is, for the axis.
    """
    with _figure(1, height_in=3.0) as (figure, (plot,)):
        found = np.asarray(values, float)
        plot.plot(range(len(found)), found, color=BLUE, marker="o", markersize=4, linewidth=1.5)
        for limit in limits:
            plot.axhline(limit, color=ORANGE, linestyle="--", linewidth=1.2)
        known = [*found[np.isfinite(found)].tolist(), *limits]
        plot.set_ylim(_padded(np.array([min(known, default=0.0), max(known, default=1.0)])))
        every = max(len(days) // 7, 1)
        plot.set_xticks(range(0, len(days), every), [day[5:] for day in days[::every]])
        plot.set(ylabel=said, title=title)
        return _png(figure)


def growth(sizes: Sequence[int], lines: Mapping[str, Sequence[float]]) -> bytes:
    """Lines by the number of clips, on a logarithmic axis."""
    with _figure(1) as (figure, (plot,)):
        for (name, values), colour in zip(lines.items(), (BLUE, ORANGE, GREY), strict=False):
            plot.plot(sizes, values, color=colour, marker="o", label=name)
        plot.set(xscale="log", xlabel="clips", ylabel="tau", title="More clips, a better ranking")
        plot.legend(loc="upper left")
        return _png(figure)


def dots(groups: Mapping[str, Sequence[float]], said: str) -> bytes:
    """One dot a value, a row a group, with the median."""
    with _figure(1, height_in=1.2 + 0.6 * len(groups)) as (figure, (plot,)):
        for row, values in enumerate(groups.values()):
            found = np.asarray([value for value in values if np.isfinite(value)], float)
            lift = _jitter(found, np.random.default_rng(row)) if len(found) else found
            plot.scatter(found, row + lift, s=16, color=BLUE, alpha=0.6, linewidths=0)
            if len(found):
                plot.plot([np.median(found)] * 2, [row - 0.35, row + 0.35], color=ORANGE, linewidth=2)
        plot.set_yticks(range(len(groups)), list(groups))
        plot.set(xlabel=said, title="Median in orange", ylim=(-0.6, len(groups) - 0.4))
        return _png(figure)


def _cells(one: TenantFigures) -> list[str]:
    name = one.tenant if len(one.tenant) <= 24 else f"{one.tenant[:23]}…"
    taus = [_number(one.tau), _number(one.heuristic_tau), _number(one.tau - one.heuristic_tau, "+.2f")]
    return [name, str(one.clips), str(one.videos), *taus, f"{one.coverage:.0%}", "yes" if one.has_own_part else ""]


def _number(value: float, form: str = ".2f") -> str:
    return format(value, form) if np.isfinite(value) else "–"


def _shares(gain: np.ndarray) -> np.ndarray:
    return gain / max(float(gain.sum()), 1e-12)


def _padded(values: np.ndarray, least: float = 0.0) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    pad = max(0.08 * (high - low), (least - (high - low)) / 2, 1e-9)
    return low - pad, high + pad


def _ranks(values: np.ndarray) -> np.ndarray:
    """(n,) 0 .. 1; equal values alike."""
    known = np.unique(values)
    return np.searchsorted(known, values) / max(len(known) - 1, 1)


def _jitter(values: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """(n,) within +-0.4, wide where many values are alike."""
    counts, edges = np.histogram(values, 60)
    density = counts[np.clip(np.searchsorted(edges, values, side="right") - 1, 0, 59)] / max(counts.max(), 1)
    return density**0.5 * random.uniform(-0.38, 0.38, len(values))


def _colours() -> Any:
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("low-high", [_LOW, "#b9a6c9", _HIGH])


@contextmanager
def _figure(
    columns: int, rows: int = 1, *, height_in: float = 4.0, width_in: float | None = None
) -> Iterator[tuple[Any, Sequence[Any]]]:
    """A figure of its own canvas, apart from pyplot: no state between figures, any thread."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context(dict(_STYLE)):
        figure = Figure((width_in or _WIDTH_IN + 2 * (columns - 1), height_in), _DPI, facecolor="white")
        FigureCanvasAgg(figure)
        yield figure, list(np.ravel(figure.subplots(rows, columns)))


def _png(figure: Any) -> bytes:
    sink = io.BytesIO()
    figure.savefig(sink, format="png", metadata={"Software": None})
    return sink.getvalue()
