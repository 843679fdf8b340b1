# SPDX-License-Identifier: Apache-2.0
"""What a `run_fn` saved: is it there, which flavor is it, and can it serve?"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

from ...utils.errors import UserCodeError
from ...utils.logs import get_logger
from ...utils.user_code.tracebacks import function_location
from .flavors.registry import FLAVORS, ModelError, UnknownFormat, detect, load_predictor

_log = get_logger(__name__)

#: The signature that TensorFlow Serving and the Evaluator call.
SERVING_SIGNATURE = "serving_default"
#: Flavor of a model in a format that only its user knows.
OTHER = "other"

_SAVE = (
    "end run_fn with tf.saved_model.save(module, fn_args.serving_model_dir, "
    f"signatures={{'{SERVING_SIGNATURE}': serve}}), or model.export(fn_args.serving_model_dir)"
)


def check_serving_model(
    serving_dir: str,
    run_fn: Callable[..., Any],
    node_id: str,
    trusted_types: Sequence[str] = (),
) -> str:
    """Finds out what was saved to serve.

    Args:
        serving_dir: `fn_args.serving_model_dir`.
        run_fn: The user's function, for messages.
        node_id: Id of the node, for messages.
        trusted_types: Types that the model may be made of, besides harmless ones.

    Returns:
        The model's flavor, as `registry.detect` names it; `other` for a format that is not
        known, which is kept, but can be neither evaluated nor served here.

    Raises:
        UserCodeError: Nothing was saved, or what cannot be loaded safely, or a SavedModel
            that cannot serve.
    """
    names = sorted(os.listdir(serving_dir)) if os.path.isdir(serving_dir) else []
    location = function_location(run_fn)
    if not names:
        formats = ", ".join(f"{each.files[0]} ({each.name})" for each in FLAVORS)
        raise UserCodeError(
            "run_fn returned without saving a model",
            node=node_id,
            expected=f"a model in {serving_dir}: {formats}",
            got="an empty folder",
            location=location,
            fix=_SAVE + "; or save a model of another framework there",
        )
    try:
        flavor = detect(serving_dir)
        if flavor == "tensorflow":
            _check_signatures(serving_dir, node_id, location)
        else:
            load_predictor(serving_dir, trusted_types=trusted_types)
    except UnknownFormat as error:
        _log.warning(
            "run_fn saved a model in a format that cannot be evaluated or served here: %s",
            error.got,
        )
        return OTHER
    except ModelError as error:
        raise UserCodeError(
            f"run_fn saved a model that cannot be used: {error.what}",
            node=node_id,
            expected=error.expected,
            got=error.got,
            suggestion=error.suggestion,
            location=location or error.location,
            fix=error.fix,
        ) from error
    return flavor


def _check_signatures(serving_dir: str, node_id: str, location: str | None) -> None:
    # Loads TensorFlow, which models of other flavors do without.
    from .flavors.signature_features import read_saved_model, signature_names

    signatures = signature_names(read_saved_model(serving_dir))
    if SERVING_SIGNATURE not in signatures:
        raise UserCodeError(
            "run_fn saved a model without a serving signature",
            node=node_id,
            expected=f"a signature {SERVING_SIGNATURE!r} in {serving_dir}",
            got=f"signatures {', '.join(signatures)}" if signatures else "no signatures",
            location=location,
            fix=_SAVE,
        )
