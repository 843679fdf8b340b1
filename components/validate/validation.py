# SPDX-License-Identifier: Apache-2.0
"""One call of TFDV's validation, with errors for people."""

from __future__ import annotations

from typing import Any

import tensorflow_data_validation as tfdv
from google.protobuf import json_format
from tensorflow_data_validation.anomalies.proto import custom_validation_config_pb2
from tensorflow_metadata.proto.v0 import schema_pb2

from ...utils.errors import ParameterError
from .custom_validation import CustomValidationConfig


def validate(
    statistics: Any,
    schema: schema_pb2.Schema,
    *,
    environment: str | None = None,
    previous: Any = None,
    serving: Any = None,
    custom: CustomValidationConfig | None = None,
    node: str | None = None,
) -> Any:
    """Anomalies in statistics, as an `Anomalies` message.

    Args:
        statistics: Of the data.
        schema: What it should be, with comparators.
        environment: One of the schema's.
        previous: Statistics to find drift against.
        serving: Statistics to find skew against.
        custom: Conditions; those over pairs are left out where there is no `previous`.
        node: Id of the node, for messages.

    Raises:
        ParameterError: A custom validation cannot be evaluated.
    """
    try:
        return tfdv.validate_statistics(
            statistics,
            schema,
            environment,
            previous_statistics=previous,
            serving_statistics=serving,
            custom_validation_config=_message(custom, previous is not None),
        )
    except RuntimeError as error:
        if custom is None or "custom validations" not in str(error):
            raise
        raise ParameterError(
            "a custom validation cannot be evaluated",
            node=node,
            expected="an SQL condition over FeatureNameStatistics, of a feature that is there",
            got=str(error).partition("Failed to run custom validations: ")[2] or str(error),
            fix="correct custom_validation_config",
        ) from error


def _message(custom: CustomValidationConfig | None, has_previous: bool) -> Any:
    if custom is None:
        return None
    raw = custom.model_dump()
    if not has_previous:
        raw["feature_pair_validations"] = []
    return json_format.ParseDict(raw, custom_validation_config_pb2.CustomValidationConfig())
