# SPDX-License-Identifier: Apache-2.0
"""docs/from-tfx.md: written from its tables, and true."""

from __future__ import annotations

import importlib.util
import inspect
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import penstock.cli
import penstock.tfx
import penstock.utils.errors

_DOCS = Path(__file__).parent.parent / "docs"


def _load_table() -> ModuleType:
    spec = importlib.util.spec_from_file_location("from_tfx_table", _DOCS / "from_tfx" / "table.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


table = _load_table()
ENTRIES = {each.name: each for each in table.entries()}
THERE = {name: each for name, each in ENTRIES.items() if each.status != "absent"}


def face(name: str) -> Any:
    """What the face has under a name of TFX."""
    found: Any = penstock.tfx
    for part in name.split(".")[1:]:
        found = getattr(found, part)
    return found


def test_the_page_is_written_from_its_tables() -> None:
    """The page was changed by hand, or its tables without writing it anew."""
    assert table.PAGE.read_text(encoding="utf-8") == table.page(), (
        "write it anew: python docs/from_tfx/table.py"
    )


@pytest.mark.parametrize("name", THERE)
def test_a_name_that_is_there(name: str) -> None:
    """The table promises a name, an argument, a field or a value that the face lacks."""
    entry = THERE[name]
    found = face(name)
    expected = set(entry.parts)
    if entry.kind in ("class", "function") and expected:
        if name.startswith("tfx.types.standard_artifacts."):
            taken = set(found.PROPERTIES)
        else:
            # An argument of which something is said need not be taken.
            expected -= set(entry.arguments)
            taken = set(inspect.signature(found).parameters)
            if "channels" in taken:
                expected.discard("channels")
        assert expected <= taken, f"{name} does not take {sorted(expected - taken)}"
    elif entry.kind == "message":
        assert expected == {each.name for each in found.DESCRIPTOR.fields}
        found()
    elif entry.kind == "enum":
        names = found.keys() if hasattr(found, "keys") else [each.name for each in found]
        assert expected <= set(names)


@pytest.mark.parametrize("name", [n for n, each in ENTRIES.items() if each.status == "absent"])
def test_a_name_that_is_absent(name: str) -> None:
    """The face has a name that the table calls absent, or does not say what to do instead."""
    with pytest.raises(penstock.utils.errors.PenstockError) as caught:
        face(name)
    assert caught.value.fix
    assert ENTRIES[name].note


def test_arguments_not_taken_are_told_as_such() -> None:
    """An argument that the face does not take is passed off as one that means something else."""
    for name, entry in THERE.items():
        if entry.arguments:
            taken = inspect.signature(face(name)).parameters
            for argument, note in entry.arguments.items():
                told = note.startswith(("not taken", "in the `config`"))
                assert (argument not in taken) == told, f"{name}({argument}): {note}"


def test_links_and_commands_of_the_page() -> None:
    """The page leads to a page that is not there, or names a command that does not exist."""
    text = table.PAGE.read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (_DOCS / link).exists(), link
    known = penstock.cli.cli.commands
    for command in re.findall(r"(?m)(?:^ *|`)penstock ([a-z]+)\b", text):
        assert command in known, command


def test_the_table_is_read_lightly() -> None:
    """Looking every name up loads TensorFlow, Beam or pandas."""
    source = (
        "import sys; sys.path.insert(0, sys.argv[1]); import table, penstock.tfx as tfx\n"
        "for each in table.entries():\n"
        "    found = tfx\n"
        "    if each.status != 'absent':\n"
        "        for part in each.name.split('.')[1:]: found = getattr(found, part)\n"
        "heavy = {'tensorflow', 'apache_beam', 'pandas', 'pyarrow', 'tfx_bsl', 'kfp', 'airflow'}\n"
        "print(sorted(heavy & {name.partition('.')[0] for name in sys.modules}))\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", source, str(_DOCS / "from_tfx")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert ran.stdout.strip() == "[]"
