# SPDX-License-Identifier: Apache-2.0
"""Which names may become parts of paths, of database keys and of other systems' ids.

All are ASCII letters, digits, `_`, `-` and `.`, and begin with a letter or digit, so none
can leave its folder, hide itself, look like an option of a command, or differ between
file systems. The longest fits, with what is put around it, into a file name (255 bytes).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from .errors import ParameterError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*\Z")
_SPLIT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*\Z")
_ALLOWED = "letters, digits, '_', '-' and '.', beginning with a letter or digit"
_ALLOWED_SPLIT = "letters, digits, '_' and '-', beginning with a letter, digit or '_'"

MAX_PIPELINE_NAME = 128
MAX_NODE_ID = 128
MAX_RUN_ID = 128
MAX_SPLIT_NAME = 64
MAX_MODEL_NAME = 128
MAX_MODEL_LABEL = 64


def check_pipeline_name(name: str) -> str:
    """Returns `name`, if a pipeline may have it.

    Raises:
        ParameterError: It may not.
    """
    return _check(name, "pipeline name", _NAME, _ALLOWED, MAX_PIPELINE_NAME)


def check_node_id(node_id: str) -> str:
    """Returns `node_id`, if a node may have it; nested ids are joined by dots.

    Raises:
        ParameterError: It may not.
    """
    return _check(node_id, "node id", _NAME, _ALLOWED, MAX_NODE_ID)


def check_run_id(run_id: str) -> str:
    """Returns `run_id`, if a run may have it.

    Raises:
        ParameterError: It may not.
    """
    return _check(run_id, "run id", _NAME, _ALLOWED, MAX_RUN_ID)


def check_split_name(name: str) -> str:
    """Returns `name`, if a split may have it; its folder is `Split-<name>`.

    Raises:
        ParameterError: It may not.
    """
    return _check(name, "split name", _SPLIT, _ALLOWED_SPLIT, MAX_SPLIT_NAME)


def check_model_name(name: str) -> str:
    """Returns `name`, if a registered model may have it.

    Raises:
        ParameterError: It may not.
    """
    return _check(name, "model name", _NAME, _ALLOWED, MAX_MODEL_NAME)


def check_model_label(label: str, reserved: Sequence[str]) -> str:
    """Returns `label`, if a version of a model may have it.

    Raises:
        ParameterError: It may not: it cannot be part of a path, means something else
            already, or looks like a version.
    """
    _check(label, "label", _NAME, _ALLOWED, MAX_MODEL_LABEL)
    if label in reserved or re.fullmatch(r"v?[\d.]+", label):
        raise ParameterError(
            f"{label!r} cannot be a label: it means a version or stage already",
            expected=f"a name other than {', '.join(reserved)} and versions",
            got=label,
        )
    return label


def safe_name(text: str, *, max_length: int = MAX_NODE_ID) -> str:
    """An acceptable name that looks like `text`; different texts may give the same name."""
    cleaned = re.sub(r"[^A-Za-z0-9_.-]+", "_", text)
    return re.sub(r"\A[^A-Za-z0-9]+", "", cleaned)[:max_length].rstrip(".") or "unnamed"


def _check(name: object, what: str, pattern: re.Pattern[str], allowed: str, longest: int) -> str:
    if not isinstance(name, str):
        raise ParameterError(
            f"a {what} must be text", expected="text", got=f"{name!r} ({type(name).__name__})"
        )
    if len(name) > longest:
        raise ParameterError(
            f"the {what} is too long",
            expected=f"at most {longest} characters",
            got=f"{len(name)} characters: {name[:40]}…",
            suggestion=safe_name(name, max_length=longest // 2),
            fix="choose a shorter one",
        )
    if not pattern.match(name) or name.endswith(".") or ".." in name:
        suggestion = safe_name(name.replace("..", "_"), max_length=longest)
        if pattern is _SPLIT:
            suggestion = suggestion.replace(".", "_")
        raise ParameterError(
            f"{name!r} cannot be a {what}: it becomes part of paths",
            expected=allowed if name else f"at least one character: {allowed}",
            got=name or "an empty text",
            suggestion=suggestion if name else None,
            fix="rename it",
        )
    return name
