# SPDX-License-Identifier: Apache-2.0
"""What TensorFlow's errors mean for somebody who runs a transform."""

from __future__ import annotations

import errno
import re
import sys
from typing import TYPE_CHECKING

from ...utils.errors import DataError, PenstockError, StorageError
from ...utils.storage_errors import explain

if TYPE_CHECKING:
    import tensorflow as tf

#: How TensorFlow's file systems end their messages: "<path>; No space left on device".
_REFUSAL = re.compile(r"(?P<path>/[^;\n]+); (?P<reason>[^;\n]+)")
_CODES = {"ResourceExhaustedError": errno.ENOSPC, "PermissionDeniedError": errno.EACCES}


def storage_error(error: BaseException, node_id: str) -> StorageError | None:
    """What a full disk or a forbidden folder looks like when TensorFlow meets it."""
    tensorflow = sys.modules.get("tensorflow")
    if tensorflow is None or not isinstance(error, tensorflow.errors.OpError):
        return None
    refusal = _REFUSAL.search(str(error))
    code = _CODES.get(type(error).__name__)
    if refusal is None or code is None:
        return None
    path = refusal["path"]
    told = explain(OSError(code, refusal["reason"], path), path, "write")
    told.node = node_id
    told.__cause__ = error
    return told


def explain_op_error(error: tf.errors.OpError, node_id: str) -> PenstockError:
    """The error to show in place of TensorFlow's: about a file, or about the data."""
    return storage_error(error, node_id) or _about_data(error, node_id)


def _about_data(error: tf.errors.OpError, node_id: str) -> DataError:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    # TensorFlow puts the names of nodes first, and the reason on a line of its own.
    reason = next((line for line in lines if "assertion failed" in line), lines[0] if lines else "")
    told = DataError(
        "the transform graph failed on a batch of rows",
        node=node_id,
        got=f"{type(error).__name__}: {reason[:500]}",
        fix="make preprocessing_fn take these values, or keep such rows out of the data",
    )
    told.__cause__ = error
    return told
