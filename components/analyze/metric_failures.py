# SPDX-License-Identifier: Apache-2.0
"""Says of a metric that failed which one it was, and on what."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ...utils.errors import ExecutionError, PenstockError
from ...utils.readable import first_error_line

_MADE_OF = {
    "calibration histogram": " (such as AUC, or a calibration plot)",
    "weighted labels predictions examples": " (such as a calibration, or a mean)",
}


@contextmanager
def named_failures(name: str, values: str = "") -> Iterator[None]:
    """Raises what fails inside, which may be anybody's code, as an error that users can act on.

    Args:
        name: Of the metric, as `name_of` gives it.
        values: What it was given, in words.

    Raises:
        ExecutionError: Something failed.
    """
    try:
        yield
    except PenstockError:
        raise
    except Exception as error:
        raise ExecutionError(
            f"{name} cannot be computed",
            expected="labels and predictions that the metric takes",
            got=(f"{values}: " if values else "") + first_error_line(error),
            fix="choose metrics for this kind of label (Sparse… for numbers of classes, binarize "
            "for one class of several), or correct label_key and prediction_key in eval_config; "
            "where NaN is the trouble, look at what the model learnt from",
        ) from error


def name_of(combiner: Any) -> str:
    """What users call that which one of TFMA's combiners computes."""
    held = getattr(combiner, "_metrics", None)
    # Some of TFMA's combiners have a method of that name.
    metrics = [m.name for found in held.values() for m in found] if isinstance(held, dict) else []
    if metrics:
        return f"the metric{'s' if len(metrics) > 1 else ''} {', '.join(metrics)}"
    found = [getattr(combiner, name, None) for name in ("_key", "_metric_key")]
    keys = [key for key in (*found, *getattr(combiner, "_keys", ())) if key is not None]
    if not keys:
        return "a metric"
    if not str(keys[0].name).startswith("_"):
        return f"the metric {keys[0].name}"
    # TFMA's own name for what several metrics are made of.
    words = re.split("[^a-z_]", str(keys[0].name))[0].replace("_", " ").strip()
    return f"a metric made of {words}{_MADE_OF.get(words, '')}"
