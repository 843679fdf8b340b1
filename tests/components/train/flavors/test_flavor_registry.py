# SPDX-License-Identifier: Apache-2.0
"""Telling flavors apart, and refusing what is no model or an unsafe one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from penstock.components.train.flavors import registry
from penstock.components.train.flavors.registry import (
    FLAVORS,
    ModelError,
    UnknownFormat,
    detect,
    load_predictor,
)

HEAVY = "tensorflow keras torch jax sklearn skops xgboost pandas pyarrow numpy"


@pytest.mark.parametrize(("name", "file"), [(f.name, file) for f in FLAVORS for file in f.files])
def test_flavor_is_told_by_the_file(name: str, file: str, tmp_path: Path) -> None:
    """A model is taken for one of another framework."""
    (tmp_path / "Format-Serving").mkdir()
    (tmp_path / "Format-Serving" / file).write_bytes(b"")
    (tmp_path / "Format-Serving" / "vocabulary.txt").write_text("")
    assert detect(str(tmp_path)) == name
    assert detect(str(tmp_path / "Format-Serving")) == name


def test_telling_loads_no_framework(tmp_path: Path) -> None:
    """A router or a command line pays seconds to learn what a model is."""
    (tmp_path / "model.pt2").write_bytes(b"")
    code = (
        "import sys; from penstock.components.train.flavors.registry import detect\n"
        "assert detect(sys.argv[1]) == 'torch'\n"
        f"print([name for name in {HEAVY.split()!r} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.heavy
def test_scikit_learn_models_load_without_torch() -> None:
    """A server of a scikit-learn model waits for PyTorch, which it does not use."""
    code = (
        "import sys, penstock.components.train.flavors.sklearn_flavor\n"
        "assert 'skops.io' in sys.modules and 'torch' not in sys.modules\n"
        "assert None not in sys.modules.values()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_several_models_are_refused(tmp_path: Path) -> None:
    """One of two models is chosen by chance."""
    (tmp_path / "model.json").write_text("")
    (tmp_path / "saved_model.pb").write_text("")
    with pytest.raises(ModelError, match="several models") as caught:
        detect(str(tmp_path))
    assert caught.value.got == "saved_model.pb (tensorflow), model.json (xgboost)"


def test_no_model_says_what_is_there(tmp_path: Path) -> None:
    """A misnamed file is a riddle."""
    with pytest.raises(UnknownFormat, match="no model of a known format") as caught:
        detect(str(tmp_path))
    assert caught.value.got == "an empty folder"
    (tmp_path / "best.keras").write_text("")
    with pytest.raises(UnknownFormat) as caught:
        detect(str(tmp_path))
    assert caught.value.got == "best.keras"
    assert caught.value.suggestion == "model.keras"
    with pytest.raises(ModelError, match="no model folder"):
        detect(str(tmp_path / "elsewhere"))


@pytest.mark.parametrize(
    ("file", "advice"),
    [
        ("model.pkl", "skops.io.dump"),
        ("model.joblib", "skops.io.dump"),
        ("model.pt", "torch.export.save"),
        ("weights.PTH", "torch.export.save"),
        ("model.h5", "model.save"),
        ("model.safetensors", "torch.export.save"),
    ],
)
def test_formats_that_run_code_are_refused(file: str, advice: str, tmp_path: Path) -> None:
    """A model from a bucket runs whatever its writer put into it."""
    (tmp_path / file).write_bytes(b"cposix\nsystem\n(S'true'\ntR.")
    with pytest.raises(ModelError, match=r"refused|without running|weights only") as caught:
        load_predictor(str(tmp_path))
    assert advice in str(caught.value.fix)
    assert file in str(caught.value)


def test_missing_library_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who serves a model of another framework reads a traceback of imports."""
    (tmp_path / "model.skops").write_bytes(b"")
    # Python's own way to say that a module cannot be imported.
    monkeypatch.setitem(sys.modules, "skops.io", None)
    monkeypatch.setitem(sys.modules, "skops", None)
    name = registry.__package__ + ".sklearn_flavor"
    monkeypatch.delitem(sys.modules, name, raising=False)
    with pytest.raises(ModelError, match="needs skops, which is not installed") as caught:
        load_predictor(str(tmp_path))
    assert caught.value.fix == "pip install skops"
