# SPDX-License-Identifier: Apache-2.0
"""Executions to ML Metadata's messages and back.

Parameters and results are custom properties under their own names, as TFX has them. What
TFX has no property for is one JSON object in `__penstock__`: pipeline, run and node, the
attempt, and which properties are results or JSON.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ...components.base.artifact import PropertyValue
from .codec import Sidecar, encode_parameters, read_properties, write_properties
from .library import library
from .records import ExecutionRecord, ExecutionState, NodeKey
from .type_names import EXECUTION_RESULT_PROPERTY, PENSTOCK_PROPERTY

#: Longest error kept, in characters. The log has the rest.
MAX_ERROR_LENGTH = 20_000

#: Codes of `google.rpc.Code`, which TFX writes with an execution's result.
_CODES = {ExecutionState.FAILED: 2, ExecutionState.CANCELED: 1, ExecutionState.SKIPPED: 1}

_GROUP = "custom_properties"

#: Internal properties that a record tells in fields of their own.
_OTHERWISE_TOLD = (PENSTOCK_PROPERTY, EXECUTION_RESULT_PROPERTY)


def encode_execution(
    node: NodeKey,
    type_id: int,
    sidecar: Sidecar,
    *,
    state: ExecutionState,
    attempt: int,
    external_id: str,
    parameters: Mapping[str, Any],
    results: Mapping[str, PropertyValue] | None = None,
    custom: Mapping[str, PropertyValue] | None = None,
    error: str = "",
    cached_from: int | None = None,
) -> Any:
    """The message of a new execution.

    Raises:
        MetadataError: A value cannot be recorded.
    """
    made = library().protos.Execution(
        type_id=type_id,
        last_known_state=_mlmd_state(state),
        name=external_id,
        external_id=external_id,
    )
    encoded, as_json = encode_parameters(parameters)
    facts: dict[str, Any] = {
        "pipeline": node.pipeline,
        "run": node.run_id,
        "node": node.node_id,
        "attempt": attempt,
        "json": as_json,
    }
    if state is ExecutionState.SKIPPED:
        facts["skipped"] = True
    if cached_from is not None:
        facts["cached_from"] = cached_from
    values = {**encoded, **{_internal(name): value for name, value in (custom or {}).items()}}
    if error:
        values[EXECUTION_RESULT_PROPERTY] = _result_text(state, error)
    _write(made, values, results or {}, facts, sidecar)
    return made


def complete_execution(found: Any, results: Mapping[str, PropertyValue], sidecar: Sidecar) -> None:
    """Turns the message of a running execution into that of one that ended well.

    Raises:
        MetadataError: A result cannot be recorded.
    """
    found.last_known_state = _mlmd_state(ExecutionState.COMPLETE)
    if results:
        _rewrite(found, {}, results, sidecar)


def fail_execution(
    found: Any, state: ExecutionState, error: str, log_path: str, sidecar: Sidecar
) -> None:
    """Turns the message of an execution into that of one that did not end well."""
    found.last_known_state = _mlmd_state(state)
    added: dict[str, PropertyValue] = {EXECUTION_RESULT_PROPERTY: _result_text(state, error)}
    if log_path:
        added[_internal("log_path")] = log_path
    _rewrite(found, added, {}, sidecar)


def _rewrite(
    found: Any,
    added: Mapping[str, PropertyValue],
    results: Mapping[str, PropertyValue],
    sidecar: Sidecar,
) -> None:
    """Adds values to a message that has some; from their exact forms, so that none suffers."""
    values = read_properties(found.custom_properties, _GROUP, found.custom_properties)
    facts = _facts(values)
    values.pop(PENSTOCK_PROPERTY, None)
    found.custom_properties.clear()
    _write(found, {**values, **added}, results, facts, sidecar)


def _write(
    target: Any,
    values: Mapping[str, PropertyValue],
    results: Mapping[str, PropertyValue],
    facts: dict[str, Any],
    sidecar: Sidecar,
) -> None:
    renamed = {name: _free_name(name, values) for name in results}
    if renamed:
        facts["results"] = {kept: name for name, kept in renamed.items()}
    everything = {
        **values,
        **{renamed[name]: value for name, value in results.items()},
        PENSTOCK_PROPERTY: json.dumps(facts, sort_keys=True),
    }
    write_properties(everything, target.custom_properties, sidecar, _GROUP)
    sidecar.write(target.custom_properties)


def _free_name(name: str, taken: Mapping[str, PropertyValue]) -> str:
    """A result's own name, or one beside the parameter that has it."""
    while name in taken or name.startswith("__"):
        name = f"result_{name}"
    return name


def _internal(name: str) -> str:
    return f"__{name}__"


def _result_text(state: ExecutionState, error: str) -> str:
    """An `ExecutionResult` of TFX as it writes it (`execution_lib.set_execution_result`)."""
    if len(error) > MAX_ERROR_LENGTH:
        half = MAX_ERROR_LENGTH // 2
        error = f"{error[:half]}\n[...]\n{error[-half:]}"
    return json.dumps({"resultMessage": error, "code": _CODES.get(state, 0)}, indent=2)


def _mlmd_state(state: ExecutionState) -> int:
    name = "CANCELED" if state is ExecutionState.SKIPPED else state.name
    value: int = library().protos.Execution.State.Value(name)
    return value


def is_running(found: Any) -> bool:
    """Whether an execution's message says that it is going on."""
    protos = library().protos
    return found.last_known_state in (protos.Execution.RUNNING, protos.Execution.NEW)


def decode_execution(found: Any) -> ExecutionRecord:
    """The record of a message, without its artifacts."""
    values = read_properties(found.custom_properties, _GROUP, found.custom_properties)
    facts = _facts(values)
    state = ExecutionState(library().protos.Execution.State.Name(found.last_known_state).lower())
    if facts.get("skipped") and state is ExecutionState.CANCELED:
        state = ExecutionState.SKIPPED
    kept_results: Mapping[str, str] = facts.get("results", {})
    parameters: dict[str, Any] = {}
    results: dict[str, PropertyValue] = {}
    custom: dict[str, PropertyValue] = {}
    declared = read_properties(found.properties, "properties", found.custom_properties)
    for name, value in {**declared, **values}.items():
        if name in kept_results:
            results[kept_results[name]] = value
        elif name.startswith("__"):
            if name not in _OTHERWISE_TOLD and not name.startswith("__schema__"):
                custom[name.removeprefix("__").removesuffix("__")] = value
        else:
            parameters[name] = json.loads(str(value)) if name in facts.get("json", ()) else value
    return ExecutionRecord(
        id=found.id,
        pipeline=facts.get("pipeline", ""),
        run_id=facts.get("run", ""),
        node_id=facts.get("node", ""),
        type_name=found.type,
        state=state,
        attempt=facts.get("attempt", 1),
        started_at=found.create_time_since_epoch / 1000,
        updated_at=found.last_update_time_since_epoch / 1000,
        error=_error(values),
        parameters=parameters,
        results=results,
        custom_properties=custom,
        cached_from=facts.get("cached_from"),
    )


def _facts(values: Mapping[str, PropertyValue]) -> dict[str, Any]:
    """What `__penstock__` holds; empty for an execution that something else recorded."""
    facts: dict[str, Any] = json.loads(str(values.get(PENSTOCK_PROPERTY, "{}")))
    return facts


def _error(values: Mapping[str, PropertyValue]) -> str:
    text = str(values.get(EXECUTION_RESULT_PROPERTY, ""))
    try:
        result = json.loads(text) if text else {}
    except ValueError:
        return text
    return str(result.get("resultMessage", ""))
