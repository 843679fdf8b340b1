# SPDX-License-Identifier: Apache-2.0
"""Predictions, labels and weights for batches of examples, the way TFMA extracts them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import tensorflow as tf
from tensorflow_model_analysis import constants
from tensorflow_model_analysis.utils import model_util, util

from ...utils.errors import DataError, ExecutionError, nearest
from ...utils.readable import first_error_line
from .eval_plan import TENSORFLOW, EvalPlan
from .example_batches import ExampleBatch
from .flavor_models import FlavorModel

#: Outputs that TFMA's metrics find by themselves.
_TFMA_OUTPUTS = {"scores", "outputs", "predictions", "logistic", "probabilities", "logits"}

#: Rows that a model sees at once, unless model_specs say otherwise.
_INFERENCE_ROWS = 4096

_NUMBER_THE_LABELS = (
    "give the examples a column with the label as the numbers that the model learnt, by a step of "
    "your own or in the data, and name it as label_key"
)

_FIELDS = (
    ("label", "label_key", "label_keys"),
    ("example weight", "example_weight_key", "example_weight_keys"),
)


@dataclass(frozen=True)
class EvalBatch:
    """Rows with all that metrics need.

    Attributes:
        rows: How many.
        columns: The examples' columns, as lists.
        transformed: Outputs of each model's preprocessing functions.
        labels: Labels: an array, or arrays by model and output.
        predictions: Predictions, likewise.
        weights: Weights, likewise; None where rows have none.
    """

    rows: int
    columns: Mapping[str, pa.Array]
    transformed: Sequence[Mapping[str, npt.NDArray[Any]]]
    labels: Any
    predictions: Any
    weights: Any


class Predictor:
    """Runs a plan's models.

    Args:
        plan: The plan.
        node: Id of the node, for messages.

    Raises:
        DataError: A model lacks a signature that the configuration names.
    """

    def __init__(self, plan: EvalPlan, node: str | None = None) -> None:
        self._plan = plan
        self._node = node
        self._specs = list(plan.config.model_specs)
        self._names = ["" if len(self._specs) == 1 else spec.name for spec in self._specs]
        self._flavored: dict[str, FlavorModel] = {}
        self._loaded: dict[str, Any] = {}
        self._shared: dict[str, Any] = {}
        self._saved: list[Any] = []
        for i, name in enumerate(self._names):
            if plan.flavors[i] == TENSORFLOW:
                self._saved.append(self._specs[i])
                self._shared[name] = plan.models[i]
                self._loaded[name] = _load(plan.models[i], node)
            else:
                self._flavored[name] = FlavorModel(plan.artifacts[i], self._specs[i], node)
        self._check_signatures()
        self._callers = self._signature_callers()
        self._columns_read = self._columns_that_models_read()

    def batches(self, examples: Iterator[ExampleBatch]) -> Iterator[EvalBatch]:
        """Adds predictions to examples.

        Raises:
            DataError: A column that the configuration names is not there, or empty; labels
                are texts.
            ExecutionError: A model failed to predict.
        """
        for batch in examples:
            extracts = self._extract(batch)
            transformed = self._by_model(extracts.get(constants.TRANSFORMED_FEATURES_KEY))
            self._check_keys(batch, transformed)
            labels = self._feature_values(extracts, "label_key", "label_keys")
            predictions = extracts[constants.PREDICTIONS_KEY]
            labels = self._class_numbers(labels)
            self._check_outputs(predictions)
            self._check_labels(labels, predictions)
            yield EvalBatch(
                rows=len(batch.serialized),
                columns=batch.columns,
                transformed=transformed,
                labels=labels,
                predictions=predictions,
                weights=self._feature_values(extracts, "example_weight_key", "example_weight_keys"),
            )

    def _extract(self, batch: ExampleBatch) -> dict[str, Any]:
        features = util.record_batch_to_tensor_values(
            batch.select(self._columns_needed(batch)), batch.tensor_representations
        )
        extracts: dict[str, Any] = {constants.FEATURES_KEY: features}
        for key, found in self._of_saved_models(batch, features).items():
            # TFMA leaves the model's name out where it has only one, as here it may be.
            nested = len(self._names) > 1 and len(self._saved) == 1
            extracts[key] = {next(iter(self._shared)): found} if nested else found
        if not self._flavored:
            return extracts
        assert batch.plain is not None
        made = {name: model.predict(batch.plain) for name, model in self._flavored.items()}
        if len(self._names) == 1:
            extracts[constants.PREDICTIONS_KEY] = made[""]
        else:
            made.update(extracts.get(constants.PREDICTIONS_KEY, {}))
            extracts[constants.PREDICTIONS_KEY] = {name: made[name] for name in self._names}
        return extracts

    def _of_saved_models(self, batch: ExampleBatch, features: Any) -> dict[str, Any]:
        """Predictions and transformed features of those models that TFMA calls."""
        if not self._saved:
            return {}
        parts = []
        rows = min([s.inference_batch_size for s in self._specs if s.inference_batch_size] or [0])
        serialized = np.asarray(batch.serialized, dtype=object)
        for piece in _pieces(features, serialized, rows or _INFERENCE_ROWS):
            try:
                for caller in self._callers:
                    (piece,) = caller.process(piece)
            except (ValueError, TypeError, RuntimeError, tf.errors.OpError) as error:
                raise ExecutionError(
                    "a model failed to predict on the examples",
                    node=self._node,
                    expected="a serving signature that takes the examples as they were ingested",
                    got=first_error_line(error),
                    fix="call the saved model's signature on one example to see what it wants",
                ) from error
            parts.append(piece)
        return {
            key: _concatenate([part[key] for part in parts])
            for key in (constants.PREDICTIONS_KEY, constants.TRANSFORMED_FEATURES_KEY)
            if key in parts[0]
        }

    def _signature_callers(self) -> list[Any]:
        """What makes transformed features, and what predicts, of models that TFMA calls."""
        if not self._saved:
            return []
        transform = [list(spec.preprocessing_function_names) for spec in self._saved]
        predict = [[spec.signature_name] for spec in self._saved]
        return [
            self._signature_caller(constants.TRANSFORMED_FEATURES_KEY, transform, True),
            self._signature_caller(constants.PREDICTIONS_KEY, predict, False),
        ]

    def _signature_caller(self, key: str, names: list[list[str]], prefer_dicts: bool) -> Any:
        # TFMA calls a single model by no name at all.
        keys = list(self._shared) if len(self._saved) > 1 else [""]
        caller = model_util.ModelSignaturesDoFn(
            model_specs=self._saved,
            eval_shared_models=dict(zip(keys, self._shared.values(), strict=True)),
            output_keypath=[key],
            signature_names=dict(zip(keys, names, strict=True)),
            # Those that TFMA tries by itself.
            default_signature_names=(
                ["transformed_features", "transformed_labels"] if prefer_dicts else None
            ),
            prefer_dict_outputs=prefer_dicts,
        )
        caller.setup()
        return caller

    def _feature_values(self, extracts: dict[str, Any], field: str, fields: str) -> Any:
        return model_util.get_feature_values_for_model_spec_field(
            self._specs, field, fields, extracts, field == "label_key"
        )

    def _by_model(self, transformed: Any) -> list[Mapping[str, npt.NDArray[Any]]]:
        if not transformed:
            return []
        if len(self._names) == 1:
            return [transformed]
        return [transformed[name] for name in self._names if name in transformed]

    def by_name(self, transformed: Sequence[Mapping[str, Any]]) -> Any:
        """Transformed features, as TFMA keys them."""
        if len(self._names) == 1:
            return transformed[0]
        names = [name for name in self._names if name in self._loaded]
        return dict(zip(names, transformed, strict=False))

    def _columns_that_models_read(self) -> set[str] | None:
        """Columns that models take one by one; None where they take whole examples."""
        columns: set[str] = set()
        for spec, model in zip(self._saved, self._loaded.values(), strict=True):
            for name in [spec.signature_name or None, *spec.preprocessing_function_names]:
                wanted = model_util.get_input_specs(model, name, False) or {}
                single = len(wanted) == 1 and next(iter(wanted.values())).dtype == tf.string
                if not single:
                    columns.update(wanted)
        return columns or None

    def _columns_needed(self, batch: ExampleBatch) -> list[str]:
        if self._columns_read is not None:
            return list(batch.columns)
        needed = {key for _, keys in _keys(self._specs) for key in keys.values()}
        return [name for name in batch.columns if name in needed]

    def _check_signatures(self) -> None:
        for spec, (name, model) in zip(self._saved, self._loaded.items(), strict=True):
            there = sorted(getattr(model, "signatures", {}))
            for wanted in [spec.signature_name, *spec.preprocessing_function_names]:
                if not wanted or "@" in wanted or wanted in there or hasattr(model, wanted):
                    continue
                raise DataError(
                    f"the {name or 'model'} has no signature {wanted!r}",
                    node=self._node,
                    expected=", ".join(there) or "no signatures at all",
                    got=wanted,
                    suggestion=nearest(wanted, there),
                    fix="export it in run_fn (signatures=…), or change model_specs",
                )

    def _check_keys(self, batch: ExampleBatch, transformed: Sequence[Mapping[str, Any]]) -> None:
        made = {name for each in transformed for name in each}
        known = [*batch.columns, *sorted(made)]
        for what, keys in _keys(self._specs):
            for key in keys.values():
                if key not in known:
                    raise missing_column(what, key, known, self._node)
                if key not in made and (empty := _empty_rows(batch.columns[key])):
                    raise DataError(
                        f"{what} column {key!r} is empty in {empty} of "
                        f"{len(batch.serialized)} rows looked at",
                        node=self._node,
                        fix="fill it, leave those rows out at ingestion, or use a transformed "
                        "feature by model_specs.preprocessing_function_names",
                    )
        for spec in self._plan.config.slicing_specs:
            for key in [*spec.feature_keys, *spec.feature_values]:
                if key not in known:
                    raise missing_column("slice feature", key, known, self._node)

    def _class_numbers(self, labels: Any) -> Any:
        """Labels as numbers of classes, for models that name their classes."""
        if len(self._names) == 1:
            return self._flavored[""].class_numbers(labels) if self._flavored else labels
        if not isinstance(labels, Mapping):
            return labels
        return {
            name: self._flavored[name].class_numbers(each) if name in self._flavored else each
            for name, each in labels.items()
        }

    def _check_outputs(self, predictions: Any) -> None:
        """Refuses several outputs of which nothing says which one to measure."""
        if any(spec.output_names for spec in self._plan.config.metrics_specs):
            return
        for spec, name in zip(self._specs, self._names, strict=True):
            found = predictions[name] if name else predictions
            if not isinstance(found, Mapping) or _TFMA_OUTPUTS & set(found):
                continue
            if not spec.prediction_key and not spec.prediction_keys:
                raise DataError(
                    f"the {name or 'model'} has several outputs, and eval_config does not say "
                    "which to measure",
                    node=self._node,
                    expected="prediction_key in model_specs, or output_names in metrics_specs",
                    got=", ".join(found),
                )

    def _check_labels(self, labels: Any, predictions: Any) -> None:
        for spec, name in zip(self._specs, self._names, strict=True):
            mine = labels.get(name) if isinstance(labels, Mapping) and name else labels
            predicted = predictions.get(name) if name else predictions
            if isinstance(predicted, Mapping) or not isinstance(mine, np.ndarray):
                continue  # A model that says which classes it knows may have texts as labels.
            if mine.dtype.kind not in "OSU":
                continue
            raise DataError(
                f"label column {spec.label_key!r} holds texts, and metrics need numbers",
                node=self._node,
                expected="numbers",
                got=repr(np.ravel(mine)[0]),
                fix=_NUMBER_THE_LABELS
                if name in self._flavored
                else "export a signature that applies the transformation, name it in "
                "model_specs.preprocessing_function_names, and give as label_key the "
                "transformed label",
            )


def missing_column(what: str, key: str, known: Sequence[str], node: str | None) -> DataError:
    """The error for a column that the configuration names and the examples lack."""
    return DataError(
        f"there is no {what} column {key!r}"
        if what != "slice feature"
        else f"there is no column {key!r} to slice on",
        node=node,
        expected=", ".join(known),
        got=key,
        suggestion=nearest(key, known),
        fix="correct eval_config",
    )


def _load(model: Any, node: str | None) -> Any:
    try:
        return model.model_loader.load()
    except (OSError, ValueError, TypeError, RuntimeError, tf.errors.OpError) as error:
        raise DataError(
            "the model cannot be loaded",
            node=node,
            got=first_error_line(error),
            location=model.model_path,
            fix="save it whole, with the resources (tables, vocabularies) its signatures use",
        ) from error


def _keys(specs: Sequence[Any]) -> Iterator[tuple[str, dict[str, str]]]:
    """(what, columns by output) that models name."""
    for spec in specs:
        for what, field, fields in _FIELDS:
            single = getattr(spec, field)
            yield what, {"": single} if single else dict(getattr(spec, fields))


def _empty_rows(column: pa.Array) -> int:
    lengths = column.value_lengths()
    return len(column) - int(np.count_nonzero(np.asarray(lengths.fill_null(0))))


def _pieces(
    features: Mapping[str, Any], serialized: npt.NDArray[Any], rows: int
) -> Iterator[dict[str, Any]]:
    """TFMA extracts of at most `rows` rows each."""
    whole = {constants.FEATURES_KEY: dict(features), constants.INPUT_KEY: serialized}
    if len(serialized) <= rows:
        yield whole
        return
    if all(isinstance(value, np.ndarray) for value in features.values()):
        for start in range(0, len(serialized), rows):
            end = start + rows
            cut = {name: value[start:end] for name, value in features.items()}
            yield {constants.FEATURES_KEY: cut, constants.INPUT_KEY: serialized[start:end]}
        return
    # Values of unequal length have no simple cut; TFMA knows how.
    split = util.split_extracts(whole, keep_batch_dim=True)
    for start in range(0, len(split), rows):
        yield util.merge_extracts(split[start : start + rows])


def _concatenate(parts: list[Any]) -> Any:
    if isinstance(parts[0], Mapping):
        return {key: _concatenate([part[key] for part in parts]) for key in parts[0]}
    return np.concatenate(parts) if len(parts) > 1 else parts[0]
