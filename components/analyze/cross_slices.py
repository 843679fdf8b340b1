# SPDX-License-Identifier: Apache-2.0
"""Differences of metrics between slices, as TFMA computes them.

For each spec: every slice that its `baseline_spec` names, against every one that its
`slicing_specs` name; without these, against every slice but the baseline's. The difference
is baseline slice minus the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from tensorflow_model_analysis.metrics import metric_types
from tensorflow_model_analysis.slicer import slicer_lib

from .slice_groups import SliceKey

#: (baseline slice, slice that is compared with it), as TFMA keys such results.
CrossSliceKey = tuple[SliceKey, SliceKey]


def cross_slices(
    specs: Iterable[Any],
    slices: Sequence[tuple[SliceKey, Mapping[Any, Any]]],
    computations: Iterable[Any],
) -> Iterator[tuple[CrossSliceKey, dict[Any, Any]]]:
    """Differences for every pair of slices that is asked for.

    Args:
        specs: `CrossSlicingSpec` messages.
        slices: Metrics of each slice.
        computations: TFMA's computations that need both slices.
    """
    derived = list(computations)
    for spec in specs:
        base = [each for each in slices if _applies([spec.baseline_spec], each[0])]
        others = [
            each
            for each in slices
            if (
                _applies(spec.slicing_specs, each[0])
                if spec.slicing_specs
                else not _applies([spec.baseline_spec], each[0])
            )
        ]
        for base_key, base_metrics in base:
            for other_key, other_metrics in others:
                found = _differences(base_metrics, other_metrics)
                for each in derived:
                    found.update(each.cross_slice_comparison(base_metrics, other_metrics))
                yield (base_key, other_key), found


def _differences(base: Mapping[Any, Any], other: Mapping[Any, Any]) -> dict[Any, Any]:
    found = {}
    for key, value in other.items():
        plain = isinstance(key, metric_types.MetricKey) and not isinstance(
            key, (metric_types.PlotKey, metric_types.AttributionsKey)
        )
        if plain and key in base and isinstance(value, (int, float, np.number, np.ndarray)):
            found[key] = base[key] - value
    return found


def _applies(specs: Iterable[Any], key: SliceKey) -> bool:
    return any(slicer_lib.SingleSliceSpec(spec=spec).is_slice_applicable(key) for spec in specs)
