# SPDX-License-Identifier: Apache-2.0
"""The BulkInferrer: predictions for all records of a data set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from ..base.annotations import ComponentSpec, Input, OptionalInput, Output, Parameter, output
from ..base.artifact_types import Examples, InferenceResult, Model, ModelBlessing
from ..base.component import Component
from ..ingest.payload import PayloadFormat
from ..ingest.row_fault_policy import Engine
from .bulk_inferrer_specs import DataSpec, ModelSpec, OutputExampleSpec


class BulkInferrer(Component):
    """Predicts for every record of `examples`, with a model of any flavor.

    A model that is not blessed predicts nothing; that is a result, not an error: the run
    goes on, and the output is empty, with the custom properties `inferred` 0 and `reason`.
    See https://www.tensorflow.org/tfx/guide/bulkinferrer.

    Records are divided into shards by their files and row groups alone. Shards are done one
    after the other; in processes side by side where the first one shows that the rest takes
    long and processors are idle; or on Beam. Each becomes one file with the same bytes whoever
    does it. Predictions keep the order of the records.

    Args:
        examples: The records, raw as the model is asked when it serves. Several artifacts
            are done one after the other.
        model: The model.
        model_blessing: The Evaluator's verdict. Without it every model is taken.
        data_spec: Splits to predict for; all by default.
        model_spec: Signatures to call, for SavedModels; `serving_default` by default.
        output_example_spec: Columns of predictions to add to the examples. With it the
            output is `output_examples`, in place of `inference_result`.
        inference_format: `parquet`: `Split-<name>/predictions-….parquet` with the records'
            columns and one for each output, named `prediction` or `prediction_<output>` (with
            several signatures `prediction_<signature>_<output>`). `prediction_log`:
            `PredictionLog` messages in `prediction_logs-….gz`, as TFX writes them.
        columns: Columns of the records that go into Parquet beside the predictions; all by
            default.
        payload_format: Format of `output_examples`; that of `examples` by default.
        batch_rows: Records that the model is given at a time.
        engine: `local`, or `beam` to spread shards over a Beam runner; `auto` uses Beam where
            the pipeline names a runner outside this machine.

    Outputs:
        inference_result: The predictions.
        output_examples: With `output_example_spec`: the records and their predictions.
    """

    type_name = "tfx.components.bulk_inferrer.component.BulkInferrer"
    executor = "penstock.components.analyze.bulk_inferrer_executor:BulkInferrerExecutor"
    preload = ("penstock.components.analyze.bulk_inferrer_executor",)

    examples: Input[list[Examples] | Examples]
    model: Input[Model]
    model_blessing: OptionalInput[ModelBlessing] = None
    data_spec: Parameter[DataSpec | None] = None
    model_spec: Parameter[ModelSpec | None] = None
    output_example_spec: Parameter[OutputExampleSpec | None] = None
    inference_format: Parameter[Literal["parquet", "prediction_log"]] = "parquet"
    columns: Parameter[list[str] | None] = None
    payload_format: Parameter[PayloadFormat | None] = None
    batch_rows: Parameter[int] = 4096
    engine: Parameter[Engine] = "auto"
    inference_result: Output[InferenceResult] = output()
    output_examples: Output[Examples] = output()

    def bind(self, spec: ComponentSpec, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        """Takes in the arguments; predictions are written in one form only, as TFX does."""
        super().bind(spec, args, kwargs)
        unwanted = (
            "inference_result"
            if self.parameters.get("output_example_spec")
            else ("output_examples")
        )
        del self.outputs[unwanted]
