# SPDX-License-Identifier: Apache-2.0
"""TFDV's `StatsOptions` as the native one, and the updater function of module files."""

from __future__ import annotations

import enum
import json
from typing import Any

from ...utils.errors import ParameterError
from ...utils.source_location import caller_location


class StatsType(enum.Enum):
    """Which statistics a `stats_options_updater_fn` is asked about."""

    UNKNOWN = 0
    PRE_TRANSFORM = 1
    POST_TRANSFORM = 2


def stats_options_parameter(options: Any) -> Any:
    """A `tfdv.StatsOptions` as a dict of the options that differ from TFDV's defaults.

    Raises:
        ParameterError: It holds functions, which cannot be written down.
    """
    if options is None or not hasattr(options, "to_json"):
        return options
    for name in ("generators", "experimental_slice_functions"):
        if getattr(options, name, None):
            raise ParameterError(
                f"stats_options.{name} holds functions, which cannot be written down",
                expected="options that are data, as in TFX",
                got=name,
                location=caller_location(),
                fix="use slicing_config, or a component of your own",
            )
    from ..validate.stats_options import StatsOptions

    default = _plain_options(type(options)())
    return {
        name: value
        for name, value in _plain_options(options).items()
        if value is not None and name in StatsOptions.model_fields and value != default.get(name)
    }


def _plain_options(options: Any) -> dict[str, Any]:
    from .messages import is_message, plain

    # TFDV writes some options under the names of its own attributes.
    found = {name.lstrip("_"): value for name, value in json.loads(options.to_json()).items()}
    found["experimental_slice_sqls"] = found.pop("slice_sqls", None)
    slicing = getattr(options, "slicing_config", None)
    found["slicing_config"] = plain(slicing) if is_message(slicing) else None
    vocabularies = getattr(options, "vocab_paths", None)
    found["vocab_paths"] = dict(vocabularies) if vocabularies else None
    schema = getattr(options, "schema", None)
    found["schema_text"] = str(schema) if schema is not None else None
    return found
