# SPDX-License-Identifier: Apache-2.0
"""Structured parameters that arrive as JSON text.

In TFX a message may come from a runtime parameter, or from what an earlier node put out; it
is its JSON text then, which native executors are given as the dict that it is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..base.executor import Task
from ..ingest import source_files

#: Parameters that are messages in TFX.
_STRUCTURED = frozenset({"input_config", "output_config", "range_config"})


def decoded(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters with JSON texts read."""
    return {
        name: json.loads(value) if name in _STRUCTURED and isinstance(value, str) else value
        for name, value in parameters.items()
    }


def decoded_task(task: Task) -> Task:
    """A task whose parameters' JSON texts are read."""
    return replace(task, parameters=decoded(task.parameters))


def external_inputs(parameters: Mapping[str, Any]) -> source_files.ExternalInputs:
    """What a file-based example generator with these parameters would read now.

    Raises:
        DataError: Nothing fits a pattern.
        ParameterError: A parameter is not acceptable.
    """
    return source_files.external_inputs(decoded(parameters))
