# SPDX-License-Identifier: Apache-2.0
"""Draws what was measured: `python -m benchmarks.harness.chart comparison.json chart.png`."""

from __future__ import annotations

import sys

import matplotlib

matplotlib.use("Agg")

from matplotlib import pyplot

from .comparison import PENSTOCK, TFX
from .report import ratio, read

# Told apart in print and by every kind of eye (Okabe and Ito, https://jfly.uni-koeln.de/color/).
_COLOURS = {PENSTOCK: "#0072b2", TFX: "#e69f00"}


def draw(source: str, path: str) -> None:
    """Bars of both sides' seconds, on a logarithmic axis, with the ratio at the end."""
    _, rows = read(source)
    # Rates are no seconds; what they are made of has a bar.
    rows = [row for row in rows if ratio(row) is not None and row.unit != "krows/s"][::-1]
    figure, axes = pyplot.subplots(figsize=(11, 0.62 * len(rows) + 1.4), layout="constrained")
    for number, side in enumerate((TFX, PENSTOCK)):
        places = [at + 0.2 - 0.4 * (1 - number) for at in range(len(rows))]
        scales = [0.001 if row.unit == "ms" else 1.0 for row in rows]
        walls = [row.measured[side]["wall"] for row in rows]
        medians = [wall["median"] * by for wall, by in zip(walls, scales, strict=True)]
        below = [(it["median"] - it["least"]) * by for it, by in zip(walls, scales, strict=True)]
        above = [(it["most"] - it["median"]) * by for it, by in zip(walls, scales, strict=True)]
        axes.barh(places, medians, 0.38, color=_COLOURS[side], label=side, zorder=2)
        axes.errorbar(
            medians, places, xerr=[below, above], fmt="none", ecolor="#333333", elinewidth=1,
            zorder=3,
        )  # fmt: skip
    for at, row in enumerate(rows):
        most = max(found["wall"]["most"] for found in row.measured.values())
        most *= 0.001 if row.unit == "ms" else 1.0
        axes.text(most * 1.15, at, f"{ratio(row):.1f}×", va="center", fontweight="bold")
    axes.set_xscale("log")
    axes.margins(y=0.01)
    axes.set_xlim(right=axes.get_xlim()[1] * 2.2)
    axes.set_yticks(range(len(rows)), [row.title for row in rows])
    axes.set_xlabel("seconds of wall time, median and range (logarithmic)")
    axes.grid(axis="x", color="#dddddd", zorder=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.legend(loc="upper center", bbox_to_anchor=(0.4, 1.0 + 1.2 / (len(rows) + 2)), ncols=2,
                frameon=False)  # fmt: skip
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    draw(*sys.argv[1:3])
