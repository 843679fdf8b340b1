# SPDX-License-Identifier: Apache-2.0
"""Writes docs/from-tfx.md: the guide, and the table of every public name of TFX.

    python docs/from_tfx/table.py

`names.json` lists the names of `tfx.v1` in TFX 1.16.0 with their arguments and fields, read
from the package itself; `notes.yaml` says what is to be said of them; `guide.md` is the text
around the table. A test writes the page anew and compares, and looks every name up that is
not said to be absent.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
PAGE = HERE.parent / "from-tfx.md"
_MARK = "<!-- the table -->\n"
_STATUS = ("same", "better", "absent")


@dataclass(frozen=True)
class Entry:
    """A public name of TFX.

    Attributes:
        name: The whole name, as in `tfx.components.Trainer`.
        kind: class, function, message, enum, module or constant.
        parts: Its arguments, fields, values, or properties.
        status: same, better or absent.
        note: What there is to say.
        arguments: What there is to say of some arguments.
    """

    name: str
    kind: str
    parts: tuple[str, ...]
    status: str
    note: str
    arguments: dict[str, str] = field(default_factory=dict)


def entries() -> list[Entry]:
    """All names, in TFX's order."""
    listed = json.loads((HERE / "names.json").read_text(encoding="utf-8"))["names"]
    notes = yaml.safe_load((HERE / "notes.yaml").read_text(encoding="utf-8"))
    used: set[str] = set()
    found = []
    for name, about in listed.items():
        key = _key(name, notes)
        used.add(key or "")
        said: dict[str, Any] = dict(notes[key]) if key else {"same": ""}
        arguments = said.pop("arguments", {})
        ((status, note),) = said.items()
        if status not in _STATUS:
            raise ValueError(f"{name}: {status} is none of {', '.join(_STATUS)}")
        parts = about.get("arguments") or about.get("fields") or about.get("values")
        strange = sorted(set(arguments) - set(parts or ()))
        if strange:
            raise ValueError(f"{name} has no argument {', '.join(strange)}")
        parts = tuple(parts or about.get("properties") or ())
        found.append(Entry(name, about["kind"], parts, status, note or "", arguments))
    unused = sorted(set(notes) - used)
    if unused:
        raise ValueError(f"notes on names that TFX does not have: {', '.join(unused)}")
    return found


def _key(name: str, notes: dict[str, Any]) -> str | None:
    for key in notes:
        if name == key or (key.endswith("*") and name.startswith(key[:-1])):
            return str(key)
    return None


def page() -> str:
    """The whole page."""
    guide = (HERE / "guide.md").read_text(encoding="utf-8")
    before, mark, after = guide.partition(_MARK)
    if not mark:
        raise ValueError("guide.md has no place for the table")
    return before + "\n".join(_table(entries())) + "\n" + after


def _table(listed: list[Entry]) -> Iterator[str]:
    counts = Counter(each.status for each in listed)
    told = ", ".join(f"{counts[status]} {status}" for status in _STATUS)
    yield f"{len(listed)} names: {told}."
    section = ""
    for each in listed:
        parent = _section(each.name)
        if parent != section:
            section = parent
            yield ""
            yield f"### `{section}`"
            yield ""
            yield "| name | in Penstock | |"
            yield "|---|---|---|"
        yield f"| `{each.name.removeprefix(section + '.')}` | {each.status} | {_note(each)} |"


def _section(name: str) -> str:
    parts = name.split(".")
    # Nested messages and enumerations stand with what they belong to.
    while len(parts) > 2 and parts[-2][:1].isupper():
        parts.pop()
    return ".".join(parts[:-1])


def _note(each: Entry) -> str:
    sentences = [each.note] if each.note else []
    sentences += [f"`{name}`: {text}" for name, text in each.arguments.items()]
    return "; ".join(sentences).replace("|", "\\|")


def main() -> int:
    """Writes the page."""
    PAGE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
