# SPDX-License-Identifier: Apache-2.0
"""What Airflow shows of a pipeline and its nodes, as Markdown."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from ....utils.names import safe_name
from ...ir import EXPRESSION_KEY, NodeIR, PipelineIR

#: Longer values are cut: the compiled pipeline has them whole.
_LONGEST = 200


def pipeline_doc(ir: PipelineIR) -> str:
    """What a DAG's page says of its pipeline."""
    rows = [
        (f"`{name}`", found.type, _value(found.default), found.description)
        for name, found in ir.runtime_parameters.items()
    ]
    parts = [
        f"### {ir.name}",
        ir.description,
        "Penstock runs every task; `penstock runs show` tells more of a run.",
        _table(("parameter", "type", "default", "what it is"), rows),
    ]
    return "\n\n".join(part for part in parts if part)


def node_doc(node: NodeIR) -> str:
    """What a task's page says of its node."""
    inputs = [
        (
            f"`{name}`",
            found.type,
            ", ".join(f"`{c.node}.{c.output}`" for c in found.channels),
            "optional" if found.optional else "",
        )
        for name, found in node.inputs.items()
    ]
    outputs = [(f"`{name}`", found) for name, found in node.outputs.items()]
    values = [(f"`{name}`", _value(found)) for name, found in node.parameters.items()]
    conditions = [(f"`{_expression(found)}`",) for found in node.conditions]
    parts = [
        f"### {node.id}",
        node.description,
        f"`{node.type_name}`",
        _table(("runs only if",), conditions),
        _table(("input", "type", "from", ""), inputs),
        _table(("output", "type"), outputs),
        _table(("parameter", "value"), values),
    ]
    return "\n\n".join(part for part in parts if part)


def _table(columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = ["| " + " | ".join(_cell(each) for each in row) + " |" for row in rows]
    if not lines:
        return ""
    return "\n".join(["| " + " | ".join(columns) + " |", "|---" * len(columns) + "|", *lines])


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _value(value: Any) -> str:
    if value is None:
        return ""
    text = json.dumps(_plain(value), ensure_ascii=False, sort_keys=True)
    text = text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
    return f"`{text}`" if "`" not in text else text


def _plain(value: Any) -> Any:
    """A value with what is known only at run time put in words."""
    if isinstance(value, dict):
        if set(value) == {EXPRESSION_KEY}:
            return _expression(value[EXPRESSION_KEY])
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


def _expression(expression: Any) -> str:
    """An expression in words: `<Trainer.model>`, `<month>`, `<start.length> > 2`."""
    if not isinstance(expression, dict):
        return str(expression)
    kind = expression.get("kind")
    if kind == "literal":
        return json.dumps(expression.get("value"), ensure_ascii=False)
    if kind == "artifact":
        return f"<{expression['node']}.{expression['output']}>"
    if kind == "runtime_parameter":
        return f"<{expression['name']}>"
    if kind == "run":
        return f"<{expression['field']}>"
    if kind == "concat":
        parts = [
            json.loads(_expression(p)) if p.get("kind") == "literal" else _expression(p)
            for p in expression["parts"]
        ]
        return "".join(map(str, parts))
    if kind == "compare":
        sides = (expression["left"], expression["operator"], expression["right"])
        return " ".join(map(_expression, sides))
    if kind == "logic":
        operands = [_expression(each) for each in expression["operands"]]
        word = expression["operator"]
        return f"{word} {operands[0]}" if word == "not" else f" {word} ".join(operands)
    return json.dumps(expression, sort_keys=True)


def dag_id_of(ir: PipelineIR) -> str:
    """The id of a DAG whose settings name none."""
    return safe_name(ir.name)
