# SPDX-License-Identifier: Apache-2.0
"""Rewrites imports of TFX, and nothing else of a file.

    from tfx import v1 as tfx              →  from penstock import tfx
    from tfx.components import Trainer     →  from penstock.tfx.components import Trainer
    import tfx.dsl.io.fileio as fileio     →  import penstock.tfx.dsl.io.fileio as fileio

Modules of TFX's examples that were copied into the folder are imported from there:

    from tfx.examples.penguin import penguin_utils_base  →  import penguin_utils_base

What is replaced are the names of modules; aliases, parentheses, line breaks and comments stay.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Collection, Iterator

from .text_edit import Edit, Offsets

#: The package that pipelines import, and what takes its place.
TFX, FACE = "tfx", "penstock.tfx"
#: What of the package is there to be copied.
_COPIED = re.compile(r"(penstock\.)?tfx\.(examples|experimental\.templates)\b")


def import_edits(source: str, tree: ast.Module, beside: Collection[str] = ()) -> list[Edit]:
    """What to change in a file so that it imports Penstock's face instead of TFX.

    Args:
        source: The file's text.
        tree: Its syntax tree.
        beside: Names of the modules in the file's folder.
    """
    offsets = Offsets(source)
    edits = []
    for node in ast.walk(tree):
        if copied_modules(node, beside):
            assert isinstance(node, ast.ImportFrom)
            edits.append(_edit_copied(source, offsets, node, beside))
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and is_tfx(node.module or ""):
            edits.append(_edit_from(source, offsets, node))
        elif isinstance(node, ast.Import) and any(is_tfx(name.name) for name in node.names):
            edits.append(_edit_import(source, offsets, node))
    return edits


def is_tfx(module: str) -> bool:
    """Whether a module is TFX or a part of it."""
    return module == TFX or module.startswith(TFX + ".")


def face_module(module: str) -> str:
    """The module of the face that stands for one of TFX: `tfx.v1.dsl` is `penstock.tfx.dsl`."""
    parts = module.split(".")[1:]
    if parts[:1] == ["v1"]:
        parts = parts[1:]
    return ".".join([FACE, *parts])


def copied_modules(node: ast.AST, beside: Collection[str]) -> list[str]:
    """Modules of TFX's examples that a statement imports, and that lie beside the file."""
    if not isinstance(node, ast.ImportFrom) or not _COPIED.match(node.module or ""):
        return []
    module = node.module or ""
    if module.rpartition(".")[2] in beside:
        return [module]
    names = [alias.name for alias in node.names]
    return [f"{module}.{name}" for name in names] if set(names) <= set(beside) else []


def _edit_copied(
    source: str, offsets: Offsets, node: ast.ImportFrom, beside: Collection[str]
) -> Edit:
    start, end = offsets.of_node(node)
    last = (node.module or "").rpartition(".")[2]
    if last not in beside:
        return Edit(start, end, "import " + ", ".join(map(_alias_text, node.names)))
    module_start, module_end = _module_span(source[start:end])
    return Edit(start + module_start, start + module_end, last)


def _edit_from(source: str, offsets: Offsets, node: ast.ImportFrom) -> Edit:
    start, end = offsets.of_node(node)
    names = [alias.name for alias in node.names]
    if node.module == TFX and names == ["v1"]:
        # `from tfx import v1 as tfx`: the face itself.
        bound = node.names[0].asname or "v1"
        name_start, name_end = offsets.of_node(node.names[0])
        written = "tfx" if bound == "tfx" else f"tfx as {bound}"
        module_start, module_end = _module_span(source[start:end])
        between = source[start + module_end : name_start]
        return Edit(start + module_start, name_end, f"penstock{between}{written}")
    module_start, module_end = _module_span(source[start:end])
    return Edit(start + module_start, start + module_end, face_module(node.module or ""))


def _module_span(statement: str) -> tuple[int, int]:
    """Where the module's name stands in a `from … import …`, which may hold line breaks."""
    offsets = Offsets(statement)
    tokens = [t for t in _tokens(statement) if t.type in (tokenize.NAME, tokenize.OP)]
    until = next(i for i, token in enumerate(tokens) if token.string == "import")
    first, last = tokens[1], tokens[until - 1]
    return (
        offsets.line_start(first.start[0]) + first.start[1],
        offsets.line_start(last.end[0]) + last.end[1],
    )


def _tokens(text: str) -> Iterator[tokenize.TokenInfo]:
    # A statement cut out of an indented block is complete by itself: it parses at the margin.
    return tokenize.generate_tokens(io.StringIO(text, newline="").readline)


def _edit_import(source: str, offsets: Offsets, node: ast.Import) -> Edit:
    """`import a, tfx.v1 as tfx` becomes `import a` and `from penstock import tfx`."""
    others = [alias for alias in node.names if not is_tfx(alias.name)]
    written = ["import " + ", ".join(map(_alias_text, others))] if others else []
    for alias in node.names:
        if is_tfx(alias.name):
            text = _import_text(alias)
            if text not in written:
                written.append(text)
    start, end = offsets.of_node(node)
    line = source[source.rfind("\n", 0, start) + 1 : start]
    # Where other code stands on the line, all stays on it.
    alone = not line.strip() and source[end : end + 1] in ("", "\n", "\r")
    newline = "\r\n" if source[end : end + 2] == "\r\n" else "\n"
    return Edit(start, end, (newline + line if alone else "; ").join(written))


def _alias_text(alias: ast.alias) -> str:
    return f"{alias.name} as {alias.asname}" if alias.asname else alias.name


def _import_text(alias: ast.alias) -> str:
    module = face_module(alias.name)
    if alias.asname is None or module == FACE:
        # It binds `tfx`, whose parts are then reached as attributes.
        bound = alias.asname or TFX
        return "from penstock import tfx" + ("" if bound == TFX else f" as {bound}")
    return f"import {module} as {alias.asname}"
