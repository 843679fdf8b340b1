# SPDX-License-Identifier: Apache-2.0
"""YAML that means what it says.

YAML 1.1, which PyYAML reads, turns `no` and `off` into false, `12:30` into 750, `1e-3` into
text and `2015-06-01` into a date. This reader follows the core schema of YAML 1.2
(https://yaml.org/spec/1.2.2/#103-core-schema), with one exception: digits that begin with
a zero, such as a ZIP code, stay text. Only plain data is ever built.
"""

from __future__ import annotations

import functools
import json
import re
from typing import Any

from .errors import ParameterError

#: How plain scalars are told apart: tag, pattern, first characters.
RESOLVERS: tuple[tuple[str, str, str], ...] = (
    ("tag:yaml.org,2002:bool", r"(?:true|True|TRUE|false|False|FALSE)\Z", "tTfF"),
    ("tag:yaml.org,2002:int", r"[-+]?(?:0|[1-9][0-9]*|0o[0-7]+|0x[0-9a-fA-F]+)\Z", "-+0123456789"),
    (
        "tag:yaml.org,2002:float",
        r"[-+]?(?:(?:\.[0-9]+|(?:0|[1-9][0-9]*)\.[0-9]*)(?:[eE][-+]?[0-9]+)?"
        r"|[1-9][0-9]*[eE][-+]?[0-9]+|\.(?:inf|Inf|INF))\Z|\.(?:nan|NaN|NAN)\Z",
        "-+0123456789.",
    ),
    ("tag:yaml.org,2002:null", r"(?:~|null|Null|NULL|)\Z", "~nN"),
    ("tag:yaml.org,2002:merge", r"<<\Z", "<"),
)


@functools.cache
def plain_loader() -> Any:
    """The class of PyYAML loaders that read so."""
    import yaml

    class Loader(yaml.SafeLoader):
        """Resolves plain scalars as YAML 1.2 does."""

    Loader.yaml_implicit_resolvers = {}
    for tag, pattern, first in RESOLVERS:
        letters = [*first, ""] if tag.endswith("null") else list(first)
        Loader.add_implicit_resolver(tag, re.compile(pattern), letters)

    def read_int(loader: Any, node: Any) -> int:
        text = loader.construct_scalar(node)
        return int(text, 0) if text.lstrip("-+")[1:2] in ("o", "x") else int(text)

    def read_mapping(loader: Any, node: Any) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = key_node.value
            if not isinstance(key_node, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(
                    None, None, "a key must be a plain value", key_node.start_mark
                )
            if key in seen and key != "<<":
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} occurs twice", key_node.start_mark
                )
            seen.add(key)
        loader.flatten_mapping(node)
        found: dict[Any, Any] = loader.construct_mapping(node, deep=True)
        return found

    Loader.add_constructor("tag:yaml.org,2002:int", read_int)
    Loader.add_constructor("tag:yaml.org,2002:map", read_mapping)
    return Loader


def read_yaml(text: str, *, source: str) -> Any:
    """The data that a YAML text describes.

    Args:
        text: The text; JSON is fine too.
        source: Where it came from, for messages.

    Raises:
        ParameterError: It is not YAML, or asks for anything but plain data.
    """
    import yaml

    try:
        return yaml.load(text, Loader=plain_loader())
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise ParameterError(
            f"{source} is not readable as YAML",
            got=getattr(error, "problem", None) or str(error),
            location=f"{source}:{mark.line + 1}" if mark else None,
            fix="check the indentation and the colons there, and quote special characters",
        ) from None


def read_value(text: str, *, source: str) -> Any:
    """One value as a person types it on a command line: JSON, a YAML scalar, or text.

    Raises:
        ParameterError: It is not readable.
    """
    try:
        return json.loads(text)
    except ValueError:
        return read_yaml(text, source=source)
