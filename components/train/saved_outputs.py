# SPDX-License-Identifier: Apache-2.0
"""What a `run_fn` saved: is it there, and can it serve?"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import saved_model_pb2

from ...utils.errors import UserCodeError

#: The signature that TensorFlow Serving and the Evaluator call.
SERVING_SIGNATURE = "serving_default"

_SAVE = (
    "end run_fn with tf.saved_model.save(module, fn_args.serving_model_dir, "
    f"signatures={{'{SERVING_SIGNATURE}': serve}}), or model.export(fn_args.serving_model_dir)"
)


def check_serving_model(serving_dir: str, run_fn: Callable[..., Any], node_id: str) -> str:
    """Finds out what was saved to serve.

    Args:
        serving_dir: `fn_args.serving_model_dir`.
        run_fn: The user's function, for messages.
        node_id: Id of the node, for messages.

    Returns:
        The model's flavor: `tensorflow` for a SavedModel, `other` for anything else.

    Raises:
        UserCodeError: Nothing was saved, or a SavedModel that cannot serve.
    """
    names = sorted(os.listdir(serving_dir)) if os.path.isdir(serving_dir) else []
    location = _location(run_fn)
    if not names:
        raise UserCodeError(
            "run_fn returned without saving a model",
            node=node_id,
            expected=f"a SavedModel in {serving_dir}",
            got="an empty folder",
            location=location,
            fix=_SAVE,
        )
    if "saved_model.pb" not in names:
        return "other"
    signatures = _signatures(os.path.join(serving_dir, "saved_model.pb"), node_id)
    if SERVING_SIGNATURE not in signatures:
        raise UserCodeError(
            "run_fn saved a model without a serving signature",
            node=node_id,
            expected=f"a signature {SERVING_SIGNATURE!r} in {serving_dir}",
            got=f"signatures {', '.join(signatures)}" if signatures else "no signatures",
            location=location,
            fix=_SAVE,
        )
    return "tensorflow"


def _signatures(path: str, node_id: str) -> Sequence[str]:
    with open(path, "rb") as file:
        data = file.read()
    try:
        model = saved_model_pb2.SavedModel.FromString(data)
    except DecodeError as error:
        raise UserCodeError(
            "run_fn saved a file that is no SavedModel",
            node=node_id,
            got=f"{path}: {error}",
            fix=_SAVE,
        ) from None
    # Loading adds an operation to initialize tables; nobody calls that.
    return sorted(
        name
        for graph in model.meta_graphs
        for name in graph.signature_def
        if not name.startswith("__saved_model")
    )


def _location(function: Callable[..., Any]) -> str | None:
    code = getattr(function, "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code else None
