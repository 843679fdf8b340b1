# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.model_servers import SCHEMA, Served, save_constant

from penstock.components.base.artifact_types import Examples, ExampleStatistics
from penstock.components.base.channel import Channel
from penstock.components.base.component import Component
from penstock.components.base.executor import Task
from penstock.components.ingest.input_config import InputConfig, InputSplit
from penstock.components.ingest.parquet_example_gen import ParquetExampleGen
from penstock.components.serve.prediction_log import PredictionLog
from penstock.components.serve.server_settings import LogSettings
from penstock.components.validate.distribution_validator import DistributionValidator
from penstock.components.validate.statistics_gen import StatisticsGen
from penstock.utils.errors import GateError
from penstock.utils.module_loading import load_object


def batch(**columns: list[Any]) -> pa.RecordBatch:
    """Columns as a batch."""
    arrays = [pa.array(values) for values in columns.values()]
    return pa.RecordBatch.from_arrays(arrays, names=list(columns))


def files(folder: Path) -> list[Path]:
    """The log's files, in order."""
    return sorted(folder.glob("m/*/*.parquet"))


def test_a_record_has_features_answer_version_and_time(tmp_path: Path) -> None:
    """If it fails, what was answered cannot be told from the log."""
    log = PredictionLog("m", LogSettings(str(tmp_path)))
    before = int(time.time() * 1000)
    asked = batch(a=[1, 2], prediction=["x", "y"])
    log.offer(asked, batch(prediction=[0.5, 0.25], score=[[1.0], [2.0]]), "7")
    log.close()
    (path,) = files(tmp_path)
    assert path.parent.name == time.strftime("%Y-%m-%d", time.gmtime())
    first, second = pq.read_table(path).to_pylist()
    assert before <= first.pop("served_at_ms") <= time.time() * 1000
    assert first == {
        "a": 1, "prediction": "x", "prediction_": 0.5, "prediction_score": [1.0],
        "model_version": "7",
    }  # fmt: skip
    assert second["prediction_"] == 0.25
    assert log.written == 2


def test_files_have_one_schema_whatever_values_were_sent(tmp_path: Path) -> None:
    """If it fails, a day's files cannot be ingested together."""
    log = PredictionLog("m", LogSettings(str(tmp_path)))
    for values in ([1], [2.5], [None], [7]):
        log.offer(batch(a=values), batch(prediction=[1.0]), "1", frozenset({"a"}))
    log.offer(batch(a=[1], b=[1]), batch(prediction=[1.0]), "2")
    log.close()
    first, second = files(tmp_path)
    assert pq.read_table(first)["a"].to_pylist() == [1.0, 2.5, None, 7.0]
    assert pq.read_schema(second).names[:2] == ["a", "b"]


def test_a_sample_is_kept(tmp_path: Path) -> None:
    """If it fails, the log is larger than was asked for, or one-sided."""
    log = PredictionLog("m", LogSettings(str(tmp_path), sample=0.25))
    for _ in range(20):
        log.offer(batch(a=list(range(100))), batch(prediction=[0.0] * 100), "1")
    log.close()
    assert log.written + log.skipped == 2000
    assert 350 < log.written < 650
    values = pq.read_table(files(tmp_path)[0])["a"].to_pylist()
    assert 35 < sum(values) / len(values) < 65


def test_files_are_rotated_and_the_oldest_deleted(tmp_path: Path) -> None:
    """If it fails, the log fills the disk."""
    settings = LogSettings(str(tmp_path), max_mib=1, file_rows=1000)
    log = PredictionLog("m", settings)
    numbers = random.Random(0)
    for _ in range(12):
        noise = [numbers.random() for _ in range(30_000)]
        log.offer(batch(a=noise), batch(prediction=[0.0] * 30_000), "1")
    log.close()
    assert log.written == 360_000
    kept = files(tmp_path)
    assert 1 <= len(kept) < 12
    assert sum(path.stat().st_size for path in kept) < 2**20
    assert kept[-1].name.endswith("-000012.parquet")
    assert not list(tmp_path.glob("m/*/.*"))


def test_a_log_that_cannot_be_written_is_counted(tmp_path: Path) -> None:
    """If it fails, a full disk stops the answers, or goes unnoticed."""
    log = PredictionLog("m", LogSettings(str(tmp_path)))
    day = tmp_path / "m" / time.strftime("%Y-%m-%d", time.gmtime())
    day.write_text("in the way")
    log.offer(batch(a=[1, 2, 3]), batch(prediction=[1, 2, 3]), "1")
    log.close()
    assert (log.written, log.dropped) == (0, 3)


def run(node: Component, folder: Path, inputs: dict[str, Any]) -> dict[str, Any]:
    """Runs a node's executor, as the launcher would; gives its outputs."""
    outputs = {}
    for name, channel in node.outputs.items():
        (folder / name).mkdir(parents=True)
        outputs[name] = [channel.type(str(folder / name))]
    (folder / "work").mkdir()
    load_object(node.executor)().execute(
        Task(
            inputs=inputs,
            outputs=outputs,
            parameters=node.parameters,
            work_dir=str(folder / "work"),
        )
    )
    return {name: found[0] for name, found in outputs.items()}


@pytest.mark.heavy
@pytest.mark.slow
def test_what_was_asked_comes_back_as_examples_and_its_drift_is_found(
    serve: Callable[..., Served], tmp_path: Path
) -> None:
    """If it fails, nobody notices that a model is asked about another world than it knows."""
    trained = tmp_path / "trained.parquet"
    numbers = random.Random(1)
    rows = [{"amount": 100 * numbers.random(), "count": numbers.randrange(9)} for _ in range(600)]
    table = pa.Table.from_pylist(rows).cast(
        pa.schema([("amount", pa.float32()), ("count", pa.float32())])
    )
    pq.write_table(table, trained)
    (tmp_path / "schema.pbtxt").write_text(SCHEMA)
    save_constant(tmp_path / "models" / "1", 1.0)
    served = serve(
        tmp_path / "models",
        schema=str(tmp_path / "schema.pbtxt"),
        log=LogSettings(str(tmp_path / "log"), file_seconds=0.3),
    )
    for start in range(0, 600, 60):
        part = [{**row, "amount": row["amount"] + 400} for row in rows[start : start + 60]]
        assert served.call("/v1/models/m:predict", {"instances": part})[0] == 200
    served.process.stop()
    assert sum(pq.read_metadata(path).num_rows for path in files(tmp_path / "log")) == 600

    by_day = InputConfig(splits=[InputSplit(name="all", pattern="{YYYY}-{MM}-{DD}/*.parquet")])
    asked = run(
        ParquetExampleGen(input_base=str(tmp_path / "log" / "m"), input_config=by_day),
        tmp_path / "asked", {},
    )["examples"]  # fmt: skip
    assert asked.span in (int(time.time() // 86_400), int(time.time() // 86_400) - 1)
    whole = InputConfig(splits=[InputSplit(name="all", pattern="trained.parquet")])
    known = run(
        ParquetExampleGen(input_base=str(tmp_path), input_config=whole), tmp_path / "known", {}
    )["examples"]
    statistics = {}
    for name, examples in {"asked": asked, "known": known}.items():
        node = StatisticsGen(examples=Channel(Examples))
        made = run(node, tmp_path / f"statistics-{name}", {"examples": [examples]})
        statistics[name] = [made["statistics"]]
    wanted = [
        {"path": name, "distribution_comparator": {"jensen_shannon_divergence": 0.1}}
        for name in ("amount", "count")
    ]
    validator = DistributionValidator(
        statistics=Channel(ExampleStatistics),
        baseline_statistics=Channel(ExampleStatistics),
        config={"default_slice_config": {"feature": wanted}},
        include_split_pairs=[("train", "train")],
        fail_on="errors",
    )
    inputs = {"statistics": statistics["asked"], "baseline_statistics": statistics["known"]}
    with pytest.raises(GateError, match="1 anomaly") as failure:
        run(validator, tmp_path / "drift", inputs)
    assert "amount" in (failure.value.got or "") and "count" not in (failure.value.got or "")
