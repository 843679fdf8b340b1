# SPDX-License-Identifier: Apache-2.0
"""Locations point at what the user wrote."""

from __future__ import annotations

import os
import sys
import types
from pathlib import Path

import pytest

from penstock.utils.source_location import caller_location, display_path

SOURCE = """from penstock.utils.source_location import caller_location
def f(): return caller_location()
"""


def module(name: str, file: str) -> types.ModuleType:
    """A module of that name, without a file."""
    made = types.ModuleType(name)
    exec(compile(SOURCE, file, "exec"), made.__dict__)
    return made


def test_nearest_caller_outside_the_framework(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error must point at the user's line, not at the framework's."""
    monkeypatch.chdir(Path(__file__).parent)
    framework = module("penstock.orchestration.x", "/penstock/x.py")
    line = sys._getframe().f_lineno + 1
    assert framework.f() == f"{os.path.basename(__file__)}:{line}"
    generated = {"inner": framework.f, "__name__": __name__}
    exec("def call(): return inner()", generated)
    line = sys._getframe().f_lineno + 1
    assert generated["call"]() == f"{os.path.basename(__file__)}:{line}"  # type: ignore[operator]


def test_pipelines_of_the_framework_are_user_code() -> None:
    """The examples are to be read and copied; their lines count."""
    example = module("penstock.pipelines.taxi.pipeline", "/x/taxi/pipeline.py")
    assert example.f() == "/x/taxi/pipeline.py:2"
    plain = module("penstocks.pipeline", "/x/pipeline.py")
    assert plain.f() == "/x/pipeline.py:2"


def test_command_line_is_no_caller() -> None:
    """`python -m penstock` runs as `__main__`, yet is not the user's."""
    main = module("__main__", "/penstock/__main__.py")
    main.__dict__["__package__"] = "penstock"
    assert "test_source_location" in main.f()
    main.__dict__["__package__"] = None
    assert main.f() == "/penstock/__main__.py:2"


def test_display_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths below the current folder are shown as one would type them."""
    monkeypatch.chdir(tmp_path)
    assert display_path(str(tmp_path / "a" / "b.py")) == "a/b.py"
    assert display_path("a/../b.py") == "b.py"
    assert display_path("/elsewhere/b.py") == "/elsewhere/b.py"
    assert display_path(f"{tmp_path}-other/b.py") == f"{tmp_path}-other/b.py"
    assert display_path("<stdin>") == "<stdin>"
    assert caller_location("no_such_package").startswith("/")
