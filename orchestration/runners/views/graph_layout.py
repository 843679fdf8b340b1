# SPDX-License-Identifier: Apache-2.0
"""Where the boxes of a graph stand: in layers, so that arrows run downwards.

The usual method of Sugiyama, Tagawa and Toda (1981), in its plainest form: layers by longest
path, places within a layer by the average place of neighbours, and arrows over several layers
led through points in between.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

#: Space between boxes side by side, and between layers, in pixels.
GAP_X, GAP_Y = 26, 46
_SWEEPS = 8


@dataclass(frozen=True)
class Layout:
    """Where everything stands.

    Attributes:
        width: Of the whole picture.
        height: Of the whole picture.
        centers: Centres of boxes by key.
        routes: For each edge, in the order given, the points that it passes.
    """

    width: float
    height: float
    centers: Mapping[str, tuple[float, float]]
    routes: Sequence[Sequence[tuple[float, float]]]


def layered(sizes: Mapping[str, tuple[float, float]], edges: Sequence[tuple[str, str]]) -> Layout:
    """Places boxes of given sizes; edges that would close a circle are drawn upwards.

    Args:
        sizes: Width and height of boxes, by key.
        edges: From which box to which.
    """
    layer = _layers(list(sizes), edges)
    all_sizes = dict(sizes)
    chains = _chains(edges, layer, all_sizes)
    steps = [pair for chain in chains for pair in pairwise(chain)]
    rows = _rows(all_sizes, layer, steps)
    centers, width, height = _places(rows, all_sizes, steps)
    for row in rows:
        # Arrows that pass a layer do so straight, over its whole height, beside the boxes.
        tall = max(all_sizes[key][1] for key in row)
        all_sizes.update({k: (all_sizes[k][0], tall) for k in row if k not in sizes})
    routes = []
    for chain in chains:
        if layer[chain[0]] > layer[chain[-1]]:
            chain = chain[::-1]
            routes.append(_route(chain, centers, all_sizes)[::-1])
        else:
            routes.append(_route(chain, centers, all_sizes))
    return Layout(width, height, {key: centers[key] for key in sizes}, routes)


def _layers(keys: Sequence[str], edges: Sequence[tuple[str, str]]) -> dict[str, int]:
    """The layer of each box: one below the lowest of those that lead to it."""
    targets: dict[str, list[str]] = defaultdict(list)
    waiting = dict.fromkeys(keys, 0)
    for source, target in edges:
        if source != target:
            targets[source].append(target)
            waiting[target] += 1
    layer = dict.fromkeys(keys, 0)
    ready = [key for key in keys if not waiting[key]]
    done: set[str] = set()
    while len(done) < len(keys):
        if not ready:
            # A circle: it is cut where the fewest arrows enter.
            ready = [min((k for k in keys if k not in done), key=lambda k: waiting[k])]
        key = ready.pop(0)
        if key in done:
            continue
        done.add(key)
        for target in targets[key]:
            if target in done:
                continue
            layer[target] = max(layer[target], layer[key] + 1)
            waiting[target] -= 1
            if waiting[target] == 0:
                ready.append(target)
    return layer


def _chains(
    edges: Sequence[tuple[str, str]],
    layer: dict[str, int],
    sizes: dict[str, tuple[float, float]],
) -> list[list[str]]:
    """Each edge as the boxes and points that it goes through, one in each layer."""
    chains = []
    for number, (source, target) in enumerate(edges):
        low, high = sorted((source, target), key=lambda key: layer[key])
        chain = [low]
        for between in range(layer[low] + 1, layer[high]):
            point = f"\0{number}:{between}"
            layer[point], sizes[point] = between, (6.0, 1.0)
            chain.append(point)
        chain.append(high)
        chains.append(chain if low == source else chain[::-1])
    return chains


def _rows(
    sizes: Mapping[str, tuple[float, float]],
    layer: Mapping[str, int],
    steps: Sequence[tuple[str, str]],
) -> list[list[str]]:
    """The boxes of each layer, ordered so that few arrows cross."""
    rows: list[list[str]] = [[] for _ in range(max(layer.values(), default=-1) + 1)]
    for key in sizes:
        rows[layer[key]].append(key)
    neighbours: dict[str, list[str]] = defaultdict(list)
    for source, target in steps:
        neighbours[source].append(target)
        neighbours[target].append(source)
    for sweep in range(_SWEEPS):
        order = range(1, len(rows)) if sweep % 2 == 0 else range(len(rows) - 2, -1, -1)
        for index in order:
            beside = index - 1 if sweep % 2 == 0 else index + 1
            place = {key: at for at, key in enumerate(rows[beside])}
            weight = {}
            for at, key in enumerate(rows[index]):
                found = [place[each] for each in neighbours[key] if each in place]
                weight[key] = (sum(found) / len(found) if found else at, at)
            rows[index].sort(key=lambda key: weight[key])
    return rows


def _places(
    rows: Sequence[Sequence[str]],
    sizes: Mapping[str, tuple[float, float]],
    steps: Sequence[tuple[str, str]],
) -> tuple[dict[str, tuple[float, float]], float, float]:
    neighbours: dict[str, list[str]] = defaultdict(list)
    for source, target in steps:
        neighbours[source].append(target)
        neighbours[target].append(source)
    x: dict[str, float] = {}
    for row in rows:
        left = 0.0
        for key in row:
            x[key] = left + sizes[key][0] / 2
            left += sizes[key][0] + GAP_X
    for sweep in range(_SWEEPS * 2):
        for row in rows if sweep % 2 == 0 else rows[::-1]:
            _pull(row, x, sizes, neighbours)
    least = min((x[key] - sizes[key][0] / 2 for row in rows for key in row), default=0.0)
    centers, top = {}, 10.0
    for row in rows:
        tall = max((sizes[key][1] for key in row), default=0.0)
        for key in row:
            centers[key] = (x[key] - least + 10, top + tall / 2)
        top += tall + GAP_Y
    width = max((centers[k][0] + sizes[k][0] / 2 for row in rows for k in row), default=0.0)
    return centers, width + 10, top - GAP_Y + 10


def _pull(
    row: Sequence[str],
    x: dict[str, float],
    sizes: Mapping[str, tuple[float, float]],
    neighbours: Mapping[str, Sequence[str]],
) -> None:
    """Moves boxes of a layer towards their neighbours, as far as those beside them allow."""
    wanted = {
        key: sum(x[each] for each in neighbours[key]) / len(neighbours[key])
        if neighbours.get(key)
        else x[key]
        for key in row
    }

    def room(a: str, b: str) -> float:
        return (sizes[a][0] + sizes[b][0]) / 2 + GAP_X

    from_left: dict[str, float] = {}
    for index, key in enumerate(row):
        at = wanted[key]
        from_left[key] = (
            max(at, from_left[row[index - 1]] + room(row[index - 1], key)) if index else at
        )
    from_right: dict[str, float] = {}
    for index in range(len(row) - 1, -1, -1):
        key, at = row[index], wanted[row[index]]
        last = index == len(row) - 1
        from_right[key] = (
            at if last else min(at, from_right[row[index + 1]] - room(key, row[index + 1]))
        )
    for key in row:
        x[key] = (from_left[key] + from_right[key]) / 2


def _route(
    chain: Sequence[str],
    centers: Mapping[str, tuple[float, float]],
    sizes: Mapping[str, tuple[float, float]],
) -> list[tuple[float, float]]:
    """Points from the lower side of the first box to the upper side of the last."""
    (x0, y0), (x1, y1) = centers[chain[0]], centers[chain[-1]]
    first = (x0, y0 + sizes[chain[0]][1] / 2)
    last = (x1, y1 - sizes[chain[-1]][1] / 2)
    route = [first]
    for key in chain[1:-1]:
        (x, y), half = centers[key], sizes[key][1] / 2
        route += [(x, y - half), (x, y + half)]
    return [*route, last]
