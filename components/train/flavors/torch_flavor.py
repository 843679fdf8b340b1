# SPDX-License-Identifier: Apache-2.0
"""PyTorch models in a `torch.export` archive: a graph of operations and plain tensors.

`forward`'s arguments are columns, by their names; so are the entries of an argument that is
a dict. A model with one argument of several numbers in a row takes the columns that the
archive lists, in that order::

    torch.export.save(exported, path, extra_files={"feature_names.json": json.dumps(names)})
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch
from torch.utils import _pytree as pytree

from ....utils.errors import ExecutionError
from .input_columns import DenseInput, dense, output_batch
from .predictor import InputFeature, ModelError
from .pt2_archive import check_archive
from .registry import model_file

_Array = npt.NDArray[Any]

#: Name of the archive's extra file that lists the columns of a single argument.
FEATURE_NAMES = "feature_names.json"
#: Exporting with a batch of unknown size may leave out batches of fewer rows.
_FEWEST = 2
#: Rows that the model sees at once.
_ROWS = 4096


def load(folder: str, signature: str | None, trusted: Sequence[str]) -> TorchPredictor:
    """Loads `model.pt2` in `folder`.

    Raises:
        ModelError: It is damaged, holds what could run code, or takes batches of one size.
    """
    del signature, trusted
    path = model_file(folder, "torch")
    check_archive(path)
    extra = {FEATURE_NAMES: ""}
    try:
        program = torch.export.load(path, extra_files=extra)
    except Exception as error:
        # Damage shows as an error of any kind.
        raise ModelError(
            "the torch.export archive cannot be loaded",
            expected="what torch.export.save writes",
            got=f"{type(error).__name__}: {str(error)[:300]}",
            location=path,
            fix=f"export it with the installed torch, {torch.__version__}",
        ) from error
    return TorchPredictor(program, _columns(extra.get(FEATURE_NAMES) or "", path), path)


class TorchPredictor:
    """Calls an exported program.

    Args:
        program: The `torch.export.ExportedProgram`.
        columns: Columns of a single argument, or None.
        path: Where it came from, for messages.
    """

    flavor = "torch"

    def __init__(self, program: Any, columns: Sequence[str] | None, path: str) -> None:
        self._spec = program.call_spec.in_spec
        self._module = program.module()
        self._columns = columns
        self._inputs = _inputs(program, self._spec, path)
        if columns is None:
            return
        width = self._inputs[0].shape[-1] if self._inputs[0].shape else 1
        if len(self._inputs) != 1 or width not in (None, len(columns)):
            raise ModelError(
                f"{FEATURE_NAMES} does not fit the model",
                expected=f"one argument with {len(columns)} numbers in a row",
                got=", ".join(f"{each.name}: {list(each.shape)}" for each in self._inputs),
                location=path,
            )

    def input_features(self) -> list[InputFeature]:
        """See `Predictor`."""
        if self._columns is not None:
            return [DenseInput(name, self._inputs[0].dtype).feature() for name in self._columns]
        return [each.feature() for each in self._inputs]

    def predict(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """See `Predictor`."""
        rows = batch.num_rows
        arrays = self._arrays(batch)
        parts = [
            self._call([array[start : start + _ROWS] for array in arrays])
            for start in range(0, max(rows, 1), _ROWS)
        ]
        outputs = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        return output_batch(outputs, rows)

    def _arrays(self, batch: pa.RecordBatch) -> list[_Array]:
        if self._columns is None:
            return [dense(batch, each) for each in self._inputs]
        dtype = self._inputs[0].dtype
        return [np.stack([dense(batch, DenseInput(n, dtype)) for n in self._columns], axis=1)]

    def _call(self, arrays: Sequence[_Array]) -> dict[str, _Array]:
        rows = len(arrays[0])
        leaves = [torch.from_numpy(_filled(array)) for array in arrays]
        args, kwargs = pytree.tree_unflatten(leaves, self._spec)
        try:
            with torch.inference_mode():
                found = self._module(*args, **kwargs)
        except (RuntimeError, ValueError, TypeError, AssertionError) as error:
            lines = [line.strip() for line in str(error).splitlines() if line.strip()]
            raise ExecutionError(
                "the torch model failed to predict",
                expected="rows as they were exported with",
                got=f"{type(error).__name__}: {lines[0][:300] if lines else ''}",
                fix="call torch.export.load(path).module() on these rows to see what it wants",
            ) from error
        return {
            name: tensor.detach().cpu().float().numpy()[:rows]
            if tensor.dtype == torch.bfloat16
            else tensor.detach().cpu().numpy()[:rows]
            for name, tensor in _named(found).items()
        }


def _inputs(program: Any, spec: Any, path: str) -> list[DenseInput]:
    placeholders = {node.name: node for node in program.graph.nodes if node.op == "placeholder"}
    names = list(program.graph_signature.user_inputs)
    columns = _leaf_names(spec, names)
    found: list[DenseInput] = []
    for name, column in zip(names, columns, strict=True):
        value = placeholders[name].meta["val"] if name in placeholders else None
        if not isinstance(value, torch.Tensor):
            raise ModelError(
                f"the exported model takes something that is no tensor: {column}",
                expected="tensors",
                got=repr(value if value is not None else name),
                location=path,
                fix="export a module whose forward takes tensors only",
            )
        sizes = [size if isinstance(size, int) else None for size in value.shape]
        if not sizes or sizes[0] is not None:
            raise ModelError(
                "the model was exported for batches of one size",
                expected="a number of rows that is open",
                got=f"{column}: {sizes}",
                location=path,
                fix="torch.export.export(model, arguments, dynamic_shapes={"
                f"{column!r}: {{0: torch.export.Dim('batch')}}}})",
            )
        dtype = str(value.dtype).removeprefix("torch.")
        found.append(DenseInput(column, dtype, tuple(sizes[1:])))
    return found


def _leaf_names(spec: Any, placeholders: Sequence[str]) -> list[str]:
    """Names of columns, in the order of tensors: keys of dicts, else names of arguments."""
    remaining = iter(placeholders)

    def walk(each: Any, key: str | None) -> list[str]:
        if each.is_leaf():
            name = next(remaining)
            return [key or name]
        children = each.children() if hasattr(each, "children") else each.children_specs
        keys = list(each.context) if each.type is dict else [None] * len(children)
        pairs = zip(children, keys, strict=True)
        return [name for child, own in pairs for name in walk(child, own)]

    return walk(spec, None)


def _columns(text: str | bytes, path: str) -> list[str] | None:
    if not text:
        return None
    try:
        names = json.loads(text)
    except ValueError as error:
        raise ModelError(
            f"{FEATURE_NAMES} in the archive is no JSON", got=str(error), location=path
        ) from error
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ModelError(
            f"{FEATURE_NAMES} in the archive is no list of names",
            expected='["age", "income"]',
            got=str(names)[:200],
            location=path,
        )
    return names


def _filled(array: _Array) -> _Array:
    """At least as many rows as any exported model takes."""
    if len(array) >= _FEWEST:
        # torch writes to nothing here, but warns where it could not.
        return array if array.flags.writeable else array.copy()
    filled = np.zeros((_FEWEST, *array.shape[1:]), array.dtype)
    filled[: len(array)] = array
    return filled


def _named(found: Any) -> dict[str, Any]:
    if isinstance(found, torch.Tensor):
        return {"prediction": found}
    if isinstance(found, Mapping):
        return {str(name): tensor for name, tensor in found.items()}
    return {f"output_{i}": tensor for i, tensor in enumerate(found)}
