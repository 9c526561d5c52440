"""What each change of an ablation does: the paired difference to its base, metric by metric."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from bench.report.difference import Difference, paired_differences
from bench.report.model import MethodInfo, MetricInfo, Report
from bench.report.panelgrid import RowName, panel_grid, signed, write_beside
from bench.report.scores import axis_label
from bench.report.statistics import Estimates
from bench.report.style import GREY, PALETTE

BETTER, WORSE = PALETTE[0], PALETTE[1]
PALE = 0.35
"""Opacity of a difference that no test supports."""

ALPHA = 0.05
LINE = 0.2
"""Inches per row."""

Differences = Mapping[tuple[str, str], Difference]


@dataclass(frozen=True)
class Row:
    """A base, at zero, or one of its variants; `name` is what stands at the left."""

    method: MethodInfo
    name: str

    @property
    def is_base(self) -> bool:
        return self.method.variant is None


def ablation_figure(report: Report, estimates: Estimates) -> Figure | None:
    """A panel for each metric, in it a block of bars for each base that has variants; None where there is none.

    Bars across are 95 % bootstrap intervals over images. A star is p < 0.05 after Holm's correction; pale bars have none.
    """
    rows = ablation_rows(report)
    differences = paired_differences(report)
    labels = [row.method.label for row in rows if not row.is_base]
    metrics = [metric for metric in report.metrics if any((label, metric.name) in differences for label in labels)]
    if not metrics:
        return None
    names = [RowName(row.name, bold=row.is_base) for row in rows]
    figure, panels = panel_grid(names, len(metrics), LINE, _legend())
    for axes, metric in zip(panels, metrics, strict=True):
        _draw_panel(axes, rows, metric, differences, estimates)
    return figure


def ablation_rows(report: Report) -> list[Row]:
    """Each base, followed by its variants, in the order of the table."""
    found: list[Row] = []
    for base in report.methods:
        variants = [Row(m, m.variant) for m in report.methods if m.base == base.label and m.variant is not None]
        if variants:
            found += [Row(base, base.label), *variants]
    return found


def _draw_panel(
    axes: Axes, rows: Sequence[Row], metric: MetricInfo, differences: Differences, estimates: Estimates
) -> None:
    for y, row in enumerate(rows):
        found = differences.get((row.method.label, metric.name))
        if row.is_base:
            axes.axhline(y - 0.5, color=GREY, linewidth=0.4, visible=y > 0)
        elif found is not None:
            _draw_bar(axes, y, found, metric)
        write_beside(axes, y, _number(row, found, metric, estimates))
    axes.axvline(0, color="black", linewidth=0.6)
    # Zero in the middle, so that the words below stand on their sides of it.
    reach = 1.08 * max(abs(bound) for bound in axes.get_xlim())
    axes.set_xlim(-reach, reach)
    axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
    axes.set_title(axis_label(metric), loc="left")
    sides = "← worse | better →" if metric.direction == "up" else "← better | worse →"
    axes.set_xlabel(sides, fontsize=7, color=GREY)


def _number(row: Row, found: Difference | None, metric: MetricInfo, estimates: Estimates) -> str:
    """The base's own value, a variant's difference to it."""
    if row.is_base:
        value = estimates.get((row.method.label, metric.name))
        return "" if value is None else f"{value.value:.{metric.decimals}f}"
    if found is None:
        return "n/a"
    return signed(found.value, metric.decimals) + ("*" if _significant(found) else "")


def _draw_bar(axes: Axes, y: int, found: Difference, metric: MetricInfo) -> None:
    """Pale where no test supports the difference."""
    better = (found.value > 0) == (metric.direction == "up")
    opacity = 1.0 if _significant(found) else PALE
    axes.barh(y, found.value, height=0.62, color=BETTER if better else WORSE, alpha=opacity, linewidth=0)
    if found.interval is not None:
        axes.plot(found.interval, (y, y), color="black", linewidth=0.8, solid_capstyle="butt")


def _significant(found: Difference) -> bool:
    return found.adjusted is not None and found.adjusted < ALPHA


def _legend() -> list[Artist]:
    return [
        Patch(color=BETTER, linewidth=0, label="better"),
        Patch(color=WORSE, linewidth=0, label="worse"),
        Patch(color=GREY, alpha=PALE, linewidth=0, label="not significant, or not tested"),
        Line2D([], [], color="black", marker=(5, 2, 0), markersize=5, ls="", label=f"p < {ALPHA:g} (Holm)"),
    ]
