# SPDX-License-Identifier: Apache-2.0
"""What a Model artifact says of its flavor, and loading a model with the trust it was given.

The types that a model may be made of are named in the pipeline, as the Trainer's
`custom_config={"trusted_types": […]}`, and are recorded in the metadata store. A folder
cannot vouch for itself: whoever can put a model there could put such a list beside it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ....utils.errors import ParameterError
from ...base.artifact_types import Model
from .predictor import Predictor
from .registry import load_predictor

#: Custom properties of a Model artifact.
FLAVOR = "flavor"
TRUSTED_TYPES = "trusted_types"


def load_model(model: Model, *, signature: str | None = None) -> Predictor:
    """Loads the model of an artifact, trusting the types that its Trainer was told to.

    Raises:
        ModelError: There is no model that can be loaded safely.
    """
    return load_predictor(model.uri, signature=signature, trusted_types=trusted_types(model))


def trusted_types(model: Model) -> list[str]:
    """Types that the Trainer of `model` was told to trust."""
    recorded = model.custom_properties.get(TRUSTED_TYPES)
    return [str(each) for each in json.loads(recorded)] if isinstance(recorded, str) else []


def configured_trust(custom_config: Mapping[str, Any] | None, node_id: str) -> list[str]:
    """`trusted_types` of a Trainer's `custom_config`.

    Raises:
        ParameterError: It is no list of names.
    """
    found = (custom_config or {}).get(TRUSTED_TYPES) or []
    if isinstance(found, list) and all(isinstance(each, str) for each in found):
        return list(found)
    raise ParameterError(
        "custom_config['trusted_types'] is no list of types",
        node=node_id,
        expected='names such as ["my_package.encoders.Rare"]',
        got=repr(found)[:200],
    )


def record(model: Model, flavor: str, trusted: list[str]) -> None:
    """Writes down a model's flavor, and the types that may be loaded for it."""
    model.custom_properties[FLAVOR] = flavor
    if trusted:
        model.custom_properties[TRUSTED_TYPES] = json.dumps(sorted(trusted))
