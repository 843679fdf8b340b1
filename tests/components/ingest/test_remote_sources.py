# SPDX-License-Identifier: Apache-2.0
"""Source files at URLs, in fsspec's file system in memory."""

from __future__ import annotations

import functools
import gzip
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from penstock.components.ingest.csv_example_gen import CsvExampleGen
from penstock.components.ingest.examples_reader import read_table
from penstock.components.ingest.jsonl_example_gen import JsonlExampleGen
from penstock.components.ingest.source_files import external_inputs, resolve_sources
from penstock.components.ingest.span_pattern import find_matches
from penstock.utils.errors import DataError, PenstockError
from penstock.utils.hashing import FileDigestCache

fsspec = pytest.importorskip("fsspec")

ONE = {"split_config": {"splits": [{"name": "all", "hash_buckets": 1}]}}


@pytest.fixture
def bucket(request: pytest.FixtureRequest) -> Iterator[str]:
    """URL of an empty folder in memory."""
    files = fsspec.filesystem("memory")
    url = f"memory://bucket-{abs(hash(request.node.name))}"
    yield url
    if files.exists(url):
        files.rm(url, recursive=True)


def put(url: str, content: str) -> None:
    """Writes a remote file."""
    fsspec.filesystem("memory").pipe_file(url, content.encode())


def test_latest_span_of_a_bucket(bucket: str, node_runner: Any) -> None:
    """Spans, or input splits, are not found in a bucket."""
    for span in (1, 2, 10):
        put(f"{bucket}/s{span}/train/a.csv", f"x\n{span}\n")
        put(f"{bucket}/s{span}/eval/a.csv", f"x\n-{span}\n")
    config = {
        "splits": [
            {"name": name, "pattern": f"s{{SPAN}}/{name}/*.csv"} for name in ("train", "eval")
        ]
    }
    node = CsvExampleGen(input_base=bucket, input_config=config)
    found = node_runner(node)
    assert read_table(found.examples, "train")["x"].to_pylist() == [10]
    assert read_table(found.examples, "eval")["x"].to_pylist() == [-10]
    assert found.examples.span == 10
    named = json.loads(found.examples.custom_properties["source_files"])["files"]
    assert [file["path"] for file in named] == [
        f"{bucket}/s10/train/a.csv", f"{bucket}/s10/eval/a.csv",
    ]  # fmt: skip


def test_one_file_a_folder_and_a_pattern(bucket: str) -> None:
    """A way to name remote files does not work."""
    for name in ("a.csv", "b.csv", ".hidden", "_unfinished", "sub/c.csv"):
        put(f"{bucket}/{name}", "x\n1\n")
    assert resolve_sources(f"{bucket}/a.csv").files == [f"{bucket}/a.csv"]
    assert resolve_sources(bucket).files == [f"{bucket}/a.csv", f"{bucket}/b.csv"]
    assert resolve_sources(f"{bucket}/[b]*").files == [f"{bucket}/b.csv"]
    assert len(resolve_sources(f"{bucket}/**").files) == 3
    with pytest.raises(DataError, match="no file fits"):
        resolve_sources(f"{bucket}/nothing")


def test_changes_are_noticed(bucket: str) -> None:
    """A changed remote file has the digest of the old one, so that its result is reused."""
    put(f"{bucket}/a.csv", "x\n1\n")
    cache = FileDigestCache()
    (file,) = external_inputs({"input_base": bucket}).files
    before = cache.digest(file)
    assert cache.digest(file) == before
    put(f"{bucket}/a.csv", "x\n2\n")
    assert cache.digest(file) != before


def test_errors_name_the_url(bucket: str, node_runner: Any) -> None:
    """An error names the copy in a scratch folder that is gone by then."""
    put(f"{bucket}/a.csv", "a,b\n1,2\n3\n")
    with pytest.raises(DataError, match="too few cells") as raised:
        node_runner(CsvExampleGen(input_base=bucket))
    assert raised.value.location == f"{bucket}/a.csv:3"
    found = node_runner(CsvExampleGen(input_base=bucket, row_faults="quarantine"))
    assert [row["file"] for row in found.rejected] == [f"{bucket}/a.csv"]
    put(f"{bucket}/a.jsonl", "{")
    with pytest.raises(DataError, match="not json") as raised:
        node_runner(JsonlExampleGen(input_base=f"{bucket}/a.jsonl"))
    assert raised.value.location == f"{bucket}/a.jsonl:1"


def test_file_urls_are_paths(tmp_path: Path, node_runner: Any) -> None:
    """A file:// URL is not read, or is read as something remote."""
    (tmp_path / "a b.csv").write_text("x\n1\n")
    found = node_runner(CsvExampleGen(input_base=f"file://{tmp_path}/a%20b.csv"))
    assert found.rows == 1


@pytest.mark.parametrize(
    "pattern",
    ["*", "**", "*/*", "d/**", "**/c", "**/*", "s{SPAN}/*", "s{SPAN}/v{VERSION}/*", "[ab]", "?",
     "d/**/c", "{YYYY}-{MM}-{DD}/*", ".h/*", "s{SPAN:2}/x{SPAN}/*"],
)  # fmt: skip
def test_local_and_remote_patterns_agree(bucket: str, tmp_path: Path, pattern: str) -> None:
    """The same pattern finds other files in a bucket than in a folder."""
    names = ["a", "b", "_u", ".h/x", "d/c", "d/e/c", "d/_e/c", "s1/f", "s12/f", "s1/v2/g",
             "2024-02-29/f", "s01/x01/f", "s01/x02/f"]  # fmt: skip
    for name in names:
        put(f"{bucket}/{name}", "x")
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    local = [
        (match.path[len(str(tmp_path)) :], match.span, match.version)
        for match in find_matches(f"{tmp_path}/{pattern}")
    ]
    remote = [
        (match.path[len(bucket) :], match.span, match.version)
        for match in find_matches(f"{bucket}/{pattern}")
    ]
    assert remote == local
    assert local


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A web server on this machine, and the folder that it serves."""
    folder = tmp_path / "served"
    folder.mkdir()
    handler = functools.partial(_QuietHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as found:
        thread = threading.Thread(target=found.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{found.server_port}", folder
        found.shutdown()
        thread.join()


class _QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


def test_files_of_a_web_server(server: tuple[str, Path], node_runner: Any) -> None:
    """Data that is published on the web has to be fetched by hand."""
    address, folder = server
    (folder / "span-1.csv").write_text("x,y\n1,a\n2,b\n", encoding="utf-8")
    packed = gzip.compress(b"x,y\n3,c\n", mtime=0)
    (folder / "span-2.csv.gz").write_bytes(packed)
    plain = node_runner(CsvExampleGen(input_base=f"{address}/span-1.csv", output_config=ONE))
    assert read_table(plain.examples, "all")["x"].to_pylist() == [1, 2]
    zipped = node_runner(CsvExampleGen(input_base=f"{address}/span-2.csv.gz", output_config=ONE))
    assert read_table(zipped.examples, "all")["y"].to_pylist() == ["c"]
    latest = CsvExampleGen(
        input_base=address,
        input_config={"splits": [{"name": "all", "pattern": "span-{SPAN}.csv*"}]},
        output_config=ONE,
    )
    assert node_runner(latest).examples.span == 2


def test_a_file_missing_from_a_web_server_is_named(
    server: tuple[str, Path], node_runner: Any
) -> None:
    """A misspelt address shows a traceback of the HTTP library."""
    address, folder = server
    (folder / "data.csv").write_text("x\n1\n", encoding="utf-8")
    with pytest.raises(PenstockError, match=r"daat\.csv"):
        node_runner(CsvExampleGen(input_base=f"{address}/daat.csv"))
