# SPDX-License-Identifier: Apache-2.0
"""A share of the records, drawn alike in every run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa

_SEED = 20150319


def sample(batches: Iterable[pa.RecordBatch], rate: float) -> Iterator[pa.RecordBatch]:
    """A share of the records, the same ones in every run and however they are batched."""
    generator = np.random.default_rng(_SEED)
    for batch in batches:
        yield batch.filter(pa.array(generator.random(batch.num_rows) < rate))
