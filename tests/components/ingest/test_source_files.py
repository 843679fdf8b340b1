# SPDX-License-Identifier: Apache-2.0
"""Which files are read: patterns, spans, versions, ranges."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest

from penstock.components.ingest.csv_example_gen import CsvExampleGen
from penstock.components.ingest.input_config import InputConfig, RangeConfig
from penstock.components.ingest.source_files import (
    external_inputs,
    pinned_sources,
    resolve_sources,
)
from penstock.utils.errors import DataError, ParameterError


def make(folder: Path, *names: str) -> str:
    """Creates files, and returns the folder's path."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x\n1\n")
    return str(folder)


def config(**patterns: str) -> InputConfig:
    """An input configuration with these splits."""
    return InputConfig.model_validate(
        {"splits": [{"name": name, "pattern": pattern} for name, pattern in patterns.items()]}
    )


def names(files: list[str]) -> list[str]:
    """The last parts of paths."""
    return [Path(path).name for path in files]


def test_all_files_of_a_folder(tmp_path: Path) -> None:
    """Hidden or unfinished files are read, or order is left to the file system."""
    base = make(tmp_path, "b.csv", "a.csv", ".hidden", "_SUCCESS", "sub/c.csv")
    found = resolve_sources(base)
    assert names(found.files) == ["a.csv", "b.csv"]
    assert (found.span, found.version) == (0, 0)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.csv", ["a.csv", "b.csv"]),
        ("[!a].csv", ["b.csv"]),
        ("?.csv", ["a.csv", "b.csv"]),
        ("**", ["a.csv", "b.csv", "x.txt", "c.csv", "d.csv"]),
        ("**/*.csv", ["a.csv", "b.csv", "c.csv", "d.csv"]),
        ("sub/**", ["c.csv", "d.csv"]),
        ("sub/deep/d.csv", ["d.csv"]),
        ("*/*.csv", ["c.csv"]),
    ],
)
def test_wildcards(tmp_path: Path, pattern: str, expected: list[str]) -> None:
    """A pattern matches other files than a shell's would."""
    base = make(tmp_path, "a.csv", "b.csv", "x.txt", "sub/c.csv", "sub/deep/d.csv", "_tmp/e.csv")
    assert sorted(names(resolve_sources(base, config(all=pattern)).files)) == sorted(expected)


def test_input_base_may_be_a_file_or_pattern(tmp_path: Path) -> None:
    """The simplest calls do not work."""
    base = make(tmp_path, "a.csv", "b.csv", "span-3.csv", "span-20.csv")
    assert names(resolve_sources(f"{base}/a.csv").files) == ["a.csv"]
    assert names(resolve_sources(f"{base}/[ab].csv").files) == ["a.csv", "b.csv"]
    assert resolve_sources(f"{base}/span-{{SPAN}}.csv").span == 20


def test_latest_span_with_its_latest_version(tmp_path: Path) -> None:
    """Spans are compared as texts, or versions of different spans are mixed."""
    base = make(tmp_path, "s9/v2/a", "s9/v11/a", "s10/v1/a", "s10/v1/b", "sx/v1/a", "s10/vx/a")
    found = resolve_sources(base, config(all="s{SPAN}/v{VERSION}/*"))
    assert (found.span, found.version, names(found.files)) == (10, 1, ["a", "b"])


def test_width_of_numbers(tmp_path: Path) -> None:
    """`{SPAN:2}` also takes three digits."""
    base = make(tmp_path, "s07", "s123")
    assert resolve_sources(base, config(all="s{SPAN:2}")).span == 7


def test_dates_are_spans(tmp_path: Path) -> None:
    """A date's span is not its day since 1970, as in TFX."""
    base = make(tmp_path, "2015/02/28/a.csv", "2015/03/01/a.csv")
    found = resolve_sources(base, config(all="{YYYY}/{MM}/{DD}/*"))
    assert found.span == (datetime.date(2015, 3, 1) - datetime.date(1970, 1, 1)).days


def test_name_in_several_places_must_agree(tmp_path: Path) -> None:
    """Files in the folder of another span are taken for it."""
    base = make(tmp_path, "3/data-3", "3/data-4", "4/data-3")
    found = resolve_sources(base, config(all="{SPAN}/data-{SPAN}"))
    assert names(found.files) == ["data-3"]


@pytest.mark.parametrize(
    ("range_config", "spans"),
    [
        ({"static_range": {"start_span_number": 2, "end_span_number": 2}}, [2]),
        ({"static_range": {"start_span_number": 1, "end_span_number": 3}}, [1, 2, 3]),
        ({"rolling_range": {"num_spans": 2}}, [3, 5]),
        ({"rolling_range": {"num_spans": 2, "skip_num_recent_spans": 2}}, [2, 3]),
        ({"rolling_range": {"num_spans": 9, "start_span_number": 3}}, [3, 5]),
    ],
)
def test_ranges(tmp_path: Path, range_config: Any, spans: list[int]) -> None:
    """A range takes other spans than TFX's."""
    wanted = [s for s in spans if s in (1, 2, 3, 5)]
    if range_config.get("rolling_range") == {"num_spans": 2}:
        wanted = [5]  # counted in span numbers, of which 4 is missing
    base = make(tmp_path, "1", "2", "3", "5")
    found = resolve_sources(base, config(all="{SPAN}"), RangeConfig.model_validate(range_config))
    assert [span for span, _ in found.spans] == wanted
    assert found.span == wanted[-1]
    assert names(found.files) == [str(span) for span in wanted]


def test_all_splits_are_of_one_span(tmp_path: Path) -> None:
    """Splits of different months are put together."""
    base = make(tmp_path, "1/train", "1/eval", "2/train")
    splits = config(train="{SPAN}/train", eval="{SPAN}/eval")
    with pytest.raises(DataError, match="'eval' has no files of span 2"):
        resolve_sources(base, splits)
    static = RangeConfig.model_validate(
        {"static_range": {"start_span_number": 1, "end_span_number": 1}}
    )
    assert {k: names(v) for k, v in resolve_sources(base, splits, static).splits.items()} == {
        "train": ["train"],
        "eval": ["eval"],
    }


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("{SPANN}", "did you mean: *SPAN"),
        ("{YYYY}/{MM}", "only part of a date"),
        ("{SPAN}/{YYYY}{MM}{DD}", "two spans"),
        ("v{VERSION}", "without a span"),
        ("/etc/*", "absolute path"),
    ],
)
def test_impossible_patterns(tmp_path: Path, pattern: str, message: str) -> None:
    """A pattern that can mean nothing matches something."""
    with pytest.raises(ParameterError, match=message):
        resolve_sources(make(tmp_path, "1"), config(all=pattern))


def test_splits_share_no_file(tmp_path: Path) -> None:
    """A model is evaluated on records that it was trained on."""
    base = make(tmp_path, "train.csv", "eval.csv")
    with pytest.raises(DataError, match="belongs to two input splits"):
        resolve_sources(base, config(train="*.csv", eval="eval.csv"))


def test_dates_that_do_not_exist(tmp_path: Path) -> None:
    """A path with a 31st of February gives a bare traceback."""
    base = make(tmp_path, "20150231")
    with pytest.raises(DataError, match="date that does not exist"):
        resolve_sources(base, config(all="{YYYY}{MM}{DD}"))


def test_nothing_found_tells_what_is_there(tmp_path: Path) -> None:
    """A misspelt pattern leaves the user guessing."""
    base = make(tmp_path, "complaints.csv", "other.csv")
    with pytest.raises(DataError) as raised:
        resolve_sources(base, config(all="complaint.csv"))
    text = str(raised.value)
    assert "complaints.csv, other.csv" in text and "did you mean: complaints.csv" in text
    with pytest.raises(DataError, match="no file fits") as raised:
        resolve_sources(f"{base}/missing/deeper")
    assert base in str(raised.value)


def test_no_span_in_range(tmp_path: Path) -> None:
    """A range without spans reads nothing, or everything."""
    base = make(tmp_path, "1", "2")
    static = {"static_range": {"start_span_number": 7, "end_span_number": 9}}
    with pytest.raises(DataError, match="no span lies in the range") as raised:
        resolve_sources(base, config(all="{SPAN}"), RangeConfig.model_validate(static))
    assert "spans 1, 2" in str(raised.value)
    with pytest.raises(ParameterError, match="patterns have no spans"):
        resolve_sources(base, config(all="*"), RangeConfig.model_validate(static))


def test_launcher_pins_what_it_resolved(tmp_path: Path) -> None:
    """A span that arrives while a run starts is read without having been digested."""
    base = make(tmp_path, "in/span-1/a", "in/span-1/b")
    node = CsvExampleGen(
        input_base=f"{base}/in",
        input_config={"splits": [{"name": "all", "pattern": "span-{SPAN}/*"}]},
    )
    known = external_inputs(node.parameters)
    assert names(known.files) == ["a", "b"]
    assert known.parameters["resolved_span"] == 1
    make(tmp_path, "in/span-2/a")
    pinned = {**node.parameters, **known.parameters}
    assert (pinned_sources(pinned).span, names(pinned_sources(pinned).files)) == (1, ["a", "b"])
    assert pinned_sources(node.parameters).span == 2
    make(tmp_path, "in/span-1/c")
    with pytest.raises(DataError, match="came or went"):
        pinned_sources(pinned)


@pytest.mark.parametrize(
    "raw",
    [
        {},
        {"static_range": {"start_span_number": 2, "end_span_number": 1}},
        {"rolling_range": {"num_spans": 0}},
        {
            "rolling_range": {"num_spans": 1},
            "static_range": {"start_span_number": 1, "end_span_number": 1},
        },
    ],
)
def test_impossible_ranges_are_refused_when_declared(raw: Any) -> None:
    """A range that can mean nothing is accepted."""
    with pytest.raises(ParameterError, match="range_config"):
        CsvExampleGen(input_base="x", range_config=raw)


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".a", "a b", "-a"])
def test_split_names_become_folders(name: str) -> None:
    """A split's name leads out of the artifact."""
    with pytest.raises(ParameterError, match="name"):
        CsvExampleGen(input_base="x", input_config={"splits": [{"name": name, "pattern": "*"}]})
