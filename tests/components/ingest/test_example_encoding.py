# SPDX-License-Identifier: Apache-2.0
"""The vectorised `tf.Example` encoder against tfx_bsl's decoder."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pa = pytest.importorskip("pyarrow")
coder = pytest.importorskip("tfx_bsl.coders.example_coder")

from penstock.components.ingest.example_encoding import encode_examples  # noqa: E402
from penstock.components.ingest.list_columns import to_list_batch  # noqa: E402

INT64 = st.integers(-(2**63), 2**63 - 1)
#: tfx_bsl's decoder ends names at NUL.
NAMED = st.characters(codec="utf-8", exclude_characters="\0")
VALUES = {
    "int": (pa.int64(), INT64 | st.integers(-130, 300)),
    "float": (pa.float32(), st.floats(width=32, allow_nan=False)),
    "bytes": (pa.binary(), st.binary(max_size=300)),
}


@st.composite
def batches(draw: st.DrawFn) -> Any:
    """Record batches with plain and list columns of every kind, with holes."""
    rows = draw(st.integers(1, 6))
    columns = {}
    for number in range(draw(st.integers(1, 4))):
        kind, values = VALUES[draw(st.sampled_from(sorted(VALUES)))]
        many = draw(st.booleans())
        cell = st.lists(values, max_size=4) if many else values
        cells = draw(st.lists(st.none() | cell, min_size=rows, max_size=rows))
        name = draw(st.text(NAMED, max_size=150 if number == 0 else 5)) + str(number)
        columns[name] = pa.array(cells, pa.list_(kind) if many else kind)
    start = draw(st.integers(0, rows - 1))
    return pa.RecordBatch.from_pydict(columns).slice(start)


@settings(max_examples=100, deadline=None)
@given(batches())
def test_decoder_gives_back_what_was_encoded(batch: Any) -> None:
    """A `tf.Example` is not the record that it was made from."""
    records = encode_examples(batch).to_pylist()
    decoded = coder.ExamplesToRecordBatchDecoder().DecodeBatch(records)
    for name, column in to_list_batch(batch).to_pydict().items():
        missing: list[Any] = [None] * batch.num_rows
        # A feature without any value has no type: the decoder cannot tell it from a missing one.
        empty = all(not cell for cell in column)
        if name in decoded.schema.names and not empty:
            assert decoded.to_pydict()[name] == column
        else:
            assert empty or column == missing


def test_record_without_any_value() -> None:
    """Records in which everything is missing are lost."""
    batch = pa.RecordBatch.from_pydict({"a": pa.array([None, 1], pa.int64()), "b": pa.nulls(2)})
    first, second = encode_examples(batch).to_pylist()
    assert first == b"\x0a\x00"
    decoded = coder.ExamplesToRecordBatchDecoder().DecodeBatch([first, second])
    assert decoded.to_pydict() == {"a": [None, [1]]}
    nothing = encode_examples(pa.RecordBatch.from_pydict({"b": pa.nulls(1)}))
    assert nothing.to_pylist() == [b"\x0a\x00"]
