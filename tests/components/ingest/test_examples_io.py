# SPDX-License-Identifier: Apache-2.0
"""Examples written and read in every payload format."""

from __future__ import annotations

import datetime
import decimal
import hashlib
from pathlib import Path
from typing import Any

import pytest

pa = pytest.importorskip("pyarrow")

from penstock.components.base.artifact_types import Examples  # noqa: E402
from penstock.components.ingest import examples_reader as reader  # noqa: E402
from penstock.components.ingest.examples_writer import write_examples  # noqa: E402
from penstock.components.ingest.list_columns import to_list_batch, to_plain_batch  # noqa: E402
from penstock.components.ingest.payload import PayloadFormat  # noqa: E402
from penstock.utils.errors import DataError  # noqa: E402

PAYLOADS = list(PayloadFormat)
needs_tfx_bsl = pytest.mark.usefixtures("tfx_bsl")


@pytest.fixture
def tfx_bsl() -> Any:
    """Skips where the `tf.Example` coder is not installed."""
    return pytest.importorskip("tfx_bsl")


def batch(rows: int = 5000) -> Any:
    """Records of all types that CSV files give, a third of them missing, some empty."""

    def holes(values: list[Any]) -> list[Any]:
        return [None if n % 3 == 2 else value for n, value in enumerate(values)]

    return pa.RecordBatch.from_pydict(
        {
            "n": pa.array(holes(list(range(rows))), pa.int64()),
            "x": pa.array(holes([n / 4 for n in range(rows)]), pa.float64()),
            "s": pa.array(holes(["é" * (n % 5) for n in range(rows)]), pa.string()),
            "b": pa.array(holes([n % 2 == 0 for n in range(rows)]), pa.bool_()),
            "full": pa.array(list(range(rows)), pa.int64()),
            "none": pa.array([None] * rows, pa.string()),
        }
    )


def write(folder: Path, payload: PayloadFormat, data: Any = None, pieces: int = 7) -> Examples:
    """An artifact with splits `train` and `eval`."""
    data = batch() if data is None else data
    step = max(1, data.num_rows // pieces)
    parts = [data.slice(at, step) for at in range(0, data.num_rows, step)]
    folder.mkdir()
    examples = Examples(str(folder))
    write_examples(examples, {"train": parts, "eval": [data.slice(0, 10)]}, data.schema, payload)
    return examples


@needs_tfx_bsl
@pytest.mark.parametrize("payload", PAYLOADS)
def test_round_trip(tmp_path: Path, payload: PayloadFormat) -> None:
    """A record is changed, lost or moved by writing and reading it."""
    examples = write(tmp_path / "a", payload)
    table = reader.read_table(examples, "train")
    wanted = batch().to_pydict()
    if payload is not PayloadFormat.PARQUET:
        wanted["b"] = [None if v is None else int(v) for v in wanted["b"]]
    assert table.to_pydict() == wanted
    assert reader.count_rows(examples, "train") == 5000
    examples.custom_properties.pop("row_counts")
    assert reader.count_rows(examples, "train") == 5000
    assert reader.read_table(examples, "eval", ["s", "n"]).column_names == ["s", "n"]


@needs_tfx_bsl
def test_list_batches_are_equal_whatever_the_payload(tmp_path: Path) -> None:
    """Statistics or features depend on the payload format."""
    tables = []
    for payload in PAYLOADS:
        examples = write(tmp_path / payload.value, payload)
        batches = list(reader.iter_tfdv_batches(examples, "train", 1000))
        assert all(b.num_rows <= 1000 for b in batches)
        table = pa.Table.from_batches(batches)
        table.validate(full=True)
        assert table.schema == reader.tfdv_schema(examples)
        tables.append(table.combine_chunks())
    assert tables[0].equals(tables[1]) and tables[0].equals(tables[2])
    assert tables[0]["s"].to_pylist()[:3] == [[b""], ["é".encode()], None]


@needs_tfx_bsl
@pytest.mark.parametrize("payload", PAYLOADS)
def test_bytes_do_not_depend_on_batches(tmp_path: Path, payload: PayloadFormat) -> None:
    """Equal records written in other batches differ on disk, so nothing can be reused."""
    digests = set()
    for pieces in (1, 3, 50):
        examples = write(tmp_path / str(pieces), payload, pieces=pieces)
        (path,) = reader.split_files(examples, "train")
        digests.add(hashlib.sha256(Path(path).read_bytes()).hexdigest())
    assert len(digests) == 1


@pytest.mark.heavy
@pytest.mark.parametrize("payload", [PayloadFormat.TFRECORD, PayloadFormat.TFRECORD_GZIP])
def test_tensorflow_reads_the_records(tmp_path: Path, payload: PayloadFormat) -> None:
    """TFRecord files are not what TensorFlow takes for them."""
    tf = pytest.importorskip("tensorflow")
    (path,) = reader.split_files(write(tmp_path / "a", payload), "train")
    kind = "GZIP" if path.endswith(".gz") else ""
    records = [record.numpy() for record in tf.data.TFRecordDataset(path, kind)]
    assert len(records) == 5000
    example = tf.train.Example.FromString(records[1])
    assert list(example.features.feature["x"].float_list.value) == [0.25]
    assert "x" not in tf.train.Example.FromString(records[2]).features.feature


@pytest.mark.heavy
def test_files_written_by_tensorflow(tmp_path: Path) -> None:
    """Examples that another program wrote, of unknown schema, cannot be read."""
    tf = pytest.importorskip("tensorflow")
    folder = tmp_path / "Split-all"
    folder.mkdir()
    with tf.io.TFRecordWriter(str(folder / "part-0.gz"), "GZIP") as writer:
        for n in range(3):
            feature = {"n": tf.train.Feature(int64_list=tf.train.Int64List(value=range(n)))}
            if n == 2:
                floats = tf.train.FloatList(value=[0.5])
                feature["x"] = tf.train.Feature(float_list=floats)
            features = tf.train.Features(feature=feature)
            writer.write(tf.train.Example(features=features).SerializeToString())
    examples = Examples(str(tmp_path))
    examples.splits = ["all"]
    table = reader.read_table(examples, "all")
    assert table.to_pydict() == {"n": [[], [0], [0, 1]], "x": [None, None, [0.5]]}


@needs_tfx_bsl
@pytest.mark.parametrize("payload", PAYLOADS)
def test_lists_stay_lists(tmp_path: Path, payload: PayloadFormat) -> None:
    """Features with several values are cut to the first."""
    data = pa.RecordBatch.from_pydict(
        {
            "n": pa.array([[1, 2], None, [], [3]], pa.list_(pa.int64())),
            "s": pa.array([["a"], ["b", "c"], None, []], pa.large_list(pa.binary())),
        }
    )
    table = reader.read_table(write(tmp_path / "a", payload, data), "train")
    assert table.to_pydict() == data.to_pydict()


@needs_tfx_bsl
def test_damaged_files(tmp_path: Path) -> None:
    """A file that was cut off or altered is read as far as it goes."""
    for payload in PAYLOADS:
        examples = write(tmp_path / payload.value, payload)
        path = Path(reader.split_files(examples, "train")[0])
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
        with pytest.raises(DataError, match=r"damaged|cannot be read"):
            reader.read_table(examples, "train")
    altered = write(tmp_path / "altered", PayloadFormat.TFRECORD)
    path = Path(reader.split_files(altered, "train")[0])
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="checksum"):
        reader.read_table(altered, "train")


def test_missing_things_are_named(tmp_path: Path) -> None:
    """A misspelt split or column gives a bare traceback."""
    examples = write(tmp_path / "a", PayloadFormat.PARQUET)
    with pytest.raises(DataError, match=r"did you mean: *eval"):
        reader.read_table(examples, "evla")
    with pytest.raises(DataError, match=r"did you mean: *full"):
        list(reader.iter_record_batches(examples, "train", columns=["ful"]))
    Path(reader.split_files(examples, "eval")[0]).unlink()
    with pytest.raises(DataError, match="split 'eval' has no files"):
        reader.read_table(examples, "eval")


def test_splits_without_records(tmp_path: Path) -> None:
    """A split that got no record cannot be read."""
    examples = write(tmp_path / "a", PayloadFormat.PARQUET, batch(1).slice(0, 0))
    assert reader.read_table(examples, "train").num_rows == 0


def test_list_columns_of_other_types() -> None:
    """Types that Parquet files of others bring cannot become features."""
    day = datetime.date(2015, 3, 19)
    data = pa.RecordBatch.from_pydict(
        {
            "dictionary": pa.array(["a", None, "a"]).dictionary_encode(),
            "date": pa.array([day, None, day], pa.date32()),
            "decimal": pa.array([decimal.Decimal("1.5"), None, None], pa.decimal128(5, 2)),
            "small": pa.array([1, None, 3], pa.int8()),
            "floats": pa.array([[0.5, 1.5], None, []], pa.list_(pa.float64())),
        }
    )
    for view in (
        data,
        pa.RecordBatch.from_arrays(
            [pa.concat_arrays([c, c]) for c in data.columns], schema=data.schema
        ).slice(3),
    ):
        lists = to_list_batch(view)
        lists.validate(full=True)
        assert lists.to_pydict() == {
            "dictionary": [[b"a"], None, [b"a"]],
            "date": [[b"2015-03-19"], None, [b"2015-03-19"]],
            "decimal": [[1.5], None, None],
            "small": [[1], None, [3]],
            "floats": [[0.5, 1.5], None, []],
        }
    plain = pa.schema([("small", pa.int64()), ("floats", pa.float32())])
    assert to_plain_batch(to_list_batch(data), plain).to_pydict() == {
        "small": [1, None, 3],
        "floats": [0.5, None, None],
    }
    with pytest.raises(DataError, match="cannot become features"):
        to_list_batch(pa.RecordBatch.from_pydict({"s": pa.array([{"a": 1}])}))
