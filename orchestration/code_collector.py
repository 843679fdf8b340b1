# SPDX-License-Identifier: Apache-2.0
"""Collects the user's code into a compiled pipeline, by content digest."""

from __future__ import annotations

import sys
from typing import Any

from ..components.base.node import Node
from ..utils.errors import CodeError, nearest
from ..utils.user_code import CodeBundle, collect, defined_names, fingerprint, slice_report
from .executor_source import is_framework_path
from .ir import CodeIR

#: Entry point under which a user's own executor class travels.
EXECUTOR_ENTRY = "executor"
_MODULE_FILE = "module_file"


class CodeCollector:
    """Collects the code of one pipeline's nodes; equal code travels once.

    Attributes:
        bundles: Code bundles in their JSON form, by digest.
    """

    def __init__(self) -> None:
        self.bundles: dict[str, dict[str, Any]] = {}

    def collect(self, node_id: str, node: Node) -> dict[str, CodeIR]:
        """The user functions of a node, by entry point.

        Raises:
            CodeError: A function or its module cannot be found or read.
        """
        found: dict[str, CodeIR] = {}
        try:
            for entry, given in node.user_code.items():
                found[entry] = self._one(given)
            module_file = node.parameters.get(_MODULE_FILE)
            if isinstance(module_file, str):
                found.update(self._from_module_file(node, module_file, set(found)))
            self._check_required(node, found)
            if node.executor and not is_framework_path(node.executor):
                found[EXECUTOR_ENTRY] = self._one(_executor(node.executor))
        except CodeError as error:
            error.node = error.node or node_id
            error.location = error.location or node.location
            raise
        return found

    def _one(self, given: Any) -> CodeIR:
        bundle, module, attribute = collect(given)
        if attribute is None:
            raise CodeError(
                "a function is needed, not a module",
                got=str(given),
                fix="name the function too: package.module.function",
            )
        return self._code(bundle, module, attribute)

    def _from_module_file(self, node: Node, path: str, given: set[str]) -> dict[str, CodeIR]:
        bundle, module, _ = collect(path)
        defined = defined_names(bundle, module)
        wanted = [name.rstrip("?") for name in node.entry_points]
        return {
            name: self._code(bundle, module, name)
            for name in wanted
            if name in defined and name not in given
        }

    def _check_required(self, node: Node, found: dict[str, CodeIR]) -> None:
        for entry in node.entry_points:
            if entry.endswith("?") or entry in found:
                continue
            module_file = node.parameters.get(_MODULE_FILE)
            if not isinstance(module_file, str):
                raise CodeError(
                    f"{entry} is missing",
                    expected=f"module_file='…' or {entry}=a function",
                    got="neither",
                )
            bundle, module, _ = collect(module_file)
            defined = sorted(defined_names(bundle, module))
            raise CodeError(
                f"the module file defines no {entry}()",
                expected=entry,
                got=f"{module_file} defines {', '.join(defined) or 'nothing'}",
                suggestion=nearest(entry, defined),
                fix=f"define {entry}() in {module_file}",
            )

    def _code(self, bundle: CodeBundle, module: str, attribute: str) -> CodeIR:
        self.bundles.setdefault(bundle.digest, bundle.to_dict())
        return CodeIR(
            bundle=bundle.digest,
            module=module,
            attribute=attribute,
            fingerprint=fingerprint(bundle, module, attribute),
            statements=slice_report(bundle, module, attribute),
        )


def _executor(path: str) -> Any:
    """An executor of the user's own: its path, or itself where the program that runs defines it."""
    module, _, name = path.partition(":")
    found: Any = sys.modules.get(module) if module == "__main__" else None
    for part in name.split("."):
        found = getattr(found, part, None)
    return path if found is None else found
