# SPDX-License-Identifier: Apache-2.0
"""Complaints as Arrow record batches: which are kept, and what they are labelled."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from .columns import CATEGORIES, DISPUTED, LABEL, NARRATIVE, RESPONSE, UNANSWERED, ZIP_CODE


def labelled_schema(published: pa.Schema) -> pa.Schema:
    """The columns that are kept of a publication, and the label."""
    read = {*CATEGORIES, ZIP_CODE, NARRATIVE}
    kept = [field for field in published if field.name in read]
    return pa.schema([*kept, pa.field(LABEL, pa.int64())])


def labelled_rows(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """The answered complaints of a batch, with their label.

    Args:
        batch: Complaints as published.
        schema: What `labelled_schema` gave.
    """
    answered = pc.invert(pc.is_in(batch.column(RESPONSE), value_set=pa.array(UNANSWERED)))
    batch = batch.filter(answered)
    disputed = pc.fill_null(pc.equal(batch.column(DISPUTED), "Yes"), False)
    columns = [batch.column(field.name) for field in schema if field.name != LABEL]
    return pa.RecordBatch.from_arrays([*columns, disputed.cast(pa.int64())], schema=schema)
