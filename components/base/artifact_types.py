# SPDX-License-Identifier: Apache-2.0
"""The standard artifact types, with TFX's names and properties.

See `tfx.types.standard_artifacts`
(https://www.tensorflow.org/tfx/api_docs/python/tfx/v1/types/standard_artifacts).
"""

from __future__ import annotations

import base64
import json
from typing import Any, ClassVar

from .artifact import Artifact, PropertyType, SplitArtifact, ValueArtifact


class Examples(SplitArtifact):
    """Records in splits: `<uri>/Split-<name>/` holds the files of one split.

    The custom property `payload_format` is `parquet` or `tfrecord`.
    """

    TYPE_NAME = "Examples"
    PROPERTIES = {
        "span": PropertyType.INT,
        "version": PropertyType.INT,
        "split_names": PropertyType.STRING,
    }


class ExampleStatistics(SplitArtifact):
    """`DatasetFeatureStatisticsList` of every split, in `Split-<name>/FeatureStats.pb`."""

    TYPE_NAME = "ExampleStatistics"
    PROPERTIES = {"span": PropertyType.INT, "split_names": PropertyType.STRING}


class Schema(Artifact):
    """A `tensorflow_metadata` schema, as text, in `schema.pbtxt`."""

    TYPE_NAME = "Schema"


class ExampleAnomalies(SplitArtifact):
    """`Anomalies` of every split, in `Split-<name>/SchemaDiff.pb`."""

    TYPE_NAME = "ExampleAnomalies"
    PROPERTIES = {"span": PropertyType.INT, "split_names": PropertyType.STRING}


class TransformGraph(Artifact):
    """The output of TensorFlow Transform, readable by `tft.TFTransformOutput`."""

    TYPE_NAME = "TransformGraph"


class TransformCache(Artifact):
    """Analyzer caches that a later Transform can start from."""

    TYPE_NAME = "TransformCache"


class Model(Artifact):
    """A trained model: `Format-Serving/` for servers, `Format-TFMA/` for analysis."""

    TYPE_NAME = "Model"


class ModelRun(Artifact):
    """What training logged: TensorBoard events and the like."""

    TYPE_NAME = "ModelRun"


class ModelEvaluation(Artifact):
    """Metrics, plots and validations that the Evaluator wrote."""

    TYPE_NAME = "ModelEvaluation"


class ModelBlessing(Artifact):
    """The verdict on a model: custom property `blessed` is 1 or 0.

    The folder holds an empty file named `BLESSED` or `NOT_BLESSED`.
    """

    TYPE_NAME = "ModelBlessing"

    @property
    def blessed(self) -> bool:
        """Whether the model may go on."""
        return self.custom_properties.get("blessed") == 1


class ApprovalRecord(Artifact):
    """Somebody's consent: custom properties `by`, `note` and `decided_at` (ISO 8601, UTC).

    The folder holds the same as `approval.json`.
    """

    TYPE_NAME = "ApprovalRecord"


class InfraBlessing(Artifact):
    """The verdict on whether a model can be served."""

    TYPE_NAME = "InfraBlessing"


class PushedModel(Artifact):
    """Where a model was pushed to, and under which version."""

    TYPE_NAME = "PushedModel"


class HyperParameters(Artifact):
    """The best hyperparameters that a tuner found."""

    TYPE_NAME = "HyperParameters"


class TunerResults(Artifact):
    """The trials of a tuner."""

    TYPE_NAME = "TunerResults"


class InferenceResult(Artifact):
    """Predictions over a set of examples."""

    TYPE_NAME = "InferenceResult"


class ModelCardArtifact(Artifact):
    """A page about a model: `model_card.html`, `model_card.md`, and both as `card.json`."""

    TYPE_NAME = "ModelCard"


class FeatureInfluenceArtifact(Artifact):
    """How much features matter to a model: `influence.json` and `influence.html`."""

    TYPE_NAME = "FeatureInfluence"


class ExternalArtifact(Artifact):
    """Anything that comes from outside the pipeline."""

    TYPE_NAME = "ExternalArtifact"


class Integer(ValueArtifact):
    """One whole number."""

    TYPE_NAME = "Integer"
    PYTHON_TYPES = (int,)


class Float(ValueArtifact):
    """One number."""

    TYPE_NAME = "Float"
    PYTHON_TYPES = (float, int)

    def encode(self, value: Any) -> bytes:
        """Its digits, `NaN`, `Infinity` or `-Infinity`."""
        return super().encode(float(value))


class String(ValueArtifact):
    """One text."""

    TYPE_NAME = "String"
    PYTHON_TYPES = (str,)

    def encode(self, value: Any) -> bytes:
        """The text itself, in UTF-8."""
        return str(value).encode()

    def decode(self, serialized_value: bytes) -> str:
        """The text."""
        found = self.written_as_json(serialized_value)
        return found if isinstance(found, str) else serialized_value.decode()


class Boolean(ValueArtifact):
    """One truth value."""

    TYPE_NAME = "Boolean"
    PYTHON_TYPES = (bool,)

    def encode(self, value: Any) -> bytes:
        """`1` or `0`."""
        return b"1" if value else b"0"

    def decode(self, serialized_value: bytes) -> bool:
        """The truth value."""
        return bool(json.loads(serialized_value))


class Bytes(ValueArtifact):
    """Bytes."""

    TYPE_NAME = "Bytes"
    PYTHON_TYPES = (bytes,)

    def encode(self, value: Any) -> bytes:
        """The bytes themselves."""
        return bytes(value)

    def decode(self, serialized_value: bytes) -> bytes:
        """The bytes."""
        found = self.written_as_json(serialized_value)
        return base64.b64decode(found) if isinstance(found, str) else serialized_value


class JsonValue(ValueArtifact):
    """Any JSON-compatible value."""

    TYPE_NAME = "JsonValue"


class ValueTypes:
    """Which value artifact keeps which Python type."""

    BY_PYTHON_TYPE: ClassVar[dict[type, type[ValueArtifact]]] = {
        int: Integer,
        float: Float,
        str: String,
        bool: Boolean,
        list: JsonValue,
        dict: JsonValue,
    }


class RejectedExamples(Artifact):
    """Records that were left out when data was ingested, in `rejected-….jsonl`.

    Each line is an object with `file`, `line`, `reason`, `detail` and `raw`. The custom
    property `rows` is their number, `reasons` the number of each reason, as JSON.
    """

    TYPE_NAME = "RejectedExamples"
    PROPERTIES = {"span": PropertyType.INT, "version": PropertyType.INT}
