# SPDX-License-Identifier: Apache-2.0
"""Three real months of complaints as three spans, and a fourth that was corrupted."""

from __future__ import annotations

import csv
import gzip
import io
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import penstock.pipelines.consumer_complaints as complaints
from penstock import (
    Channel,
    CsvExampleGen,
    ExampleStatistics,
    ExampleValidator,
    ImportSchemaGen,
    InputConfig,
    InputSplit,
    LocalRunner,
    MetadataStore,
    Pipeline,
    RangeConfig,
    Resolver,
    SchemaGen,
    StaticRange,
    StatisticsGen,
)
from penstock.components.control.strategies import PreviousSpanStrategy
from penstock.components.validate.anomaly_report import AnomalyReport, read_report
from penstock.pipelines.consumer_complaints.columns import LABEL, ZIP_CODE
from penstock.pipelines.consumer_complaints.labelling import label

pytestmark = [pytest.mark.heavy, pytest.mark.slow]

DATA = Path(complaints.__file__).parent / "data"
DISPUTED = "Consumer disputed?"
Rows = list[dict[str, str]]

COMPARATORS = {
    "default": {"infinity_norm": 0.05, "jensen_shannon_divergence": 0.1},
    "num_examples": {"min_fraction_threshold": 0.5, "max_fraction_threshold": 2},
}


class Months:
    """A pipeline that reads one month a run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.data.mkdir()

    def add(self, span: int, change: Callable[[Rows], Rows] | None = None, like: int = 0) -> None:
        """Puts a month's file there, changed or as it is."""
        source = (DATA / f"span-{like or span}.csv.gz").read_bytes()
        if change is not None:
            rows = change(list(csv.DictReader(io.StringIO(gzip.decompress(source).decode()))))
            text = io.StringIO()
            writer = csv.DictWriter(text, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
            source = gzip.compress(text.getvalue().encode(), mtime=0)
        (self.data / f"span-{span}.csv.gz").write_bytes(source)

    def run(self, span: int, fail_on: str = "never") -> Any:
        """Runs the pipeline on one month."""
        ingested = CsvExampleGen(
            input_base=str(self.data),
            input_config=InputConfig(splits=[InputSplit(name="all", pattern="span-{SPAN}.csv.gz")]),
            range_config=RangeConfig(
                static_range=StaticRange(start_span_number=span, end_span_number=span)
            ),
            column_types={ZIP_CODE: "string"},
        )
        labelled = label(examples=ingested.outputs["examples"])
        statistics = StatisticsGen(examples=labelled.outputs["labelled"])
        previous = (
            Resolver(
                strategy=PreviousSpanStrategy,
                config={"validated": True},
                statistics=Channel(ExampleStatistics),
            )
            .excluding(statistics.outputs["statistics"])
            .with_id("Previous")
        )
        curated = self.folder / "schema.pbtxt"
        schema: Any = (
            ImportSchemaGen(schema_file=str(curated), statistics=statistics.outputs["statistics"])
            if curated.exists()
            else SchemaGen(statistics=statistics.outputs["statistics"], infer_feature_shape=False)
        )
        validator = ExampleValidator(
            statistics=statistics.outputs["statistics"],
            schema=schema.outputs["schema"],
            previous_statistics=previous.outputs["statistics"],
            drift_comparators=COMPARATORS,
            label=LABEL,
            fail_on=fail_on,
        )
        pipeline = Pipeline(
            "months",
            str(self.folder / "root"),
            [ingested, labelled, statistics, previous, schema, validator],
        )
        result = LocalRunner().run(pipeline)
        if not curated.exists():
            (made,) = self.outputs(result.run.id, "SchemaGen")["schema"]
            # The first month was looked at: from now on it says what is expected.
            curated.write_text(Path(made.path("schema.pbtxt")).read_text())
        return result

    def outputs(self, run_id: str, node: str) -> Any:
        """What a node put out."""
        with MetadataStore(str(self.folder / "root" / "metadata.sqlite")) as store:
            execution = store.node_execution(run_id, node)
            assert execution is not None
            return store.outputs_of(execution.id)

    def report(self, run_id: str) -> AnomalyReport:
        """What the validator reported."""
        return read_report(self.outputs(run_id, "ExampleValidator")["anomalies"][0])


@pytest.fixture(scope="module")
def months(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Months]:
    """January and February have been read."""
    made = Months(tmp_path_factory.mktemp("months"))
    for span in (1, 2):
        made.add(span)
        assert made.run(span).succeeded
    yield made


def test_march_against_february(months: Months) -> None:
    """The drift report of a real month says nothing, or something wrong."""
    months.add(3)
    result = months.run(3)
    assert result.succeeded
    report = months.report(result.run.id)
    assert report.title == "ExampleValidator: span 3 against span 2 and the schema"
    in_train = {a.feature: a for a in report.anomalies if a.split == "train"}
    # The publication ends in the middle of March: there are far fewer complaints.
    assert in_train["(whole split)"].short.startswith("Low num examples")
    # Credit reporting has gained, mortgages have lost: so say the files themselves.
    shares = {span: product_shares(span) for span in (2, 3)}
    assert shares[3]["Credit reporting"] - shares[2]["Credit reporting"] > 0.05
    assert shares[2]["Mortgage"] - shares[3]["Mortgage"] > 0.03
    product = in_train["Product"]
    assert product.short == "High Linfty distance between current and previous"
    changes = product.long.partition("Largest changes")[2]
    assert "Credit reporting 1" in changes and "Mortgage 2" in changes
    assert {(c.split, c.feature) for c in report.charts} >= {("train", "Product")}
    # ZIP codes, of which there are thousands, are no drift; nor are labels, a little rarer.
    drifted = {a.feature for a in report.anomalies if a.short.startswith("High ")}
    assert ZIP_CODE not in drifted and LABEL not in drifted


def product_shares(span: int) -> dict[str, float]:
    """Shares of products, counted without Penstock."""
    with gzip.open(DATA / f"span-{span}.csv.gz", "rt", encoding="utf-8") as file:
        rows = [
            row["Product"]
            for row in csv.DictReader(file)
            if row["Company response"] not in ("In progress", "Untimely response")
        ]
    return {each: rows.count(each) / len(rows) for each in set(rows)}


def corrupted(rows: Rows) -> Rows:
    """A category is renamed, a column is dropped, labels are flipped to 70/30."""
    draw = random.Random(4)
    for row in rows:
        row["Product"] = row["Product"].replace("Mortgage", "Home loan")
        row[DISPUTED] = "Yes" if draw.random() < 0.7 else ""
        del row["State"]
    return rows


def test_corrupted_month_is_stopped(months: Months) -> None:
    """A corrupted month reaches training, or the message does not name what is wrong."""
    months.add(4, corrupted, like=2)
    result = months.run(4, fail_on="errors")
    assert not result.succeeded
    error = str(result.outcomes["ExampleValidator"].error)
    lines = [line.strip() for line in error.splitlines()]
    for split in ("train", "eval"):
        of_split = [line for line in lines if line.startswith(f"error     {split}")]
        assert any("Product" in li and "Home loan" in li for li in of_split), error
        assert any("State" in li and "Column dropped" in li for li in of_split), error
        flipped = [li for li in of_split if "Label distribution has changed" in li]
        assert len(flipped) == 1 and LABEL in flipped[0], error
        assert "share of label '1' is " in flipped[0], error
        assert re.search(r"is (69|7[01])\.\d% now and 1\d\.\d%", flipped[0]), error
    assert "because fail_on is 'errors'" in error


def test_stopped_month_can_be_looked_at(
    months: Months, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a gate refused left nothing to look at."""
    import click

    from penstock.orchestration.commands.anomalies_commands import anomalies_group

    months.add(5, corrupted, like=1)
    result = months.run(5, fail_on="errors")
    store, page = str(months.folder / "root" / "metadata.sqlite"), tmp_path / "report.html"
    arguments = ["show", result.run.id, "--metadata", store, "--html", str(page)]
    with pytest.raises(SystemExit) as ended:
        click.Group.main(anomalies_group, arguments)
    assert ended.value.code == 0
    assert "Home loan" in capsys.readouterr().out
    text = page.read_text()
    assert "Home loan ⚠" in text and "previous: span 3 (train)" in text
    with pytest.raises(SystemExit):
        click.Group.main(
            anomalies_group, ["show", "ExampleAnomalies", "--metadata", store, "--json"]
        )
    assert AnomalyReport.from_json(capsys.readouterr().out).title.startswith("ExampleValidator")
