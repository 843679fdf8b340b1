# SPDX-License-Identifier: Apache-2.0
"""A notebook in a real kernel: run, show, mistakes, export; and the exported file, run."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timing]

nbclient = pytest.importorskip("nbclient")
nbformat = pytest.importorskip("nbformat")

#: One notebook by the names of its cells; each runs once, in this order.
CELLS = {
    "imports": """
        from penstock import (CsvExampleGen, Examples, Input, InteractiveContext, Model, Output,
                              OutputDict, StatisticsGen, component)
        context = InteractiveContext("taxi")
        import json, time
        RATE = 0.5
    """,
    "function": '''
        def helper(x):
            return x + 1

        @component
        def note(text: str, model: Output[Model]) -> OutputDict(size=int):
            """Writes a note."""
            with open(model.path("note.txt"), "w") as file:
                file.write(json.dumps([text, helper(RATE)]))
            return {"size": len(text)}

        @component
        def reader(model: Input[Model], size: int, copy: Output[Model]):
            with open(copy.path("copy.txt"), "w") as file:
                file.write(open(model.path("note.txt")).read() + str(helper(size)))
    ''',
    "first": """
        start = time.perf_counter()
        noted = note(text="hello")
        result = context.run(noted)
        print(time.perf_counter() - start)
    """,
    "again": "print(context.run(noted).cached, context.run(note(text='hello')).cached)",
    "data": """
        example_gen = CsvExampleGen(input_base="data")
        context.run(example_gen)
    """,
    "named": "example_gen.outputs['examples']",
    "frame": "print(context.to_pandas(example_gen, split='train', limit=2).columns.tolist())",
    "unknown": "StatisticsGen(exampels=1)",
    "raises": """
        def inner(rows):
            return rows["b"]

        @component
        def broken(model: Output[Model]):
            inner({"a": 1})

        context.run(broken())
    """,
    "cannot travel": """
        handle = open("/dev/null")

        @component
        def reads(model: Output[Model]):
            handle.read()

        context.run(reads())
    """,
    "dependent": """
        noted = note(text="hello")
        context.run(noted)
        read = reader(model=noted.outputs["model"], size=noted.outputs["size"])
        context.run(read)
        noted = note(text="hello")
        context.run(noted)
        print([node.id for node in context.pipeline.components], dict(context.stale))
    """,
    "changed": """
        noted = note(text="other")
        context.run(noted)
        print(dict(context.stale))
        context.pipeline
    """,
    "mended": """
        context.run(read)
        print(dict(context.stale))
    """,
    "so far": "context",
    "export": "print(context.export('exported.py'), context.export('exported.yaml'))",
    "extension": """
        %load_ext penstock
        store = context.store()
        store.get_execution(result.execution_id)
    """,
    "bad path": "context.export('bad name.py')",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the notebook runs."""
    made = tmp_path_factory.mktemp("notebook")
    (made / "data").mkdir()
    rows = "".join(f"{i % 7},<b>city {i % 3}</b>\n" for i in range(200))
    (made / "data" / "rows.csv").write_text("age,city\n" + rows)
    return made


@pytest.fixture(scope="module")
def cells(folder: Path) -> dict[str, Any]:
    """The cells' outputs by name, after a run from top to bottom in a fresh kernel."""
    import textwrap

    book = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(textwrap.dedent(text).strip()) for text in CELLS.values()]
    )
    client = nbclient.NotebookClient(
        book, timeout=120, kernel_name="python3", allow_errors=True,
        resources={"metadata": {"path": str(folder)}},
    )  # fmt: skip
    client.execute()
    return {name: cell.outputs for name, cell in zip(CELLS, book.cells, strict=True)}


def printed(outputs: Any) -> str:
    """What a cell printed."""
    return "".join(each.text for each in outputs if each.output_type == "stream")


def error_of(outputs: Any) -> str:
    """What a cell says went wrong."""
    (found,) = [each for each in outputs if each.output_type == "error"]
    return "\n".join(found.traceback)


def test_first_run_of_a_light_component_is_quick(cells: dict[str, Any]) -> None:
    """If it fails, the first cell of every notebook keeps people waiting."""
    assert float(printed(cells["first"])) < 2.0


def test_a_cell_run_again_reuses_its_result(cells: dict[str, Any]) -> None:
    """If it fails, re-running a cell, or making its component anew, computes again."""
    assert printed(cells["again"]).split() == ["True", "True"]


def test_naming_a_channel_shows_its_records(cells: dict[str, Any]) -> None:
    """If it fails, a channel named in a cell is shown as text, or its values act as HTML."""
    (shown,) = [each.data for each in cells["named"] if "data" in each]
    assert "&lt;b&gt;city 1&lt;/b&gt;" in shown["text/html"]
    assert "<b>city" not in shown["text/html"]


def test_a_channel_becomes_a_data_frame(cells: dict[str, Any]) -> None:
    """If it fails, records cannot be had as pandas has them."""
    assert printed(cells["frame"]).strip() == "['age', 'city']"


def test_a_mistake_at_construction_is_short_and_names_the_cell(cells: dict[str, Any]) -> None:
    """If it fails, a misspelt argument answers with a page of our own code."""
    said = error_of(cells["unknown"])
    assert "did you mean: examples" in said and "cell [8], line 1" in said
    assert len(said.splitlines()) < 8 and "Traceback" not in said


def test_an_error_in_user_code_shows_the_users_lines(cells: dict[str, Any]) -> None:
    """If it fails, who wrote the function cannot see which of its lines raised."""
    said = error_of(cells["raises"])
    assert said.index("KeyError: 'b'") < said.index('return rows["b"]')
    assert "cell [9], line 2" in said and "Traceback" not in said and len(said.splitlines()) < 10
    assert re.search(r"cell \[9\], line 2 in inner:  return rows", said)


def test_what_cannot_travel_is_refused_by_name(cells: dict[str, Any]) -> None:
    """If it fails, an open file in a cell is a surprise in another process."""
    said = error_of(cells["cannot travel"])
    assert "handle is a TextIOWrapper" in said and "create handle inside reads" in said


def test_an_equal_replacement_changes_nothing(cells: dict[str, Any]) -> None:
    """If it fails, running an unchanged cell again breaks what depends on it."""
    assert printed(cells["dependent"]).strip() == ("['note', 'CsvExampleGen', 'reader'] {}")


def test_a_changed_replacement_makes_dependents_stale(cells: dict[str, Any]) -> None:
    """If it fails, a pipeline is exported that was never run like that."""
    assert "{'reader': 'note'}" in printed(cells["changed"])
    assert "run the cell of reader again" in error_of(cells["changed"])
    assert printed(cells["mended"]).strip() == "{}"


def test_the_context_is_drawn_with_states(cells: dict[str, Any]) -> None:
    """If it fails, nobody sees how far the notebook is."""
    (shown,) = [each.data["text/html"] for each in cells["so far"] if "data" in each]
    assert "<g data-node='reader'>" in shown and "complete in" in shown


def test_the_extension_shows_records_of_the_store(cells: dict[str, Any]) -> None:
    """If it fails, a notebook that only looks into a store shows text."""
    (shown,) = [each.data["text/html"] for each in cells["extension"] if "data" in each]
    assert "<h2>note (1)</h2>" in shown and "Artifacts" in shown


def test_a_bad_path_is_a_clear_error(cells: dict[str, Any]) -> None:
    """If it fails, an export is written that Python cannot import."""
    assert "pipeline.py or pipeline.yaml" in error_of(cells["bad path"])


@pytest.mark.parametrize("file", ["exported.py", "exported.yaml"])
def test_the_exported_file_runs_cached(folder: Path, cells: dict[str, Any], file: str) -> None:
    """If it fails, leaving the notebook means computing everything again."""
    assert printed(cells["export"]).split() == ["exported.py", "exported.yaml"]
    done = subprocess.run(
        [sys.executable, "-m", "penstock", "run", file],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "3 nodes" in done.stdout and "3 reused" in done.stdout, done.stdout


def test_the_exported_file_is_tidy(folder: Path, cells: dict[str, Any]) -> None:
    """If it fails, people rewrite what was exported before they commit it."""
    del cells
    text = (folder / "exported.py").read_text()
    assert text.index("import json") < text.index("RATE = 0.5") < text.index("def helper")
    assert text.index("def helper") < text.index("def note") < text.index("def create_pipeline")
    assert 'csv_example_gen = CsvExampleGen(input_base="data")' in text
    assert "handle" not in text and "broken" not in text
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "E,F", "--line-length",
         "100", "exported.py"],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
