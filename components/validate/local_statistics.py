# SPDX-License-Identifier: Apache-2.0
"""Statistics in one process, without a Beam pipeline.

Records stream through TFDV's combiners batch by batch, so memory holds one batch and the
combiners' sketches: a set of them for each slice.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import tensorflow_data_validation as tfdv
from tensorflow_data_validation.statistics import stats_impl
from tensorflow_data_validation.utils import slicing_util
from tensorflow_metadata.proto.v0 import statistics_pb2

#: Whatever is drawn at random is drawn with this seed, so that equal data has equal
#: statistics.
SEED = 20150319

#: Gives the slices that the records of a batch belong to; None names what is not sliced.
Slicer = Callable[[pa.RecordBatch], Iterable[tuple[str | None, pa.RecordBatch]]]


def compute_statistics(
    batches: Iterable[pa.RecordBatch], options: tfdv.StatsOptions, schema: pa.Schema
) -> Any:
    """Statistics of list-typed batches, as a `DatasetFeatureStatisticsList`.

    Args:
        batches: The records.
        options: TFDV's options.
        schema: Schema of the batches, for the case that there are none.
    """
    generators = stats_impl.get_generators(options, in_memory=True)
    for generator in generators:
        generator.setup()
    slicer = _slicer(options)
    partials: dict[str | None, list[Any]] = {}
    with seeded():
        for batch in batches:
            _add(generators, partials, slicer(batch))
        if not partials:
            none = pa.RecordBatch.from_arrays(
                [pa.array([], field.type) for field in schema], schema=schema
            )
            _add(generators, partials, slicer(none))
    found = statistics_pb2.DatasetFeatureStatisticsList()
    for key, partial in partials.items():
        of_slice = stats_impl.extract_statistics_output(partial, generators)
        for dataset in of_slice.datasets:
            dataset.name = key or dataset.name
        found.datasets.extend(of_slice.datasets)
    return found


def _add(
    generators: list[Any],
    partials: dict[str | None, list[Any]],
    slices: Iterable[tuple[str | None, pa.RecordBatch]],
) -> None:
    for key, batch in slices:
        if key not in partials:
            partials[key] = [generator.create_accumulator() for generator in generators]
        partials[key] = [
            generator.add_input(partial, batch)
            for generator, partial in zip(generators, partials[key], strict=True)
        ]


def _slicer(options: tfdv.StatsOptions) -> Slicer:
    functions, queries = None, options.experimental_slice_sqls
    if options.slicing_config is not None:
        functions, queries = slicing_util.convert_slicing_config_to_slice_functions_and_sqls(
            options.slicing_config
        )
    if functions:
        all_functions = [slicing_util.default_slicer, *functions]
        return lambda batch: slicing_util.generate_slices(batch, all_functions)
    if queries:
        slices = slicing_util.GenerateSlicesSqlDoFn(slice_sqls=queries)
        slices.setup()
        return lambda batch: slices.process(batch)
    return lambda batch: [(None, batch)]


@contextmanager
def seeded() -> Iterator[None]:
    """Makes what TFDV and Beam draw in this process the same every time."""
    state = random.getstate()
    random.seed(SEED)
    try:
        yield
    finally:
        random.setstate(state)
