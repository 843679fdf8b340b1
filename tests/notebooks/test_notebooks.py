# SPDX-License-Identifier: Apache-2.0
"""The notebooks: as they are committed, and run anew in a fresh folder each."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

nbformat = pytest.importorskip("nbformat")
pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")

ROOT = Path(__file__).resolve().parents[2]
# The notebooks are no part of the package: only the repository's root has them.
sys.path.append(str(ROOT))

from notebooks.execution import execute, normalised  # noqa: E402

FILES = sorted((ROOT / "notebooks").glob("*.ipynb"))
NAMES = [path.stem for path in FILES]

#: A path from the root of a machine's file system, where no tag, URL or longer path has it.
ABSOLUTE = re.compile(r"(?<![\w.<:/\-{}*])/(?!/)[A-Za-z_][\w.-]*/[\w.-]+")
#: Places that the notebooks themselves name, on machines that they tell of.
TOLD = ("/opt/penstock", "/data/disputes", "/mnt/penstock")


def texts(notebook: Any) -> list[str]:
    """Every text that the cells put out."""
    found = []
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            for text in output.get("data", {}).values():
                found.append(text if isinstance(text, str) else repr(text))
            found.append(output.get("text", ""))
    return found


def said(notebook: Any, beginning: str) -> str:
    """What the cell put out whose source begins like this, without colours."""
    (cell,) = [each for each in notebook.cells if each.source.startswith(beginning)]
    whole = "".join(
        output.get("text", "") or output.get("data", {}).get("text/plain", "")
        for output in cell.outputs
    )
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", whole)


def pictures(notebook: Any) -> int:
    """How many outputs are drawn by Penstock."""
    return sum("penstock-view" in text for text in texts(notebook))


def test_all_five_are_there() -> None:
    """A notebook was lost or renamed, and links to it lead nowhere."""
    assert NAMES == [
        "1-ten-minutes",
        "2-data-validation",
        "3-to-airflow-and-kubeflow",
        "4-model-analysis",
        "5-metadata-detective",
    ]


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_is_committed_as_executed(path: Path) -> None:
    """Readers on a static page would see a notebook that was not run, or not in order."""
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert pictures(notebook) >= 1
    kinds = {output.output_type for cell in code for output in cell.outputs}
    assert kinds <= {"stream", "display_data", "execute_result"}
    assert path.stat().st_size < 300_000


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_says_first_what_the_reader_will_have(path: Path) -> None:
    """A reader would have to read on to learn whether it is worth reading on."""
    first = nbformat.read(path, as_version=4).cells[0]
    assert first.cell_type == "markdown"
    title, promise = first.source.split("\n\n")[:2]
    assert title.startswith("# ")
    assert promise.startswith("**At the end you have**")


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_nothing_of_the_machine_is_left(path: Path) -> None:
    """Committed outputs would hold paths of somebody's machine, timings, or warnings."""
    notebook = nbformat.read(path, as_version=4)
    for text in texts(notebook):
        paths = [found for found in ABSOLUTE.findall(text) if not found.startswith(TOLD)]
        assert paths == []
        assert str(ROOT) not in text
        assert "Warning" not in text
    assert all(not cell.metadata for cell in notebook.cells)
    assert not any(
        output.get("name") == "stderr"
        for cell in notebook.cells
        for output in cell.get("outputs", ())
    )


def _ten_minutes(notebook: Any, folder: Path) -> None:
    assert "6 nodes: 6 reuse" in said(notebook, "!penstock plan")
    assert "6 nodes in" in said(notebook, "!penstock run")
    assert ": 6 reused" in said(notebook, "!penstock run")
    assert (folder / "pipeline.py").is_file()


def _data_validation(notebook: Any, folder: Path) -> None:
    found = said(notebook, "for (month, feature), what in found.items()")
    assert re.findall(r"^(\w+, [\w ?]+): ", found, re.M) == ["February, disputed", "March, Product"]
    stopped = said(notebook, "from penstock import PenstockError")
    assert "does not fit" in stopped and "Credit reporting" in stopped
    assert (folder / "schema.pbtxt").is_file()


def _airflow_and_kubeflow(notebook: Any, folder: Path) -> None:
    assert ": 4 reused" in said(notebook, "!penstock run pipeline.py")
    by_hand = said(notebook, "%%bash")
    assert by_hand.count("reused") == 4 and "run by-hand is complete" in by_hand
    assert ": 3 ran, 1 reused" in said(notebook, "!penstock run dags/disputes.json")
    compile((folder / "dags" / "disputes.py").read_text(), "disputes.py", "exec")
    assert "trainer" in said(notebook, "import yaml")


def _model_analysis(notebook: Any, folder: Path) -> None:
    del folder
    figures = dict(
        re.findall(r"^(\S+(?: \(baseline\))?)\s+(\d\.\d+)$", said(notebook, "spread("), re.M)
    )
    rate = "false_negative_rate@0.2"
    assert float(figures[rate]) < float(figures[f"{rate} (baseline)"]) / 2
    (shown,) = [text for text in texts(notebook) if "Thresholds that were missed" in text]
    assert "Region: elsewhere" in shown


def _metadata_detective(notebook: Any, folder: Path) -> None:
    del folder
    assert "label() changed" in said(notebook, "!penstock models diff").replace("\n", " ")
    spoilt = said(notebook, "for record in contaminated")
    assert re.findall(r"version (\S+) of disputes is spoilt", spoilt) == ["1.1.0", "1.1.1"]
    assert "production is 1.0.0" in said(notebook, "!penstock models rollback")


CHECKS: dict[str, Callable[[Any, Path], None]] = {
    "1-ten-minutes": _ten_minutes,
    "2-data-validation": _data_validation,
    "3-to-airflow-and-kubeflow": _airflow_and_kubeflow,
    "4-model-analysis": _model_analysis,
    "5-metadata-detective": _metadata_detective,
}
NEEDS = {
    "1-ten-minutes": ("sklearn", "skops", "tensorflow_model_analysis"),
    "2-data-validation": ("tensorflow_data_validation",),
    "3-to-airflow-and-kubeflow": ("sklearn", "skops", "kfp"),
    "4-model-analysis": ("sklearn", "skops", "tensorflow_model_analysis"),
    "5-metadata-detective": ("sklearn", "skops"),
}


@pytest.mark.heavy
@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_runs_top_to_bottom(path: Path, tmp_path: Path) -> None:
    """A reader who runs the notebook meets an error, or does not get what it promises."""
    for name in NEEDS[path.stem]:
        if not _installed(name):
            pytest.skip(f"{name} is not installed")
    folder = tmp_path.resolve()
    committed = nbformat.read(path, as_version=4)
    notebook = normalised(execute(path, folder), folder)
    CHECKS[path.stem](notebook, folder)
    assert pictures(notebook) == pictures(committed)
    assert [cell.source for cell in notebook.cells] == [cell.source for cell in committed.cells]


def _installed(name: str) -> bool:
    import importlib.util

    return importlib.util.find_spec(name) is not None
