# SPDX-License-Identifier: Apache-2.0
"""`ExampleValidator`: anomalies found, kept, shown, and the gate."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from penstock.components.validate.anomaly_table import Anomaly, render_table
from penstock.components.validate.example_validator import ExampleValidator
from penstock.utils.errors import GateError

SCHEMA = """
feature { name: "s" type: BYTES domain: "s" presence { min_fraction: 1.0 min_count: 1 }
          shape { dim { size: 1 } } }
feature { name: "gone" type: INT presence { min_fraction: 1.0 min_count: 1 } }
string_domain { name: "s" value: "a" value: "b" }
"""
GOOD = {"s": ["a", "b"] * 10, "gone": [1, 2] * 10}
BAD = {"s": ["a", "z"] * 10}


@pytest.mark.heavy
def test_anomalies_are_kept_by_split(
    execute: Any, statistics: Any, schema_of: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Anomalies are not found, not where TFX puts them, or stop the run unasked."""
    tfdv = pytest.importorskip("tensorflow_data_validation")
    with caplog.at_level(logging.WARNING):
        found = execute(
            ExampleValidator,
            {"statistics": statistics(train=BAD, eval=BAD), "schema": schema_of(SCHEMA)},
        )["anomalies"]
    assert found.splits == ["train", "eval"] and found.span == 3
    anomalies = tfdv.load_anomalies_text  # TFDV reads anomalies from text only
    assert callable(anomalies)
    from penstock.components.validate.statistics_file import read_anomalies

    assert set(read_anomalies(found, "train").anomaly_info) == {"s", "gone"}
    assert json.loads(found.custom_properties["blessed"]) == {"train": 0, "eval": 0}
    assert "4 anomalies (2 in train, 2 in eval)" in caplog.text and "gone" in caplog.text


@pytest.mark.heavy
def test_gate_names_each_anomaly(execute: Any, statistics: Any, schema_of: Any) -> None:
    """Bad data passes, or the message does not say what is wrong with it."""
    inputs = {"statistics": statistics(train=BAD), "schema": schema_of(SCHEMA)}
    with pytest.raises(GateError, match="2 anomalies") as raised:
        execute(ExampleValidator, inputs, fail_on_anomalies=True)
    text = str(raised.value)
    for part in ("ExampleValidator:", "train", "gone", "Column dropped", "error", "z", "fix" * 0):
        assert part in text
    assert "Unexpected string values" in text


@pytest.mark.heavy
def test_good_data_passes_the_gate(execute: Any, statistics: Any, schema_of: Any) -> None:
    """Data that fits the schema is stopped."""
    inputs = {"statistics": statistics(train=GOOD), "schema": schema_of(SCHEMA)}
    found = execute(ExampleValidator, inputs, fail_on_anomalies=True)["anomalies"]
    assert json.loads(found.custom_properties["blessed"]) == {"train": 1}


@pytest.mark.heavy
def test_environment_leaves_features_out(execute: Any, statistics: Any, schema_of: Any) -> None:
    """Serving data is expected to have labels."""
    text = SCHEMA.replace('name: "gone"', 'name: "gone" not_in_environment: "SERVING"')
    text += 'default_environment: "TRAINING" default_environment: "SERVING"'
    inputs = {"statistics": statistics(train={"s": ["a"]}), "schema": schema_of(text)}
    execute(ExampleValidator, inputs, fail_on_anomalies=True, environment="SERVING")
    with pytest.raises(GateError, match="1 anomaly"):
        execute(ExampleValidator, inputs, fail_on_anomalies=True, environment="TRAINING")


@pytest.mark.heavy
def test_split_without_records_is_an_anomaly(execute: Any, statistics: Any, schema_of: Any) -> None:
    """An empty split counts as good data."""
    found = statistics(train=GOOD, eval={"s": [], "gone": []})
    with pytest.raises(GateError, match="in eval"):
        execute(
            ExampleValidator,
            {"statistics": found, "schema": schema_of(SCHEMA)},
            fail_on_anomalies=True,
        )


def test_table_shows_the_gravest_first() -> None:
    """The anomaly table cannot be read."""
    table = render_table(
        [
            Anomaly("train", "a", "warning", "Odd", "A little odd."),
            Anomaly("eval", "long name", "error", "Dropped", "Column is gone."),
        ]
    )
    assert table.splitlines() == [
        "severity  split  feature    anomaly  description",
        "--------  -----  ---------  -------  -----------",
        "error     eval   long name  Dropped  Column is gone.",
        "warning   train  a          Odd      A little odd.",
    ]
