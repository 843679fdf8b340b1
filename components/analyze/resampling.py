# SPDX-License-Identifier: Apache-2.0
"""Confidence intervals: the same metrics of many samples of the rows, as TFMA takes them.

Jackknife: rows are dealt into buckets, and each sample is all rows but one bucket's.
Poisson bootstrap: in each sample a row counts as often as chance says, once on average.
See https://www.tensorflow.org/tfx/model_analysis/metrics#confidence_intervals.

Chance is that of a generator with a fixed seed, so that equal inputs give equal intervals.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from tensorflow_model_analysis.evaluators import (
    confidence_intervals_util,
    jackknife,
    poisson_bootstrap,
)
from tensorflow_model_analysis.metrics import metric_specs
from tensorflow_model_analysis.proto import config_pb2

_Rows = npt.NDArray[np.int64]

#: Samples, as many as TFMA takes.
SAMPLES = 20
#: Number of the sample that holds every row once.
FULL = -1


class Resampling(Protocol):
    """How samples are made of parts, for each of which metrics accumulate on their own."""

    #: Numbers of the samples; `FULL` is one of them.
    samples: Sequence[int]

    def deal(self, rows: int) -> None:
        """Draws for the next batch of this many rows."""

    def parts(self, members: _Rows) -> Iterator[tuple[int, _Rows]]:
        """(number of the part, its rows) for some rows of the batch."""

    def made_of(self, sample: int, parts: Iterable[int]) -> list[int]:
        """Which of the parts make up a sample."""

    def combine(self, metrics: Mapping[int, dict[Any, Any]]) -> dict[Any, Any]:
        """Metrics with their spread, of those of the samples by number."""


class NoResampling:
    """All rows are the one sample."""

    samples: Sequence[int] = (FULL,)

    def deal(self, rows: int) -> None:
        """See `Resampling`."""

    def parts(self, members: _Rows) -> Iterator[tuple[int, _Rows]]:
        """See `Resampling`."""
        yield 0, members

    def made_of(self, sample: int, parts: Iterable[int]) -> list[int]:
        """See `Resampling`."""
        del sample
        return list(parts)

    def combine(self, metrics: Mapping[int, dict[Any, Any]]) -> dict[Any, Any]:
        """See `Resampling`."""
        return metrics[FULL]


class Jackknife:
    """Each sample leaves one bucket out."""

    samples: Sequence[int] = (FULL, *range(SAMPLES))

    def __init__(self, skipped: Any) -> None:
        self._random = np.random.RandomState(0)
        self._combiner = jackknife._JackknifeSampleCombineFn(SAMPLES, skipped)
        self._full = jackknife._FULL_SAMPLE_ID
        self._buckets: _Rows = np.zeros(0, np.int64)

    def deal(self, rows: int) -> None:
        """See `Resampling`."""
        self._buckets = self._random.randint(SAMPLES, size=rows)

    def parts(self, members: _Rows) -> Iterator[tuple[int, _Rows]]:
        """See `Resampling`."""
        buckets = self._buckets[members]
        for bucket in np.unique(buckets):
            yield int(bucket), members[buckets == bucket]

    def made_of(self, sample: int, parts: Iterable[int]) -> list[int]:
        """See `Resampling`."""
        return [part for part in parts if part != sample]

    def combine(self, metrics: Mapping[int, dict[Any, Any]]) -> dict[Any, Any]:
        """See `Resampling`."""
        return _combined(self._combiner, self._full, metrics)


class PoissonBootstrap:
    """Each sample draws rows with replacement."""

    samples: Sequence[int] = (FULL, *range(SAMPLES))

    def __init__(self, skipped: Any) -> None:
        self._random = np.random.RandomState(0)
        self._combiner = poisson_bootstrap._BootstrapSampleCombineFn(SAMPLES, skipped)
        self._full = poisson_bootstrap._FULL_SAMPLE_ID
        self._counts: _Rows = np.zeros((SAMPLES, 0), np.int64)

    def deal(self, rows: int) -> None:
        """See `Resampling`."""
        self._counts = self._random.poisson(1, size=(SAMPLES, rows))

    def parts(self, members: _Rows) -> Iterator[tuple[int, _Rows]]:
        """See `Resampling`."""
        yield FULL, members
        for sample in range(SAMPLES):
            drawn = np.repeat(members, self._counts[sample][members])
            if len(drawn):
                yield sample, drawn

    def made_of(self, sample: int, parts: Iterable[int]) -> list[int]:
        """See `Resampling`."""
        return [part for part in parts if part == sample]

    def combine(self, metrics: Mapping[int, dict[Any, Any]]) -> dict[Any, Any]:
        """See `Resampling`."""
        return _combined(self._combiner, self._full, metrics)


def resampling_for(config: Any) -> Resampling:
    """What an EvalConfig, completed with TFMA's defaults, asks for."""
    options = config.options
    if not options.compute_confidence_intervals.value:
        return NoResampling()
    skipped = metric_specs.metric_keys_to_skip_for_confidence_intervals(
        list(config.metrics_specs), eval_config=config
    )
    kinds = config_pb2.ConfidenceIntervalOptions
    if options.confidence_intervals.method == kinds.POISSON_BOOTSTRAP:
        return PoissonBootstrap(skipped)
    return Jackknife(skipped)


def _combined(combiner: Any, full: int, metrics: Mapping[int, dict[Any, Any]]) -> dict[Any, Any]:
    accumulator = combiner.create_accumulator()
    for sample, found in metrics.items():
        number = full if sample == FULL else sample
        accumulator = combiner.add_input(
            accumulator, confidence_intervals_util.SampleMetrics(metrics=found, sample_id=number)
        )
    result: dict[Any, Any] = combiner.extract_output(accumulator)
    return result
