# SPDX-License-Identifier: Apache-2.0
"""TensorFlow Transform's analysis operations over lists, without Beam.

TensorFlow Transform describes an analysis as a graph of operations, and implements each of
them as a Beam transform. Here each is a function from lists to lists (a `PCollection` is a
list), which uses the same combiners and the same arithmetic. See
`tensorflow_transform.beam.analyzer_impls`, whose results they equal.
"""

from __future__ import annotations

import abc
import heapq
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow_transform import analyzer_nodes, analyzers, tf_utils
from tensorflow_transform.beam import analyzer_impls, beam_nodes

Values = list[Any]

_Ordering = analyzers._VocabOrderingType
#: Orderings by how much a token tells about a label.
_INFORMATIVE = {
    _Ordering.MUTUAL_INFORMATION: False,
    _Ordering.WEIGHTED_MUTUAL_INFORMATION: True,
}


class Unsupported(Exception):
    """An operation that only Beam can run; its argument says which."""


def extract_from_dict(operation: Any, found: Values) -> tuple[Values]:
    """Values of one key, or tuples of the values of several."""
    keys = operation.keys
    if isinstance(keys, tuple):
        return ([tuple(each[key] for key in keys) for each in found],)
    return ([each[keys] for each in found],)


def flatten(operation: Any, *inputs: Values) -> tuple[Values]:
    """One list of several, in order."""
    del operation
    return ([each for values in inputs for each in values],)


def flatten_lists(operation: Any, found: Values) -> tuple[Values]:
    """The elements of lists."""
    del operation
    return ([each for values in found for each in values],)


def add_key(operation: Any, found: Values) -> tuple[Values]:
    """Pairs with a key."""
    return ([(operation.key, each) for each in found],)


def _merged(combiner: Any, accumulators: Iterable[Any]) -> Any:
    merged = combiner.create_accumulator()
    for accumulator in accumulators:
        merged = combiner.merge_accumulators([merged, accumulator])
    return combiner.extract_output(merged)


def merge(operation: Any, found: Values) -> tuple[Values]:
    """The result of accumulators."""
    return ([_merged(operation.combiner, found)],)


def packed_merge(operation: Any, found: Values) -> tuple[Values]:
    """The results of several combiners' accumulators, by the combiners' labels."""
    by_key: dict[str, Values] = {}
    for key, accumulator in found:
        by_key.setdefault(key, []).append(accumulator)
    return (
        [
            {
                each.label: _merged(each.combiner, by_key.get(each.keys[0], []))
                for each in operation.combiners
            }
        ],
    )


def merge_per_key(operation: Any, found: Values) -> tuple[Values]:
    """The result of each key's accumulators."""
    by_key: dict[Any, Values] = {}
    for key, accumulator in found:
        by_key.setdefault(key, []).append(accumulator)
    combiner = operation.combiner
    return ([(key, _merged(combiner, values)) for key, values in by_key.items()],)


def extract_outputs(operation: Any, found: Values) -> tuple[Values, ...]:
    """Each of a combiner's results."""
    (outputs,) = found
    wanted = operation.num_outputs
    if len(outputs) != wanted:
        raise ValueError(f"an analyzer has {wanted} outputs but computed {len(outputs)} values")
    return tuple([output] for output in outputs)


def format_keys(operation: Any, found: Values) -> tuple[Values, ...]:
    """The keys, sorted, and for each result the values in the order of the keys."""
    dtypes = [info.dtype for info in operation.combiner.output_tensor_infos()]
    return tuple([tagged.value] for tagged in analyzer_impls._merge_outputs_by_key(found, dtypes))


def format_large(operation: Any, found: Values) -> tuple[Values]:
    """Results as texts with their keys, for a file."""
    del operation
    text = tf.compat.as_str_any
    return ([(text(",".join(map(text, value))), key) for key, value in found],)


def join_boundaries(operation: Any, found: Values) -> tuple[Values, ...]:
    """Bucket boundaries of all keys as one list, with scales and shifts."""
    del operation
    (matrix,) = found
    return tuple([each] for each in analyzer_impls._join_boundary_rows(matrix))


def vocabulary_count(operation: Any, found: Values) -> tuple[Values]:
    """The size of a vocabulary; an empty one is written with one made-up token."""
    del operation
    return ([np.int64(max(len(found), 1))],)


def vocabulary_merge(operation: Any, found: Values) -> tuple[Values]:
    """(what it is ordered by, token) of every token."""
    ordering = operation.vocab_ordering_type
    if ordering in _INFORMATIVE:
        return (_informative(operation, found, weighted=_INFORMATIVE[ordering]),)
    counts: dict[Any, Any] = {}
    for token, count in found:
        counts[token] = counts[token] + count if token in counts else count
    return ([(count, token) for token, count in counts.items()],)


def _informative(operation: Any, found: Values, *, weighted: bool) -> Values:
    combine = analyzer_impls._WeightedMeanCombineFn(output_shape=(None,), compute_weighted=weighted)
    merged: dict[Any, Any] = {}
    for token, accumulator in found:
        before = merged.get(token)
        merged[token] = combine.add_input(
            combine.create_accumulator() if before is None else before, accumulator
        )
    everything = None
    for sentinel in (tf_utils.GLOBAL_Y_COUNT_SENTINEL_STRING, tf_utils.GLOBAL_Y_COUNT_SENTINEL_INT):
        everything = merged.pop(sentinel, everything)
    least = operation.min_diff_from_avg
    if least is None and everything is not None:
        least = analyzers.calculate_recommended_min_diff_from_avg(
            everything.count * everything.weight
        )
    told = []
    for pair in merged.items():
        token, (information, _, frequency) = (
            analyzer_impls._calculate_mutual_information_for_feature_value(
                pair, everything, operation.use_adjusted_mutual_info, least
            )
        )
        told.append(((information, frequency), token))
    return told


def vocabulary_prune(operation: Any, found: Values) -> tuple[Values]:
    """What is frequent enough, and then the most frequent."""
    kept = _pruned(
        found,
        operation.frequency_threshold,
        operation.informativeness_threshold,
        operation.top_k,
        operation.input_dtype,
    )
    if operation.key_fn:
        covering = _pruned(
            found,
            operation.coverage_frequency_threshold,
            operation.coverage_informativeness_threshold,
            operation.coverage_top_k,
            operation.input_dtype,
            operation.key_fn,
        )
        kept = list(dict.fromkeys([*kept, *covering]))
    return (kept,)


def _pruned(
    found: Values,
    least_frequency: float,
    least_information: float,
    top_k: int | None,
    dtype: str,
    key_fn: Callable[[Any], Any] | None = None,
) -> Values:
    kept = []
    for measure, token in found:
        if isinstance(measure, tuple):
            information, frequency = measure
        else:
            information, frequency = float("inf"), measure
        if frequency >= least_frequency and information >= least_information:
            first = measure[0] if isinstance(measure, tuple) else measure
            text = token if dtype == "string" else tf.compat.as_bytes(tf.compat.as_str_any(token))
            kept.append((first, text))
    if top_k is None:
        return kept
    if key_fn is None:
        most = heapq.nlargest(top_k, kept)
        return list(analyzer_impls.maybe_add_empty_vocabulary_dummy(most, dtype))
    by_key: dict[Any, Values] = {}
    for pair in kept:
        by_key.setdefault(key_fn(pair[1]), []).append(pair)
    return [pair for pairs in by_key.values() for pair in heapq.nlargest(top_k, pairs)]


def vocabulary_write(operation: Any, folder: str, *inputs: Values) -> tuple[Values]:
    """Writes a vocabulary in order; gives its path."""
    counts, *reserved = inputs
    order: dict[str, Any] = {"reverse": True}
    if operation.fingerprint_shuffle:
        order = {"key": lambda pair: analyzer_impls.hashlib.sha1(pair[1]).digest()}
    lines = analyzer_impls._OrderElementsFn(
        operation.store_frequency, order, operation.input_dtype
    ).process(None, [counts], *(each[0] for each in reserved))
    path = os.path.join(folder, operation.vocab_filename)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if operation.file_format == "tfrecord_gzip":
        path += ".tfrecord.gz"
        with tf.io.TFRecordWriter(path, "GZIP") as records:
            for line in lines:
                records.write(line)
    else:
        with open(path, "wb") as file:
            file.writelines(tf.compat.as_bytes(line) + b"\n" for line in lines)
    return ([np.array(path)],)


#: Functions from lists to lists, by operation.
ON_LISTS: Mapping[type, Callable[..., tuple[Values, ...]]] = {
    beam_nodes.ExtractFromDict: extract_from_dict,
    beam_nodes.Flatten: flatten,
    analyzer_nodes.FlattenLists: flatten_lists,
    analyzer_nodes.AddKey: add_key,
    analyzer_nodes.CacheableCombineMerge: merge,
    analyzer_nodes.PackedCombineMerge: packed_merge,
    analyzer_nodes.CacheableCombinePerKeyMerge: merge_per_key,
    analyzer_nodes.ExtractCombineMergeOutputs: extract_outputs,
    analyzer_nodes.ExtractPackedCombineMergeOutputs: extract_outputs,
    analyzer_nodes.CacheableCombinePerKeyFormatKeys: format_keys,
    analyzer_nodes.CacheableCombinePerKeyFormatLarge: format_large,
    analyzer_nodes.ScaleAndFlattenPerKeyBucketBouandaries: join_boundaries,
    analyzer_nodes.VocabularyCount: vocabulary_count,
    analyzer_nodes.VocabularyMerge: vocabulary_merge,
    analyzer_nodes.VocabularyPrune: vocabulary_prune,
}


#: Before a tensor's key: (its distinct values, their numbers) are wanted, not all values.
COUNTED = "counted "


class Accumulator(abc.ABC):
    """What one operation keeps of the batches of one pass. Made by `accumulator`.

    Attributes:
        keys: Keys of the tensors it takes, some of them `COUNTED`.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        self.keys = tuple(keys)

    @abc.abstractmethod
    def add(self, batch: Mapping[str, Any]) -> None:
        """Takes in a batch, by tensor."""

    @abc.abstractmethod
    def result(self) -> Values:
        """What was accumulated, as the operation's output."""


class _Combined(Accumulator):
    def __init__(self, combiner: Any, keys: Sequence[str]) -> None:
        super().__init__(keys)
        self._combiner = combiner
        self._state = combiner.create_accumulator()

    def add(self, batch: Mapping[str, Any]) -> None:
        self._state = self._combiner.add_input(self._state, tuple(batch[k] for k in self.keys))

    def result(self) -> Values:
        return [self._combiner.compact(self._state)]


class _Packed(Accumulator):
    def __init__(self, combiners: Sequence[Any]) -> None:
        super().__init__(list(dict.fromkeys(key for each in combiners for key in each.keys)))
        self._parts = {each.label: _Combined(each.combiner, each.keys) for each in combiners}

    def add(self, batch: Mapping[str, Any]) -> None:
        for part in self._parts.values():
            part.add(batch)

    def result(self) -> Values:
        return [{label: part.result()[0] for label, part in self._parts.items()}]


class _CombinedPerKey(Accumulator):
    def __init__(self, combiner: Any, keys: Sequence[str]) -> None:
        super().__init__(keys)
        self._combiner = combiner
        self._states: dict[Any, Any] = {}

    def add(self, batch: Mapping[str, Any]) -> None:
        states, combiner = self._states, self._combiner
        for key, values in analyzer_impls._split_inputs_by_key([batch[k] for k in self.keys]):
            before = states[key] if key in states else combiner.create_accumulator()
            states[key] = combiner.add_input(before, values)

    def result(self) -> Values:
        return [(key, self._combiner.compact(state)) for key, state in self._states.items()]


class _Counted(Accumulator):
    def __init__(self, keys: Sequence[str]) -> None:
        super().__init__([COUNTED + key for key in keys])
        self._counts: Counter[Any] = Counter()

    def add(self, batch: Mapping[str, Any]) -> None:
        tokens, numbers = batch[self.keys[0]]
        counts = self._counts
        for token, number in zip(tokens.tolist(), numbers.tolist(), strict=True):
            counts[token] += number

    def result(self) -> Values:
        return list(self._counts.items())


class _Weighted(Accumulator):
    def __init__(self, keys: Sequence[str]) -> None:
        super().__init__(keys)
        self._weights: dict[Any, float] = {}

    def add(self, batch: Mapping[str, Any]) -> None:
        tokens, weights = (batch[key].tolist() for key in self.keys)
        for token, weight in zip(tokens, weights, strict=True):
            self._weights[token] = self._weights.get(token, 0.0) + weight

    def result(self) -> Values:
        return list(self._weights.items())


class _Labelled(Accumulator):
    def __init__(self, keys: Sequence[str], weighted: bool) -> None:
        super().__init__(keys)
        self._weighted = weighted
        self._combine = analyzer_impls._WeightedMeanCombineFn(
            output_shape=(None,), compute_weighted=weighted
        )
        self._means: dict[Any, Any] = {}

    def add(self, batch: Mapping[str, Any]) -> None:
        pairs = analyzer_impls._flatten_to_key_and_means_accumulator_list(
            tuple(batch[key] for key in self.keys), compute_weighted=self._weighted
        )
        for token, mean in pairs:
            before = self._means.get(token)
            if before is None:
                before = self._combine.create_accumulator()
            self._means[token] = self._combine.add_input(before, mean)

    def result(self) -> Values:
        return list(self._means.items())


def accumulator(operation: Any, keys: Sequence[str]) -> Accumulator:
    """Makes the accumulator of an operation.

    Args:
        operation: The operation.
        keys: Names of the tensors it takes; a packed operation knows them itself.

    Raises:
        Unsupported: Only Beam can run it.
    """
    if isinstance(operation, analyzer_nodes.PackedCombineAccumulate):
        return _Packed(operation.combiners)
    if isinstance(operation, analyzer_nodes.CacheableCombineAccumulate):
        return _Combined(operation.combiner, keys)
    if isinstance(operation, analyzer_nodes.CacheableCombinePerKeyAccumulate):
        return _CombinedPerKey(operation.combiner, keys)
    if isinstance(operation, analyzer_nodes.VocabularyAccumulate):
        ordering = operation.vocab_ordering_type
        if ordering == _Ordering.FREQUENCY:
            return _Counted(keys)
        if ordering == _Ordering.WEIGHTED_FREQUENCY:
            return _Weighted(keys)
        if ordering in _INFORMATIVE:
            return _Labelled(keys, _INFORMATIVE[ordering])
    raise Unsupported(type(operation).__name__)
