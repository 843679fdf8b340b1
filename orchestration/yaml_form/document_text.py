# SPDX-License-Identifier: Apache-2.0
"""Plain data as YAML text."""

from __future__ import annotations

import functools
from typing import Any

from ...utils.plain_yaml import RESOLVERS


@functools.cache
def _dumper() -> Any:
    import re

    import yaml

    class Dumper(yaml.SafeDumper):
        """Quotes whatever some reader of YAML would not take for a text."""

        def ignore_aliases(self, data: Any) -> bool:
            del data
            return True

        def increase_indent(self, flow: bool = False, indentless: bool = False) -> Any:
            del indentless
            return super().increase_indent(flow, False)

    for tag, pattern, first in RESOLVERS:
        Dumper.add_implicit_resolver(tag, re.compile(pattern), list(first))

    def text(dumper: Any, value: str) -> Any:
        style = (
            "|" if "\n" in value and not any(c in value for c in "\r\t\x85\u2028\u2029") else None
        )
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)

    Dumper.add_representer(str, text)
    return Dumper


def document_text(document: dict[str, Any]) -> str:
    """A document as YAML text that every reader of YAML takes for what it is."""
    import yaml

    body: str = yaml.dump(
        document, Dumper=_dumper(), sort_keys=False, allow_unicode=True, width=96,
        default_flow_style=False,
    )  # fmt: skip
    return f"# A Penstock pipeline, written by `penstock export --yaml`.\n{body}"
