# SPDX-License-Identifier: Apache-2.0
"""What a BulkInferrer is told: which data, which signatures, which columns to write.

Field names are those of TFX's `bulk_inferrer_pb2`
(https://www.tensorflow.org/tfx/guide/bulkinferrer).
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, model_validator


class _Spec(BaseModel):
    model_config = ConfigDict(extra="forbid")


class DataSpec(_Spec):
    """Which examples to predict for.

    Attributes:
        example_splits: Names of splits; all where empty.
    """

    example_splits: list[str] = Field(default_factory=list)


class ModelSpec(_Spec):
    """How to ask a SavedModel; models of other flavors have one way only.

    Attributes:
        model_signature_name: Signatures to call; `["serving_default"]` where empty.
        tag: Tags of its graph; `["serve"]` where empty.
    """

    model_signature_name: list[str] = Field(default_factory=list)
    tag: list[str] = Field(default_factory=list)


class ClassifyOutput(_Spec):
    """Columns for what a classifier answers; one that is not named is not written.

    Attributes:
        label_column: Names of the classes, a list in every row.
        score_column: Their scores, a list in every row.
    """

    label_column: str = ""
    score_column: str = ""


class RegressOutput(_Spec):
    """A column for what a regression answers.

    Attributes:
        value_column: The value.
    """

    value_column: str


class PredictOutputCol(_Spec):
    """A column for one output.

    Attributes:
        output_key: Name of the model's output.
        output_column: Name of the column.
    """

    output_key: str
    output_column: str


class PredictOutput(_Spec):
    """Columns for outputs by name.

    Attributes:
        output_columns: One for each output that is to be written.
    """

    output_columns: list[PredictOutputCol] = Field(default_factory=list)


class OutputColumnsSpec(_Spec):
    """Columns for the outputs of one signature: exactly one of the three kinds.

    Attributes:
        signature_name: The signature; may be left out where only one is called.
        classify_output: For classifiers.
        regress_output: For regressions.
        predict_output: For outputs by name.
    """

    signature_name: str = ""
    classify_output: ClassifyOutput | None = None
    regress_output: RegressOutput | None = None
    predict_output: PredictOutput | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> OutputColumnsSpec:
        kinds = (self.classify_output, self.regress_output, self.predict_output)
        if sum(kind is not None for kind in kinds) != 1:
            raise ValueError(
                "name exactly one of classify_output, regress_output and predict_output"
            )
        return self


class OutputExampleSpec(_Spec):
    """Which columns to add to the examples.

    Attributes:
        output_columns_spec: One for each signature that is called.
    """

    output_columns_spec: list[OutputColumnsSpec] = Field(min_length=1)
