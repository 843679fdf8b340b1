# SPDX-License-Identifier: Apache-2.0
"""Predictions as serialized `PredictionLog` messages, as TFX's BulkInferrer writes them.

One message for each record: with its serialized `tf.Example` as the request, and the
outputs as the response. A signature for classification or regression gives a classify or
regress log, several of them a multi-inference log, all else a predict log. Definitions:
https://github.com/tensorflow/serving/blob/master/tensorflow_serving/apis/prediction_log.proto

Predict logs, which nearly all are, are put together by Arrow, without a loop over records.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ...utils.errors import ParameterError
from ..ingest.binary_columns import by_length, from_offsets, join, lengths_of
from ..ingest.list_columns import is_list, is_text
from .bulk_inferrer_columns import Predictions, class_scores, regression

PREDICT, CLASSIFY, REGRESS = (
    f"tensorflow/serving/{name}" for name in ("predict", "classify", "regress")
)
#: TensorFlow's numbers of data types, by NumPy's names.
_DATA_TYPES = {
    "float32": 1, "float64": 2, "int32": 3, "uint8": 4, "int16": 5, "int8": 6, "int64": 9,
    "bool": 10, "uint16": 17, "uint32": 22, "uint64": 23,
}  # fmt: skip
_STRING = 7
#: Fields of a `TensorProto` with values of a type.
_FLOAT_VALUES, _DOUBLE_VALUES, _STRING_VALUES, _CONTENT = 5, 6, 8, 4
_INTEGER_VALUES = {"int32": 7, "uint8": 7, "int16": 7, "int8": 7, "int64": 10, "bool": 11}


@dataclass(frozen=True)
class LogForm:
    """How one signature's answers are logged.

    Attributes:
        signature: Its name.
        method: What kind it is: `PREDICT`, `CLASSIFY` or `REGRESS`.
        input_name: Name of its input.
        shapes: Shapes of its outputs, without the rows, where they are known.
    """

    signature: str
    method: str
    input_name: str
    shapes: Mapping[str, tuple[int, ...]]


def check_forms(forms: Sequence[LogForm]) -> None:
    """Refuses signatures that have no common log.

    Raises:
        ParameterError: There are several, and not all classify or regress.
    """
    others = [form.signature for form in forms if form.method == PREDICT]
    if len(forms) > 1 and others:
        raise ParameterError(
            "a prediction log of several signatures holds classifications and regressions only",
            expected="one signature, or all of method classify or regress",
            got=", ".join(others),
            fix="write inference_format='parquet', or use a node for each signature",
        )


def prediction_logs(
    examples: pa.Array, predictions: Predictions, forms: Sequence[LogForm]
) -> pa.Array:
    """A binary array with one `PredictionLog` for each record.

    Args:
        examples: Serialized `tf.Example`s.
        predictions: Answers by signature, in the order of `forms`.
        forms: The signatures.
    """
    outputs = list(predictions.values())
    if len(forms) == 1 and forms[0].method == PREDICT:
        return _predict_logs(examples, outputs[0], forms[0])
    if not len(examples):
        return pa.array([], pa.binary())
    return _inference_logs(examples, outputs, forms)


def _predict_logs(examples: pa.Array, outputs: pa.RecordBatch, form: LogForm) -> pa.Array:
    spec = _constant(_tagged(3, form.signature.encode()))
    tensor = join([_constant(_tensor_head(_STRING, (1,))), _field(_STRING_VALUES, examples)])
    entry = join([_constant(_tagged(1, form.input_name.encode())), _field(2, tensor)])
    request = join([_constant(_tagged(1, spec.as_py())), _field(2, entry)])
    response = [
        _field(1, join([_constant(_tagged(1, name.encode())), _field(2, tensor)]))
        for name, tensor in (
            (field.name, _tensor(array, form.shapes.get(field.name)))
            for field, array in zip(outputs.schema, outputs.columns, strict=True)
        )
    ]
    answered = join([*response, _constant(_tagged(2, spec.as_py()))])
    return _field(6, join([_field(1, request), _field(2, answered)]))


def _tensor(array: pa.Array, shape: tuple[int, ...] | None) -> pa.Array:
    """Serialized `TensorProto`s, one for each row, whose first dimension is 1."""
    rows = len(array)
    values = pc.list_flatten(array) if is_list(array.type) else array
    width = len(values) // rows if rows else 1
    if shape is None or int(np.prod(shape)) != width:
        shape = (width,) if is_list(array.type) else ()
    if is_text(values.type):
        texts = _field(_STRING_VALUES, values.cast(pa.binary()))
        cells = [texts.take(pa.array(np.arange(rows) * width + i)) for i in range(width)]
        return join([_constant(_tensor_head(_STRING, (1, *shape))), *cells])
    numbers = values.to_numpy(zero_copy_only=False)
    kind = numbers.dtype.name
    head = _constant(_tensor_head(_DATA_TYPES[kind], (1, *shape)))
    if kind in _INTEGER_VALUES:
        cells = [_varints(numbers[i::width]) for i in range(width)]
        return join([head, _field(_INTEGER_VALUES[kind], join(cells))])
    field = {"float32": _FLOAT_VALUES, "float64": _DOUBLE_VALUES}.get(kind, _CONTENT)
    data = np.ascontiguousarray(numbers.astype(numbers.dtype.newbyteorder("<")))
    size = width * data.itemsize
    return join([head, _field(field, from_offsets(np.arange(rows + 1) * size, pa.py_buffer(data)))])


def _varints(numbers: npt.NDArray[Any]) -> pa.Array:
    different, index = np.unique(numbers, return_inverse=True)
    table = pa.array([_varint(int(each) & (1 << 64) - 1) for each in different], pa.binary())
    return table.take(pa.array(index))


def _varint(number: int) -> bytes:
    pieces = []
    while number > 0x7F:
        pieces.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*pieces, number])


def _tensor_head(data_type: int, shape: tuple[int, ...]) -> bytes:
    dimensions = b"".join(_tagged(2, b"\x08" + _varint(size)) for size in shape)
    return b"\x08" + _varint(data_type) + _tagged(2, dimensions)


def _tagged(field: int, data: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(data)) + data


def _field(field: int, data: pa.Array) -> pa.Array:
    """Each element as a field with a length."""
    heads = by_length(lengths_of(data), lambda size: _varint(field << 3 | 2) + _varint(size))
    return join([heads, data])


def _constant(data: bytes) -> pa.Scalar:
    return pa.scalar(data, pa.binary())


def _inference_logs(
    examples: pa.Array, outputs: Sequence[pa.RecordBatch], forms: Sequence[LogForm]
) -> pa.Array:
    """Classify, regress and multi-inference logs."""
    from tensorflow_serving.apis import prediction_log_pb2

    answers = [_answers(batch, form) for batch, form in zip(outputs, forms, strict=True)]
    found = []
    for row, example in enumerate(examples.to_pylist()):
        log = prediction_log_pb2.PredictionLog()
        if len(forms) == 1:
            kind = "classify_log" if forms[0].method == CLASSIFY else "regress_log"
            single = getattr(log, kind)
            single.request.model_spec.signature_name = forms[0].signature
            single.request.input.example_list.examples.add().ParseFromString(example)
            _fill(single.response.result, answers[0], row)
        else:
            multi = log.multi_inference_log
            multi.request.input.example_list.examples.add().ParseFromString(example)
            for form, answer in zip(forms, answers, strict=True):
                task = multi.request.tasks.add(method_name=form.method)
                task.model_spec.signature_name = form.signature
                result = multi.response.results.add()
                result.model_spec.signature_name = form.signature
                part = "classification_result" if form.method == CLASSIFY else "regression_result"
                _fill(getattr(result, part), answer, row)
        found.append(log.SerializeToString(deterministic=True))
    return pa.array(found, pa.binary())


#: (names of classes, scores) or (values,), by row.
_Answers = tuple[list[Any] | None, ...]


def _answers(outputs: pa.RecordBatch, form: LogForm) -> _Answers:
    if form.method == CLASSIFY:
        return tuple(None if a is None else a.to_pylist() for a in class_scores(outputs))
    value = regression(outputs)
    return (None if value is None else value[1].to_pylist(),)


def _fill(result: Any, answers: _Answers, row: int) -> None:
    if len(answers) == 1:
        values = answers[0]
        result.regressions.add(value=values[row] if values else None)
        return
    labels, scores = (None if each is None else each[row] for each in answers)
    chosen = result.classifications.add()
    for index in range(len(labels or scores or [])):
        one = chosen.classes.add()
        if labels is not None:
            one.label = labels[index]
        if scores is not None:
            one.score = scores[index]
