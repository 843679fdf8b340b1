# SPDX-License-Identifier: Apache-2.0
"""Mistakes in a LightTransform's code, data and wiring: each is one clear error."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

pytest.importorskip("sklearn")
pytest.importorskip("skops")

import pyarrow as pa

from penstock import Channel, Examples, LightTransform
from penstock.components.transform.light.saved import attach, load
from penstock.utils.errors import (
    CodeError,
    DataError,
    PenstockError,
    UserCodeError,
    WiringError,
)

Run = Callable[..., tuple[Any, Any]]

FIT = "import pyarrow as pa, pyarrow.compute as pc\ndef fit(table):\n    return {'m': 1.0}\n"
SKLEARN = "from sklearn.preprocessing import *\nfrom sklearn.linear_model import *\n"

#: Name: (module, kind of error, what it says).
MISTAKES: dict[str, tuple[str, type[PenstockError], str]] = {
    "transform without the state": (
        FIT + "def transform(table):\n    return table\n",
        CodeError,
        r"transform\(\) cannot be called as it is: too many.*def transform\(table, state\)",
    ),
    "fewer rows": (
        FIT + "def transform(table, state):\n    return table.select(['area']).slice(1)\n",
        DataError,
        "another number of rows than it was given.*expected: +200 rows.*got: +199 rows",
    ),
    "no table": (
        FIT + "def transform(table, state):\n    return {'area': [1.0]}\n",
        UserCodeError,
        r"transform\(\) returned no table",
    ),
    "columns by batch": (
        FIT + "def transform(table, state):\n"
        "    names = ['area', 'key'] if table['key'][0].as_py() == 'k200' else ['area']\n"
        "    return table.select(names)\n",
        DataError,
        "gives other columns for these rows.*Split-eval",
    ),
    "types by batch": (
        FIT + "def transform(table, state):\n"
        "    late = table['key'][0].as_py() == 'k200'\n"
        "    return pa.table({'x': table['kind'] if late else table['area']})\n",
        DataError,
        "gives 'x' another type for these rows",
    ),
    "learns while transforming": (
        FIT + "def transform(table, state):\n"
        "    return pa.table({'x': pc.subtract(table['area'], pc.mean(table['area']))})\n",
        UserCodeError,
        r"other features when it comes alone.*other values in x.*learn from the data in fit",
    ),
    "state in the module": (
        "import pyarrow as pa\nMEAN = []\n"
        "def fit(table):\n    MEAN.append(3.0)\n    return {}\n"
        "def transform(table, state):\n"
        "    return pa.table({'x': [MEAN[0]] * table.num_rows})\n",
        UserCodeError,
        "IndexError: list index out of range.*in your code",
    ),
    "state that is no data": (
        "def fit(table):\n    return {'kinds': {'a', 'b'}}\n"
        "def transform(table, state):\n    return table\n",
        UserCodeError,
        r"cannot be saved: state\['kinds'\].*builtins.set.*return sorted",
    ),
    "fit returns nothing": (
        "def fit(table):\n    pass\ndef transform(table, state):\n    return table\n",
        UserCodeError,
        r"cannot be saved: state.*got: +None",
    ),
    "label returned too": (
        FIT + "def transform(table, state):\n"
        "    return table.select(['area']).append_column('sold', table['area'])\n",
        DataError,
        "'sold', which is passed through as it is",
    ),
    "transform raises": (
        FIT + "def transform(table, state):\n    return table.select(['surface'])\n",
        UserCodeError,
        "KeyError.*surface.*in your code.*own_features.py:5 in transform",
    ),
    "no transformer": (
        "def preprocess():\n    pass\n",
        UserCodeError,
        r"preprocess\(\) returned no transformer.*own_features.py:1",
    ),
    "a model": (
        SKLEARN + "def preprocess():\n    return LogisticRegression()\n",
        UserCodeError,
        r"preprocess\(\) returned no transformer",
    ),
    "texts as numbers": (
        SKLEARN + "def preprocess():\n    return StandardScaler()\n",
        UserCodeError,
        "cannot be fitted.*could not convert string to float",
    ),
    "a lambda": (
        SKLEARN + "def preprocess():\n    return FunctionTransformer(lambda frame: frame)\n",
        UserCodeError,
        "functions that cannot be found again.*<lambda>.*at the top level",
    ),
    "unknown in eval": (
        SKLEARN + "from sklearn.compose import *\ndef preprocess():\n"
        "    return ColumnTransformer([('k', OneHotEncoder(), ['key'])])\n",
        DataError,
        "cannot take these rows.*unknown categories.*handle_unknown='ignore'",
    ),
    "nothing there": ("x = 1\n", CodeError, "defines no transform.*none of them"),
    "half of a form": (
        "def transform(table, state):\n    return table\n",
        CodeError,
        r"expected: +either preprocess\(\), or fit\(table\) and transform",
    ),
}


def user_functions(module: ModuleType) -> dict[str, Any]:
    """What the pipeline finds in a module file."""
    names = ("preprocess", "fit", "transform")
    return {name: getattr(module, name) for name in names if hasattr(module, name)}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistake_in_the_module_is_one_clear_error(
    name: str, house_examples: Any, write_module: Callable[[str], ModuleType], run_light: Run
) -> None:
    """If it fails, a user reads a traceback of Arrow or scikit-learn, or gets wrong features."""
    text, kind, message = MISTAKES[name]
    with pytest.raises(kind) as caught:
        run_light(house_examples, user_functions(write_module(text)))
    assert caught.value.node == "LightTransform"
    assert re.search(message, str(caught.value), re.DOTALL), str(caught.value)


def test_missing_split_and_columns_are_named(
    house_examples: Any, house_features: ModuleType, run_light: Run, write_houses: Any, houses: Any
) -> None:
    """If it fails, a misspelt split or label gives an empty or a wrong data set."""
    code = {"preprocess": house_features.preprocess}
    with pytest.raises(DataError, match=r"no split 'trian' to fit to[\s\S]*did you mean: +train"):
        run_light(house_examples, code, splits_config={"analyze": ["trian"]})
    with pytest.raises(DataError, match=r"no column 'slod'[\s\S]*did you mean: +sold"):
        run_light(house_examples, code, label_key="slod")
    with pytest.raises(DataError, match="no rows to fit to"):
        run_light(write_houses(houses, 0), code)


def test_folder_without_a_transform_says_so(tmp_path: Path) -> None:
    """If it fails, whoever loads a transform that was never fitted sees a missing file."""
    with pytest.raises(DataError, match="no fitted light transform"):
        load(str(tmp_path))
    (tmp_path / "light_transform.json").write_text("{")
    with pytest.raises(DataError, match="cannot be read"):
        load(str(tmp_path))


def test_damaged_or_foreign_transformer_is_refused(
    house_examples: Any, house_features: ModuleType, run_light: Run
) -> None:
    """If it fails, a file that somebody put there is made into objects."""
    graph, _ = run_light(house_examples, {"preprocess": house_features.preprocess_own})
    Path(graph.path("code.json")).unlink()
    with pytest.raises(DataError, match="types that are not trusted"):
        load(graph.uri)
    Path(graph.path("transformer.skops")).write_bytes(b"not a zip")
    with pytest.raises(DataError, match="skops file cannot be read"):
        load(graph.uri)
    description = Path(graph.path("light_transform.json"))
    description.write_text(json.dumps({**json.loads(description.read_text()), "version": 99}))
    with pytest.raises(DataError, match="another version of Penstock"):
        load(graph.uri)


def test_models_own_transform_folder_is_not_overwritten(tmp_path: Path) -> None:
    """If it fails, the Trainer deletes what run_fn saved."""
    (tmp_path / "model" / "transform").mkdir(parents=True)
    (tmp_path / "model" / "transform" / "mine").touch()
    with pytest.raises(DataError, match="'transform' of its own"):
        attach(str(tmp_path), str(tmp_path / "model"))


@pytest.mark.parametrize(
    "given", [{}, {"fit": "features.fit"}, {"preprocess": "f.p", "fit": "f.f"}]
)
def test_wiring_without_a_whole_transform_is_refused(given: dict[str, str]) -> None:
    """If it fails, the mistake shows only when the node runs."""
    with pytest.raises(WiringError, match="needs one transform"):
        LightTransform(examples=Channel(Examples), **given)


def test_result_without_materialization_has_one_output() -> None:
    """If it fails, something can be wired to examples that are never written."""
    node = LightTransform(examples=Channel(Examples), module_file="f.py", materialize=False)
    assert list(node.outputs) == ["transform_graph"]


def test_tables_of_odd_types_are_written_plainly(
    house_examples: Any, write_module: Callable[[str], ModuleType], run_light: Run
) -> None:
    """If it fails, what pandas and Arrow readily return cannot be written or described."""
    text = (
        "import pandas as pd, numpy as np\n"
        "def fit(table):\n    return {}\n"
        "def transform(table, state):\n"
        "    frame = table.to_pandas()\n"
        "    return pd.DataFrame({\n"
        "        'kind': frame['kind'].astype('category'),\n"
        "        'small': frame['area'].astype(np.float16),\n"
        "        'rooms': frame['rooms'].astype('Int64'),\n"
        "        'pair': [[1.0, 2.0]] * len(frame),\n"
        "    })\n"
    )
    graph, _ = run_light(house_examples, user_functions(write_module(text)))
    schema = load(graph.uri, trusted=["code"]).output_schema
    assert schema.types == [pa.string(), pa.float32(), pa.int64(), pa.list_(pa.float64())]
