# SPDX-License-Identifier: Apache-2.0
"""YAML data that knows in which line each part of it was written."""

from __future__ import annotations

from typing import Any

from .plain_yaml import plain_loader, read_yaml

Path = tuple[str, ...]

_DEEPEST = 100


class Place:
    """One value of a YAML document, with where it stands.

    Attributes:
        value: The value, as plain data.
        source: Path of the file, for messages.
    """

    def __init__(self, value: Any, source: str, lines: dict[Path, int], path: Path = ()) -> None:
        self.value = value
        self.source = source
        self._lines = lines
        self._path = path

    def __getitem__(self, key: object) -> Place:
        """The place of a value in a mapping or list."""
        return Place(self.value[key], self.source, self._lines, (*self._path, str(key)))

    @property
    def location(self) -> str:
        """`file:line` of the value, or of what it lies in."""
        return self.at()

    def at(self, *below: object) -> str:
        """`file:line` of what lies below the value, as far down as that is there."""
        path = (*self._path, *map(str, below))
        while path and path not in self._lines:
            path = path[:-1]
        return f"{self.source}:{self._lines.get(path, 1)}"


def read_places(text: str, *, source: str) -> Place:
    """The data that a YAML text describes, with its lines.

    Raises:
        ParameterError: It is not YAML, or asks for anything but plain data.
    """
    import yaml

    value = read_yaml(text, source=source)
    lines: dict[Path, int] = {}
    root = yaml.compose(text, Loader=plain_loader())
    if root is not None:
        _walk(root, (), lines)
    return Place(value, source, lines)


def _walk(node: Any, path: Path, lines: dict[Path, int]) -> None:
    import yaml

    lines.setdefault(path, node.start_mark.line + 1)
    if len(path) > _DEEPEST:
        return  # an anchor that holds itself
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            _walk(item, (*path, str(index)), lines)
    elif isinstance(node, yaml.MappingNode):
        merged = [value for key, value in node.value if key.value == "<<"]
        for key, value in node.value:
            if key.value != "<<":
                # Of a mapping, the line of its key is what a reader looks for.
                lines.setdefault((*path, key.value), key.start_mark.line + 1)
                _walk(value, (*path, key.value), lines)
        for value in merged:
            for each in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                _walk(each, path, lines)
