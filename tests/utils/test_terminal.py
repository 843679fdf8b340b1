# SPDX-License-Identifier: Apache-2.0
"""Colours and characters follow what the terminal can show and what its user wants."""

from __future__ import annotations

import io

import pytest

from penstock.utils.terminal import Paint, glyph, width


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """It is."""
        return True


@pytest.mark.parametrize(
    ("stream", "variables", "colored"),
    [
        (Terminal(), {}, True),
        (io.StringIO(), {}, False),
        (Terminal(), {"NO_COLOR": "1"}, False),
        (Terminal(), {"NO_COLOR": ""}, True),
        (Terminal(), {"TERM": "dumb"}, False),
        (io.StringIO(), {"FORCE_COLOR": "1"}, True),
        (Terminal(), {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
    ],
)
def test_colors_go_where_they_are_wanted(
    stream: io.StringIO, variables: dict[str, str], colored: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If it fails, escape sequences end up in files, or NO_COLOR is not respected."""
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert Paint(stream)("x", "red", "bold") == ("\x1b[31;1mx\x1b[0m" if colored else "x")


def test_glyphs_are_ones_that_can_be_written() -> None:
    """If it fails, an ASCII terminal ends a run with a UnicodeEncodeError."""
    assert glyph("complete", io.TextIOWrapper(io.BytesIO(), encoding="utf-8")) == "✔"
    assert glyph("complete", io.TextIOWrapper(io.BytesIO(), encoding="ascii")) == "+"


def test_width_follows_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """If it fails, tables do not fit where COLUMNS says how wide they may be."""
    monkeypatch.setenv("COLUMNS", "44")
    assert width(io.StringIO()) == 44
    monkeypatch.delenv("COLUMNS")
    assert width(io.StringIO()) == 80
