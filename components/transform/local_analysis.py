# SPDX-License-Identifier: Apache-2.0
"""TensorFlow Transform's analysis in this process, without Beam.

The analysis is TensorFlow Transform's own: its plan of operations
(`tensorflow_transform.beam.analysis_graph_builder`), its combiners and its way of saving the
graph. Only who carries out the plan is another: Beam spends several seconds on setting up a
hundred stages, whatever the size of the data. Batches stream through once for each phase
(analyzers that depend on others make phases); memory holds one batch and the accumulators.

What Beam alone can run (`tft.experimental.ptransform_analyzer`, TensorFlow 1 graphs) raises
`Unsupported` before any data is read.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tensorflow_transform as tft
from tensorflow_transform import analyzer_nodes, impl_helper, tf_utils
from tensorflow_transform.beam import analysis_graph_builder, analyzer_cache, beam_nodes
from tensorflow_transform.beam import impl as beam_impl

from ...utils.logs import get_logger
from .analysis_operations import (
    COUNTED,
    ON_LISTS,
    Unsupported,
    Values,
    accumulator,
    vocabulary_write,
)
from .analyzer_state import decode, encode
from .traced_preprocessing import TracedPreprocessing

_log = get_logger(__name__)

#: Label of the operation that saves the finished graph.
_FINAL = "CreateSavedModel"

_ACCUMULATES = (
    analyzer_nodes.PackedCombineAccumulate,
    analyzer_nodes.CacheableCombineAccumulate,
    analyzer_nodes.CacheableCombinePerKeyAccumulate,
    analyzer_nodes.VocabularyAccumulate,
)
_KNOWN = (
    *_ACCUMULATES,
    *ON_LISTS,
    beam_nodes.CreateTensorBinding,
    beam_nodes.CreateSavedModel,
    beam_nodes.ApplySavedModel,
    beam_nodes.ExtractInputForSavedModel,
    analyzer_nodes.VocabularyOrderAndWrite,
    analyzer_nodes.ExtractVocabularyReservedTokens,
    analyzer_nodes.DecodeCache,
    analyzer_nodes.EncodeCache,
)

#: Reads a data set: the tensors of these names, batch by batch.
ReadTensors = Callable[[str, Sequence[str]], Iterable[Mapping[str, Any]]]


@dataclass
class Cached:
    """Accumulators by data set and by what was accumulated.

    Attributes:
        entries: Encoded accumulators (`analyzer_state`).
    """

    entries: dict[str, dict[bytes, bytes]] = field(default_factory=dict)


class LocalAnalysis:
    """One analysis.

    Args:
        preprocessing_fn: The user's function.
        specs: TensorFlow's types of its inputs, by name.
        datasets: Keys of the data sets to analyze, in the order in which sums are taken.
        read: Reads a data set.
        folder: An existing folder for temporary files.
        known: Accumulators of earlier analyses.
        node_id: Id of the node, for messages.

    Raises:
        Unsupported: Only Beam can carry out the analysis.
    """

    def __init__(
        self,
        preprocessing_fn: Callable[..., Any],
        specs: Mapping[str, Any],
        datasets: Sequence[str],
        read: ReadTensors,
        folder: str,
        known: Cached | None = None,
        node_id: str = "",
    ) -> None:
        self._node_id = node_id
        self._preprocessing_fn = preprocessing_fn
        self._read = read
        self._folder = folder
        self._known = known or Cached()
        self._values: dict[int, tuple[Any, ...]] = {}
        self._traced = TracedPreprocessing(preprocessing_fn, specs, folder)
        # Sorted by TensorFlow Transform; so the keys are numbered.
        self._names = {f"{place:06d}": name for place, name in enumerate(datasets)}
        keys = {number: analyzer_cache.DatasetKey(number) for number in self._names}
        usable = {} if self._traced.calls_python else self._known.entries
        final, encoded, _ = analysis_graph_builder.build(
            self._traced.graph,
            self._traced.inputs,
            self._traced.outputs,
            dataset_keys=set(keys.values()),
            cache_dict={
                keys[number]: analyzer_cache.DatasetCache(usable[name], None)
                for number, name in self._names.items()
                if name in usable
            },
        )
        self._final = final
        self._encoded = encoded or {}
        roots = [final, *(node for entry in self._encoded.values() for node in entry.values())]
        self._operations = _operations(roots)
        self._accumulators = self._by_pass()

    @property
    def is_cacheable(self) -> bool:
        """Whether accumulators may be kept: not where the graph calls into Python code."""
        return not self._traced.calls_python

    def save(self, target: str) -> None:
        """Carries the analysis out and writes what `tft.TFTransformOutput(target)` reads.

        All but the metadata of the raw features, which need no analysis.
        """
        self._target = target
        self._value(self._final)
        made = os.path.join(target, tft.TFTransformOutput.TRANSFORM_FN_DIR)
        folder = os.path.join(target, tft.TFTransformOutput.TRANSFORMED_METADATA_DIR)
        os.rename(os.path.join(made, impl_helper.METADATA_DIR_NAME), folder)
        if self._traced.asset_map:
            path = os.path.join(folder, tft.TFTransformOutput.ASSET_MAP)
            with open(path, "w", encoding="utf-8") as file:
                json.dump(self._traced.asset_map, file)

    def accumulated(self) -> Cached:
        """All accumulators of the data sets, those that were known included. Call it first.

        Merging may alter accumulators, so they are kept before the analysis goes on.
        """
        kept = Cached()
        if not self.is_cacheable:
            return kept
        for operation in self._operations:
            found = operation.operation_def
            if isinstance(found, analyzer_nodes.DecodeCache):
                name = self._names[found.dataset_key.key]
                known = self._known.entries[name][found.cache_key]
                kept.entries.setdefault(name, {})[found.cache_key] = known
        for key, entries in self._encoded.items():
            for entry, node in entries.items():
                values = self._value(node.parent_operation.inputs[0])
                kept.entries.setdefault(self._names[key.key], {})[entry] = encode(values)
        return kept

    # Carrying out the plan

    def _value(self, node: Any) -> Any:
        operation = node.parent_operation
        if id(operation) not in self._values:
            self._values[id(operation)] = self._carry_out(operation)
        return self._values[id(operation)][node.value_index]

    def _carry_out(self, operation: Any) -> tuple[Any, ...]:
        what = operation.operation_def
        if isinstance(what, _ACCUMULATES):
            self._pass(_source(operation))
            return self._values[id(operation)]
        inputs = [self._value(each) for each in operation.inputs]
        if isinstance(what, beam_nodes.CreateTensorBinding):
            return (self._bound(what, inputs[0]),)
        if isinstance(what, beam_nodes.CreateSavedModel):
            if what.label == _FINAL:
                return (self._save(dict(inputs)),)
            return ((what, dict(inputs)),)
        if isinstance(what, analyzer_nodes.VocabularyOrderAndWrite):
            return vocabulary_write(what, self._folder, *inputs)
        if isinstance(what, analyzer_nodes.ExtractVocabularyReservedTokens):
            graph = self._traced.graph
            return ([[tf_utils.fetch_vocabulary_reserved_tokens(graph, what.name)]],)
        if isinstance(what, analyzer_nodes.DecodeCache):
            return (decode(self._known.entries[self._names[what.dataset_key.key]][what.cache_key]),)
        return ON_LISTS[type(what)](what, *inputs)

    def _bound(self, what: Any, values: Values) -> tuple[str, Any]:
        (value,) = values
        array = np.asarray(value)
        if array.dtype.kind == "f" and np.isnan(array).any():
            _log.warning(
                "%s: an analyzer (%s) found NaN: every value computed from it will be NaN. "
                "Fill or leave out missing and infinite values before the analyzer",
                self._node_id,
                what.tensor_name.partition(":")[0].rpartition("/")[0] or what.tensor_name,
            )
        binding = beam_impl._TensorBinding(
            value, what.tensor_name, what.dtype_enum, what.is_asset_filepath
        )
        ((name, tensor),) = beam_impl._get_tensor_replacement_map(None, binding).items()
        return name, tensor

    def _save(self, results: Mapping[str, Any]) -> str:
        folder = os.path.join(self._target, tft.TFTransformOutput.TRANSFORM_FN_DIR)
        impl_helper.trace_and_write_v2_saved_model(
            folder,
            self._preprocessing_fn,
            self._traced.specs,
            self._folder,
            self._traced.fingerprint,
            dict(results),
            {},
            None,
        )
        return folder

    # Passes over the data

    def _by_pass(self) -> dict[int, list[tuple[Any, tuple[str, ...]]]]:
        """(operation, keys of the tensors it takes) by the operation that computes tensors."""
        found: dict[int, list[tuple[Any, tuple[str, ...]]]] = {}
        for operation in self._operations:
            if not isinstance(operation.operation_def, _KNOWN):
                raise Unsupported(type(operation.operation_def).__name__)
            if isinstance(operation.operation_def, _ACCUMULATES):
                parent = operation.inputs[0].parent_operation.operation_def
                keys = parent.keys if isinstance(parent, beam_nodes.ExtractFromDict) else ()
                # Asked for here, so that nothing is read in vain.
                accumulator(operation.operation_def, keys)
                found.setdefault(id(_source(operation)), []).append((operation, keys))
        return found

    def _pass(self, source: Any) -> None:
        """Streams a data set through everything that accumulates it."""
        accumulators = [
            (operation, accumulator(operation.operation_def, keys))
            for operation, keys in self._accumulators[id(source)]
            if id(operation) not in self._values
        ]
        model, data = source.inputs
        planned, results = self._value(model)
        wanted = {
            key: planned.output_signature[key.removeprefix(COUNTED)]
            for _, each in accumulators
            for key in each.keys
        }
        names = self._traced.needed_inputs(wanted)
        if results:
            compute = self._traced.later_phase(wanted, names, results)
        else:
            compute = self._traced.first_phase(wanted, names)
        key = data.parent_operation.operation_def.dataset_key
        datasets = list(self._names.values())
        if not key.is_flattened_dataset_key():
            datasets = [self._names[key.key]]
        for name in datasets:
            for tensors in self._read(name, names):
                found = compute(tensors)
                for _, each in accumulators:
                    each.add(found)
        for operation, each in accumulators:
            self._values[id(operation)] = (each.result(),)


def _source(operation: Any) -> Any:
    """The operation that computes the tensors which an operation accumulates."""
    parent = operation.inputs[0].parent_operation
    if isinstance(parent.operation_def, beam_nodes.ExtractFromDict):
        parent = parent.inputs[0].parent_operation
    return parent


def _operations(roots: Iterable[Any]) -> list[Any]:
    """All operations that lead to values, each once."""
    found: dict[int, Any] = {}
    waiting = [root.parent_operation for root in roots]
    while waiting:
        operation = waiting.pop()
        if id(operation) not in found:
            found[id(operation)] = operation
            waiting.extend(each.parent_operation for each in operation.inputs)
    return list(found.values())
