# SPDX-License-Identifier: Apache-2.0
"""Records as tables to compute with, and as pictures: gaps, lists, bytes, several splits."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock import to_arrow, to_pandas
from penstock.components.base.artifact_types import Examples, InferenceResult
from penstock.orchestration.runners.views.examples_view import plain_cell
from penstock.orchestration.runners.views.html_page import html_fragment
from penstock.orchestration.runners.views.registry import view_of
from penstock.orchestration.runners.views.showing import views_of
from penstock.orchestration.runners.views.view import Wanted
from penstock.utils.errors import DataError

pa = pytest.importorskip("pyarrow")


@pytest.fixture(params=["parquet", pytest.param("tfrecord", marks=pytest.mark.heavy)])
def examples(tmp_path: Path, request: pytest.FixtureRequest) -> Examples:
    """Two splits of records with a gap, a list and HTML, in either payload format."""
    from penstock.components.ingest.examples_writer import write_examples
    from penstock.components.ingest.payload import PayloadFormat

    if request.param == "tfrecord":
        pytest.importorskip("tfx_bsl")
    schema = pa.schema(
        [("age", pa.int64()), ("city", pa.string()), ("words", pa.list_(pa.string()))]
    )

    def batch(rows: int) -> pa.RecordBatch:
        ages = [None if row == 1 else row for row in range(rows)]
        columns = [ages, [f"<b>{row}</b>" for row in range(rows)], [["a", "b"]] * rows]
        arrays = [pa.array(each, field.type) for each, field in zip(columns, schema, strict=True)]
        return pa.RecordBatch.from_arrays(arrays, schema=schema)

    artifact = Examples(str(tmp_path))
    write_examples(
        artifact, {"train": [batch(50)], "eval": [batch(5)]}, schema, PayloadFormat(request.param)
    )
    return artifact


def test_records_become_data_frames(examples: Examples) -> None:
    """If it fails, records cannot be computed with, or a gap or a split is lost."""
    everything = to_pandas(examples)
    assert everything["split"].value_counts().to_dict() == {"train": 50, "eval": 5}
    few = to_pandas(examples, split="train", limit=3, columns=["city", "age"])
    assert few.columns.tolist() == ["city", "age"] and few["city"].tolist()[0] == "<b>0</b>"
    assert few["age"].isna().tolist() == [False, True, False]
    assert to_arrow(examples, split="eval").num_rows == 5
    with pytest.raises(DataError, match="no split 'evil'") as caught:
        to_pandas(examples, split="evil")
    assert caught.value.suggestion == "eval"


def test_records_are_shown_beside_others(examples: Examples) -> None:
    """If it fails, transformed records cannot be held against raw ones."""
    page = html_fragment(*views_of([examples, examples], Wanted(["train"], limit=2)))
    assert page.count("&lt;b&gt;1&lt;/b&gt;") == 2 and "<b>1</b>" not in page
    assert page.count('<td class="none number">–</td>') == 2 and "[a, b]" in page
    assert "split eval" not in page


def test_predictions_are_tables(tmp_path: Path) -> None:
    """If it fails, what a model answered cannot be looked at."""
    import pyarrow.parquet as pq

    (tmp_path / "Split-eval").mkdir()
    table = pa.table({"age": [1, 2], "prediction": [0.25, 0.75]})
    pq.write_table(table, tmp_path / "Split-eval" / "predictions-00000-of-00001.parquet")
    result = InferenceResult(str(tmp_path))
    assert to_pandas(result, split="eval")["prediction"].sum() == 1.0
    page = html_fragment(view_of(result))
    assert page.index(">prediction<") < page.index(">age<") and "0.75" in page
    with pytest.raises(DataError, match="no predictions for split"):
        to_arrow(result, split="train")


def test_values_are_legible_whatever_they_are() -> None:
    """If it fails, images, long texts or vectors fill the page."""
    assert plain_cell(b"\x89PNG\r\n" + b"\xff" * 40).startswith("46 bytes: 89 50")  # type: ignore[union-attr]
    assert plain_cell("x" * 500) == "x" * 199 + "…"
    assert plain_cell([0.123456789] * 40) == "[" + "0.12346, " * 12 + "… (40 values)]"
    assert plain_cell([None, b"a"]) == "[–, a]" and plain_cell("Zürich".encode()) == "Zürich"
