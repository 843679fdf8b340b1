# SPDX-License-Identifier: Apache-2.0
"""Runs a notebook from its first cell to its last, and puts it into the form it is kept in."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

#: How wide commands in cells may write, in characters: as wide as code.
_COLUMNS = 100
#: Longest time for a cell, in seconds: machines that run tests may be busy.
_CELL_TIMEOUT = 600
#: What a terminal does with its cursor; colours stay.
_CURSOR = re.compile(r"\x1b\[\?25[lh]|\r(?=\n)")
_METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def execute(path: Path, folder: Path) -> Any:
    """Runs a notebook in a folder with this Python, and answers it with its outputs.

    Args:
        path: The notebook; it is left as it is.
        folder: Where it works, and writes what it writes.

    Raises:
        nbclient.exceptions.CellExecutionError: A cell failed.
    """
    notebook = nbformat.read(path, as_version=4)
    environment = {
        **os.environ,
        # `!penstock …` in a cell is the one beside this Python.
        "PATH": os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", "")]),
        "COLUMNS": str(_COLUMNS),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        # Nobody's own settings and start-up files.
        "IPYTHONDIR": str(folder / ".ipython"),
    }
    # A notebook's cells belong to the folder they run in, not to where this runs from.
    environment.pop("PENSTOCK_METADATA", None)
    client = NotebookClient(
        notebook,
        timeout=_CELL_TIMEOUT,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
        record_timing=False,
    )
    client.execute(env=environment)
    return notebook


def normalised(notebook: Any, folder: Path) -> Any:
    """The notebook without what differs from one machine to the next.

    The folder that it ran in is left out of outputs, and so are timings of cells and what is
    said of the kernel.

    Args:
        notebook: An executed notebook; it is changed.
        folder: Where it ran.
    """
    notebook.metadata = nbformat.from_dict(_METADATA)
    for number, cell in enumerate(notebook.cells, start=1):
        cell.id = f"cell-{number:02}"
        cell.metadata = nbformat.from_dict({})
        if cell.cell_type == "code":
            cell.outputs = [_plain(output, folder) for output in _joined(cell.outputs)]
    nbformat.validate(notebook)
    return notebook


def save(notebook: Any, path: Path) -> None:
    """Writes a notebook."""
    nbformat.write(notebook, path)


def _joined(outputs: list[Any]) -> list[Any]:
    """Outputs, where what a command wrote in several goes is one."""
    found: list[Any] = []
    for output in outputs:
        last = found[-1] if found else None
        if output.output_type == "stream" and last and last.get("name") == output.name:
            last["text"] += output.text
        else:
            found.append(output)
    return found


def _plain(value: Any, folder: Path) -> Any:
    """An output, or a part of one, with its texts as they are kept."""
    if isinstance(value, str):
        text = _CURSOR.sub("", value).replace("\r\n", "\n")
        return text.replace(f"{folder}{os.sep}", "").replace(str(folder), ".")
    if isinstance(value, dict):
        return nbformat.from_dict({key: _plain(each, folder) for key, each in value.items()})
    if isinstance(value, list):
        return [_plain(each, folder) for each in value]
    return value
