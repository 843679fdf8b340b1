# SPDX-License-Identifier: Apache-2.0
"""A `preprocessing_fn` as a graph, and functions that compute tensors of that graph.

TensorFlow Transform saves a model for every phase of an analysis and loads it again, since
Beam's workers may be elsewhere. Where the analysis happens in this process, tensors of the
graph are computed directly: in the first phase those of the graph that was traced to find
the analyzers, unless something in it has effects that pruning could lose.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf
from tensorflow.python.eager import wrap_function
from tensorflow.python.framework import op_def_registry
from tensorflow.python.trackable import resource as tracking
from tensorflow_transform import annotators, graph_context, graph_tools, impl_helper, tf2_utils
from tensorflow_transform.saved import saved_transform_io_v2

from .analysis_operations import COUNTED

#: Stateful operations that change nothing.
_HARMLESS = frozenset(
    {
        "Placeholder",
        "HashTableV2",
        "LookupTableFindV2",
        "LookupTableSizeV2",
        "MutableHashTableV2",
        "ReadVariableOp",
        "VarHandleOp",
        # What they run is in functions, which are looked at.
        "StatefulPartitionedCall",
        "While",
        "If",
        "Case",
    }
)
_CALLS_PYTHON = frozenset({"PyFunc", "PyFuncStateless", "EagerPyFunc"})

Tensors = Mapping[str, Any]
#: Takes the tensors of a batch, gives those asked for.
TensorFunction = Callable[[Tensors], dict[str, Any]]


class TracedPreprocessing:
    """The graph of a `preprocessing_fn`, in which analyzers are placeholders.

    Args:
        preprocessing_fn: The user's function.
        specs: TensorFlow's types of its inputs, by name.
        folder: Where tracing puts temporary files.
    """

    def __init__(
        self, preprocessing_fn: Callable[..., Any], specs: Mapping[str, Any], folder: str
    ) -> None:
        self._preprocessing_fn = preprocessing_fn
        self._folder = folder
        self.specs = dict(specs)
        context = graph_context.TFGraphContext(
            module_to_export=tf.Module(), temp_dir=folder, evaluated_replacements=None
        )
        traced = impl_helper.get_traced_transform_fn(preprocessing_fn, self.specs, context)
        # Tables live as long as something refers to them.
        self._tracked: tuple[Any, ...] = (tracking.ResourceTracker(), annotators.ObjectTracker())
        with (
            tracking.resource_tracker_scope(self._tracked[0]),
            annotators.object_tracker_scope(self._tracked[1]),
        ):
            concrete = traced.get_concrete_function()
        self.graph = concrete.graph
        self.inputs: dict[str, Any] = tf2_utils.get_structured_inputs_from_func_graph(self.graph)
        self.outputs: dict[str, Any] = concrete.structured_outputs
        self.asset_map: dict[str, str] = annotators.get_asset_annotations(self.graph)
        annotators.clear_asset_annotations(self.graph)
        self.fingerprint = graph_tools.get_analyzers_fingerprint(self.graph, self.inputs)
        operations = _operations(self.graph)
        self.calls_python = not operations.isdisjoint(_CALLS_PYTHON)
        self._prunable = not any(map(_has_effects, operations))

    def first_phase(self, wanted: Mapping[str, Any], names: Sequence[str]) -> TensorFunction:
        """A function that computes tensors which depend on no analyzer.

        Args:
            wanted: Tensors of `graph`, by key; with `COUNTED` before the key, distinct values
                and their numbers are given.
            names: Names of the inputs that it is to take: those that the tensors depend on.
        """
        if not self._prunable:
            return self.later_phase(wanted, names, {})
        wrapped = wrap_function.WrappedFunction(
            self.graph, variable_holder=wrap_function.VariableHolder(share_variables=True)
        )
        return self._function(wrapped, self.inputs, wanted, names)

    def later_phase(
        self, wanted: Mapping[str, Any], names: Sequence[str], results: Mapping[str, Any]
    ) -> TensorFunction:
        """The same for tensors that depend on analyzers whose results are known.

        Args:
            wanted: Tensors of `graph`, by key.
            names: Names of the inputs that it is to take.
            results: Analyzers' results, by the name of the tensor they replace.
        """
        module = tf.Module()
        context = graph_context.TFGraphContext(
            module_to_export=module, temp_dir=self._folder, evaluated_replacements=dict(results)
        )
        traced = impl_helper.get_traced_transform_fn(
            self._preprocessing_fn,
            self.specs,
            context,
            output_keys_to_name_map={key: tensor.name for key, tensor in wanted.items()},
        )
        saved_transform_io_v2.trace_and_update_module(
            module, traced, "transform_fn", strip_control_dependencies=False
        )
        # Exactly what is wanted, in the order of the keys; inputs in the order of their names.
        wrapped = module.transform_fn
        self._tracked = (*self._tracked, module)
        flat = wrapped.inputs[: len(tf.nest.flatten(self.inputs, expand_composites=True))]
        inputs = tf.nest.pack_sequence_as(self.inputs, flat, expand_composites=True)
        tensors = dict(zip(sorted(wanted), wrapped.outputs, strict=True))
        return self._function(wrapped, inputs, tensors, names)

    def needed_inputs(self, tensors: Mapping[str, Any]) -> list[str]:
        """Names of the inputs to read for tensors of `graph`.

        Those that the tensors depend on; all where there are none, since the number of rows
        counts, and where something in the graph may check others.
        """
        if not self._prunable:
            return sorted(self.inputs)
        found = graph_tools.get_dependent_inputs(self.graph, self.inputs, dict(tensors))
        return sorted(found or self.inputs)

    def _function(
        self, wrapped: Any, inputs: Tensors, wanted: Mapping[str, Any], names: Sequence[str]
    ) -> TensorFunction:
        keys = sorted(wanted)
        taken = {name: inputs[name] for name in names}
        flat_inputs = tf.nest.flatten(taken, expand_composites=True)
        pruned = wrapped.prune(flat_inputs, [wanted[key] for key in keys])
        signature = [tf.TensorSpec(each.shape, each.dtype) for each in flat_inputs]

        @tf.function(input_signature=signature, autograph=False)  # type: ignore[untyped-decorator]
        def compute(*flat: Any) -> dict[str, Any]:
            found = dict(zip(keys, pruned(*flat), strict=True))
            for key in keys:
                if key.startswith(COUNTED):
                    # Here it takes a fraction of the time, and all cores.
                    distinct = tf.unique_with_counts(tf.reshape(found[key], [-1]), tf.int64)
                    found[key] = (distinct.y, distinct.count)
            return found

        concrete = compute.get_concrete_function()
        self._tracked = (*self._tracked, wrapped, pruned)

        def call(tensors: Tensors) -> dict[str, Any]:
            given = {name: tensors[name] for name in names}
            flat = tf.nest.flatten(given, expand_composites=True)
            found = concrete(*flat)
            return {key: tf.nest.map_structure(_as_numpy, each) for key, each in found.items()}

        return call


def _as_numpy(value: Any) -> Any:
    return value.numpy() if isinstance(value, tf.Tensor) else value


def _operations(graph: Any) -> set[str]:
    """Names of the operations in a graph, and in the functions in it."""
    definition = graph.as_graph_def()
    found = {node.op for node in definition.node}
    for function in definition.library.function:
        found.update(node.op for node in function.node_def)
    return found


def _has_effects(operation: str) -> bool:
    # There is no definition of calls of functions; their bodies are looked at.
    definition = op_def_registry.get(operation)
    return definition is not None and definition.is_stateful and operation not in _HARMLESS
