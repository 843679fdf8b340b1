# SPDX-License-Identifier: Apache-2.0
"""What a `fit` function returned, in files: JSON, with NumPy arrays beside it.

`state.json` is the state with `{"$array": n}` in the place of the array in `array-n.npy`.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from ....utils import storage
from ....utils.errors import DataError, UserCodeError

STATE_FILE = "state.json"
_ARRAY = "$array"


def write_state(state: Any, folder: str, node_id: str, location: str | None) -> None:
    """Writes a state.

    Args:
        state: Text, numbers, truth values, None, NumPy arrays, and lists and dicts of them.
        folder: Where to write.
        node_id: Id of the node, for messages.
        location: Where the user's `fit` is, for messages.

    Raises:
        UserCodeError: The state holds something else.
    """
    arrays: list[np.ndarray[Any, Any]] = []

    def plain(value: Any, where: str) -> Any:
        if hasattr(value, "as_py") and not isinstance(value, type):
            value = value.as_py()
        if isinstance(value, np.generic):
            value = value.item()
        if value is None or isinstance(value, (bool, int, float, str)):
            return value
        if isinstance(value, np.ndarray) and value.dtype.kind in "biufUSMm":
            arrays.append(value)
            return {_ARRAY: len(arrays) - 1}
        if isinstance(value, (list, tuple)):
            return [plain(item, f"{where}[{i}]") for i, item in enumerate(value)]
        if isinstance(value, Mapping):
            for key in value:
                if not isinstance(key, str) or key == _ARRAY:
                    raise _refused(where, f"the key {key!r}", "make keys texts: str(key)")
            return {key: plain(item, f"{where}[{key!r}]") for key, item in value.items()}
        kind = f"{type(value).__module__}.{type(value).__qualname__}"
        if isinstance(value, np.ndarray):
            kind += f" of {value.dtype}"
        raise _refused(where, kind, _ADVICE.get(type(value).__name__, "return what it holds"))

    def _refused(where: str, got: str, fix: str) -> UserCodeError:
        return UserCodeError(
            f"fit() returned a state that cannot be saved: {where}",
            node=node_id,
            expected="text, numbers, None, NumPy arrays of them, and lists and dicts of these",
            got=got,
            location=location,
            fix=fix,
        )

    if not isinstance(state, Mapping):
        raise _refused("state", repr(state)[:80], "return a dict of what was learnt")
    text = json.dumps(plain(state, "state"), indent=1)
    storage.write_text_atomic(os.path.join(folder, STATE_FILE), text + "\n")
    for number, array in enumerate(arrays):
        np.save(os.path.join(folder, f"array-{number}.npy"), array, allow_pickle=False)


def read_state(folder: str) -> Any:
    """The state that `write_state` wrote.

    Raises:
        DataError: A file is damaged.
        StorageError: A file is missing.
    """
    location = storage.join(folder, STATE_FILE)

    def restored(value: Any) -> Any:
        if isinstance(value, list):
            return [restored(item) for item in value]
        if not isinstance(value, dict):
            return value
        if set(value) == {_ARRAY}:
            data = storage.read_bytes(storage.join(folder, f"array-{int(value[_ARRAY])}.npy"))
            return np.load(io.BytesIO(data), allow_pickle=False)
        return {key: restored(item) for key, item in value.items()}

    try:
        return restored(json.loads(storage.read_text(location)))
    except (ValueError, EOFError) as error:
        raise DataError(
            "the state of a transform cannot be read",
            got=f"{type(error).__name__}: {error}",
            location=location,
            fix="run the node that writes it again",
        ) from error


_ADVICE = {
    "set": "return sorted(…) of it: a set has no order",
    "frozenset": "return sorted(…) of it: a set has no order",
    "Series": "return .to_dict() or .to_numpy() of it",
    "DataFrame": "return .to_dict('list') of it",
    "ndarray": "give the array numbers or texts as its dtype, or return .tolist() of it",
    "bytes": "return .decode() of it",
}
