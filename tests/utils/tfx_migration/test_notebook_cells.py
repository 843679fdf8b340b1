# SPDX-License-Identifier: Apache-2.0
"""Imports of TFX in notebooks."""

from __future__ import annotations

import json
from typing import Any

import pytest

from penstock.utils.tfx_migration.notebook_cells import CellError, move_notebook


def _notebook(*cells: str | list[str]) -> dict[str, Any]:
    made = [
        {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": 3, "source": each}
        for each in cells
    ]
    text = {"cell_type": "markdown", "metadata": {}, "source": ["`from tfx import v1` – ü\n"]}
    return {"cells": [text, *made], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


@pytest.mark.parametrize("indent", [1, 2, None])
@pytest.mark.parametrize("ascii_only", [True, False])
@pytest.mark.parametrize("end", ["", "\n"])
def test_the_file_stays_as_it_was(indent: int | None, ascii_only: bool, end: str) -> None:
    """A notebook is written in another form, so that every line of it differs."""
    notebook = _notebook(["from tfx import v1 as tfx\n", "tfx.__version__"], "print('ä')")
    text = json.dumps(notebook, indent=indent, ensure_ascii=ascii_only) + end
    moved, findings = move_notebook(text)
    assert moved == text.replace("from tfx import v1 as tfx", "from penstock import tfx")
    assert not findings
    assert move_notebook(moved) == (moved, ())


def test_a_file_of_several_forms_stays_as_it_was() -> None:
    """Only files are kept that one program wrote; others are written anew from top to end."""
    text = """{"nbformat": 4,
 "metadata" : {"a": [1, -2.5e3, null, true, {}, []], "source": "import tfx"},
    "cells": [{"cell_type":"code","source": [
        "import os, tfx.v1 as tfx\\n",   "x = '\\u00e4\\"'\\n",
   "from tfx import v1 as tfx" ],"outputs": [{"text": ["import tfx"]}]},
  {"source": [], "cell_type": "code"},
  {"source": [ "from tfx.dsl import Cond" ], "cell_type": "code"},
  {"source": ["from tfx import v1 as tfx\\n", "from penstock import tfx\\n", "pass"],
   "cell_type": "code"}] }
"""
    moved, _ = move_notebook(text)
    assert moved == (
        text.replace(
            '"import os, tfx.v1 as tfx\\n",   "x',
            '"import os\\n",   "from penstock import tfx\\n",   "x',
        )
        .replace("from tfx import v1 as tfx", "from penstock import tfx")
        .replace("from tfx.dsl", "from penstock.tfx.dsl")
    )
    json.loads(moved)


def test_lines_of_ipython_stay() -> None:
    """A magic stops the move of its cell, or is changed by it."""
    cell = (
        "  !pip list\n"
        "%load_ext tfx.orchestration.experimental.interactive.notebook_extensions.skip\n"
        "!pip install \\\n"
        "  tfx==1.16\n"
        "files = !ls\n"
        "if True:\n"
        "    !echo tfx\n"
        "    import os, tfx.v1 as tfx\n"
        "tfx.components?\n"
        "question = 'tfx?'\n"
    )
    moved, findings = move_notebook(json.dumps(_notebook(cell)))
    after = json.loads(moved)["cells"][1]["source"]
    assert after == cell.replace(
        "import os, tfx.v1 as tfx\n", "import os\n    from penstock import tfx\n"
    )
    assert not findings


def test_magics_over_whole_cells() -> None:
    """A module that a cell writes is not moved, or a cell of another language is."""
    module = "%%writefile penguin_trainer.py\nfrom tfx.components import FnArgs\n"
    shell = "%%bash\nfrom tfx import v1\n"
    listing = "%%writefile notes.txt\nfrom tfx import v1\n"
    query = "# comment\n\n%%bigquery\nselect tfx from t\n"
    variable = module.replace("penguin_trainer.py", "{module_file}")
    unknown = "%%writefile -a {some_file}\nfrom tfx, of course\n"
    cells = [module, shell, listing, query, variable, unknown]
    moved, _ = move_notebook(json.dumps(_notebook(*cells)))
    sources = [cell["source"] for cell in json.loads(moved)["cells"][1:]]
    for changed in (0, 4):
        cells[changed] = cells[changed].replace("from tfx", "from penstock.tfx")
    assert sources == cells


def test_findings_name_cell_and_line() -> None:
    """What needs a hand in a notebook cannot be found in it."""
    cells = ["x = 1\n", "!pip install -U tfx\nfrom tfx import v1 as tfx\n\ndef trainer_fn(): ..."]
    _, findings = move_notebook(json.dumps(_notebook(*cells)))
    assert [(each.cell, each.line) for each in findings] == [(3, 1), (3, 4)]


def test_a_cell_that_does_not_parse_is_named() -> None:
    """A notebook is half moved, or the user is not told which cell is wrong."""
    with pytest.raises(CellError, match="cell 3, line 2"):
        move_notebook(json.dumps(_notebook("from tfx import v1", "import tfx\nx = = 1")))
    with pytest.raises(CellError, match="no notebook"):
        move_notebook("{}")
