# SPDX-License-Identifier: Apache-2.0
"""What a picture is made of, before anybody decides how it is drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from ....components.base.artifact import Artifact
from ....components.validate.anomaly_report import Chart

Tone = Literal["plain", "dim", "fine", "warning", "error"]

#: Rows of examples, and charts, that are shown unless told otherwise.
ROWS, CHARTS = 20, 12


@dataclass(frozen=True)
class Spark:
    """A very small chart for a table's cell.

    Attributes:
        sides: Shares between 0 and 1, of one data set or of several side by side.
        told: What it shows, in words.
    """

    sides: Sequence[Sequence[float]]
    told: str = ""


@dataclass(frozen=True)
class Toned:
    """A cell with a tone."""

    text: str
    tone: Tone


Cell = str | int | float | bool | None | Spark | Toned


def is_number(value: Cell) -> bool:
    """Whether a cell holds a number; truth values are none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


@dataclass(frozen=True)
class Words:
    """A paragraph."""

    text: str
    tone: Tone = "plain"


@dataclass(frozen=True)
class Facts:
    """Names and values below each other; empty values are left out."""

    pairs: Sequence[tuple[str, Cell]]


@dataclass(frozen=True)
class Table:
    """Rows of cells. Numbers stand right, and sort as numbers.

    Attributes:
        columns: Headings.
        rows: Cells.
        title: What it shows.
        note: What else is to be said, below the title.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    title: str = ""
    note: str = ""

    def without_empty(self, *names: str) -> Table:
        """The table without those of the named columns that are empty in every row."""
        kept = [
            index
            for index, name in enumerate(self.columns)
            if name not in names or any(row[index] not in (None, "") for row in self.rows)
        ]
        rows = [[row[index] for index in kept] for row in self.rows]
        return Table([self.columns[index] for index in kept], rows, self.title, self.note)


@dataclass(frozen=True)
class Bars:
    """A chart of one feature's distributions."""

    chart: Chart


@dataclass(frozen=True)
class Curves:
    """Lines over steps.

    Attributes:
        title: What it shows.
        x_label: What runs to the right.
        y_label: What runs upwards.
        lines: Points by the line's name.
    """

    title: str
    x_label: str
    y_label: str
    lines: Mapping[str, Sequence[tuple[float, float]]]


@dataclass(frozen=True)
class Dots:
    """One value for each of several groups, with its interval, and another to compare with.

    Attributes:
        title: What it shows.
        label: What is measured.
        rows: (group, value, low, high, other value); None where it is not known.
        other: What the other values are.
        name: What the values are, beside the others.
    """

    title: str
    label: str
    rows: Sequence[tuple[str, float, float | None, float | None, float | None]]
    other: str = ""
    name: str = "this"


@dataclass(frozen=True)
class GraphNode:
    """A box in a graph.

    Attributes:
        key: Its name among the edges.
        lines: What stands in it, the most telling line first.
        shape: `box` for what works, `pill` for what was made.
        state: How it stands, which colours it; empty where that says nothing.
        told: What a pointer over it says.
    """

    key: str
    lines: Sequence[str]
    shape: Literal["box", "pill"] = "box"
    state: str = ""
    told: str = ""


@dataclass(frozen=True)
class Graph:
    """Boxes and arrows.

    Attributes:
        title: What it shows.
        nodes: The boxes.
        edges: (from, to, label).
    """

    title: str
    nodes: Sequence[GraphNode]
    edges: Sequence[tuple[str, str, str]]


@dataclass(frozen=True)
class Document:
    """A whole HTML page that is shown inside this one, where its scripts do not run.

    Attributes:
        title: What it is.
        html: The page.
        text: The same for where pages cannot be shown; empty where there is nothing of the kind.
    """

    title: str
    html: str
    text: str = ""


@dataclass(frozen=True)
class Code:
    """Text in fixed width: source, a log."""

    text: str


@dataclass(frozen=True)
class Fold:
    """Blocks that can be folded away."""

    title: str
    blocks: Sequence[Block]
    is_open: bool = False


Block = Words | Facts | Table | Bars | Curves | Dots | Graph | Document | Code | Fold


@dataclass(frozen=True)
class View:
    """A whole picture.

    Attributes:
        title: What it is a picture of.
        blocks: What it is made of.
        subtitle: Where that lies, when it was made.
    """

    title: str
    blocks: Sequence[Block]
    subtitle: str = ""


@dataclass(frozen=True)
class Wanted:
    """What is to be seen of a thing.

    Attributes:
        splits: Names of splits; empty for all.
        features: Names of features; empty for all.
        limit: How many rows of examples.
        beside: Other artifacts of the kind to compare with, by what they are called.
        name: What the artifact itself is called beside them.
    """

    splits: Sequence[str] = ()
    features: Sequence[str] = ()
    limit: int = ROWS
    beside: Mapping[str, Artifact] = field(default_factory=dict)
    name: str = "this"
