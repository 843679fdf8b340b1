# SPDX-License-Identifier: Apache-2.0
"""Which libraries a Trainer's worker has before it starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock import Channel, Examples, Trainer

TENSORFLOW = "penstock.components.train.tensor_dataset"


@pytest.mark.parametrize(
    ("text", "needed"),
    [
        ("import sklearn\n", False),
        ("import xgboost as tensorflow_free\n", False),
        ("import tensorflow as tf\n", True),
        ("def run_fn(fn_args):\n    from keras import layers\n", True),
        ("from tfx_bsl.public import tfxio\n", True),
        ("import helper\n", True),
    ],
)
def test_tensorflow_is_loaded_only_for_code_that_imports_it(
    tmp_path: Path, text: str, needed: bool
) -> None:
    """If it fails, scikit-learn users need TensorFlow, or Keras users wait for it twice."""
    (tmp_path / "helper.py").write_text("import tensorflow_transform as tft\n")
    module = tmp_path / "training.py"
    module.write_text(text)
    trainer = Trainer(examples=Channel(Examples), module_file=str(module))
    assert (TENSORFLOW in trainer.preload) is needed


def test_module_file_that_is_not_there_is_left_to_the_compiler(tmp_path: Path) -> None:
    """If it fails, building a Trainer raises before anything says where."""
    trainer = Trainer(examples=Channel(Examples), module_file=str(tmp_path / "absent.py"))
    assert TENSORFLOW in trainer.preload


def test_what_scikit_learn_code_imports_is_loaded_once(tmp_path: Path) -> None:
    """If it fails, each of twenty trials waits seconds for the same libraries."""
    (tmp_path / "reading.py").write_text("import pandas as pd\n")
    module = tmp_path / "training.py"
    module.write_text("import os\nimport reading\nimport skops.io\nfrom sklearn.svm import SVC\n")
    trainer = Trainer(examples=Channel(Examples), module_file=str(module))
    own, *libraries = trainer.preload[1:]
    assert own == "penstock.components.transform.light.skops_library"
    assert libraries == ["pandas", "sklearn.svm", "skops.io"]
