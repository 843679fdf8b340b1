# SPDX-License-Identifier: Apache-2.0
"""The accessors that TFX gives its artifacts, for executors and functions written for it.

See `tfx.v1.dsl.Artifact`
(https://www.tensorflow.org/tfx/api_docs/python/tfx/v1/dsl/Artifact).
"""

from __future__ import annotations

import json
from typing import Any, ClassVar

#: Custom properties in which TFX keeps who made an artifact, and what state it is in.
_STATE, _PIPELINE, _PRODUCER = "state", "pipeline_name", "producer_component"


class ArtifactAccessors:
    """Reads and sets custom properties by methods, one for each type of value."""

    TYPE_NAME: ClassVar[str]

    uri: str
    properties: dict[str, Any]
    custom_properties: dict[str, Any]

    @property
    def type_name(self) -> str:
        """Name of the artifact's type."""
        return self.TYPE_NAME

    @property
    def state(self) -> str:
        """What the artifact's producer set; empty by default."""
        return str(self.custom_properties.get(_STATE, ""))

    @state.setter
    def state(self, value: str) -> None:
        self.custom_properties[_STATE] = value

    @property
    def pipeline_name(self) -> str:
        """What the artifact's producer set; empty by default."""
        return str(self.custom_properties.get(_PIPELINE, ""))

    @pipeline_name.setter
    def pipeline_name(self, value: str) -> None:
        self.custom_properties[_PIPELINE] = value

    @property
    def producer_component(self) -> str:
        """What the artifact's producer set; empty by default."""
        return str(self.custom_properties.get(_PRODUCER, ""))

    @producer_component.setter
    def producer_component(self, value: str) -> None:
        self.custom_properties[_PRODUCER] = value

    @property
    def is_external(self) -> bool:
        """Whether the payload lies outside the pipeline's root."""
        return self.custom_properties.get("is_external") == 1

    @is_external.setter
    def is_external(self, value: bool) -> None:
        self.custom_properties["is_external"] = int(value)

    def has_property(self, key: str) -> bool:
        """Whether a declared property was set."""
        return key in self.properties

    def has_custom_property(self, key: str) -> bool:
        """Whether a custom property was set."""
        return key in self.custom_properties

    def get_custom_property(self, key: str) -> Any:
        """A custom property, or None."""
        return self.custom_properties.get(key)

    def get_string_custom_property(self, key: str) -> str:
        """A text among the custom properties, or an empty one."""
        return str(self.custom_properties.get(key, ""))

    def get_int_custom_property(self, key: str) -> int:
        """A whole number among the custom properties, or 0."""
        return int(self.custom_properties.get(key, 0))

    def get_float_custom_property(self, key: str) -> float:
        """A number among the custom properties, or 0.0."""
        return float(self.custom_properties.get(key, 0.0))

    def get_bool_custom_property(self, key: str) -> bool:
        """A truth value among the custom properties, or False."""
        return bool(self.custom_properties.get(key, False))

    def get_json_value_custom_property(self, key: str) -> Any:
        """What was set by `set_json_value_custom_property`, or None."""
        found = self.custom_properties.get(key)
        return None if found is None else json.loads(str(found))

    def set_string_custom_property(self, key: str, value: str) -> None:
        """Keeps a text among the custom properties."""
        self.custom_properties[key] = str(value)

    def set_int_custom_property(self, key: str, value: int) -> None:
        """Keeps a whole number among the custom properties."""
        self.custom_properties[key] = int(value)

    def set_float_custom_property(self, key: str, value: float) -> None:
        """Keeps a number among the custom properties."""
        self.custom_properties[key] = float(value)

    def set_bool_custom_property(self, key: str, value: bool) -> None:
        """Keeps a truth value among the custom properties, as 1 or 0."""
        self.custom_properties[key] = int(value)

    def set_json_value_custom_property(self, key: str, value: Any) -> None:
        """Keeps what is JSON-compatible among the custom properties, as text."""
        self.custom_properties[key] = json.dumps(value, sort_keys=True)

    def copy_from(self, other: Any) -> None:
        """Takes over URI and properties of another artifact."""
        self.uri = other.uri
        self.properties.update(other.properties)
        self.custom_properties.update(other.custom_properties)
