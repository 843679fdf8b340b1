# SPDX-License-Identifier: Apache-2.0
"""User code as TFX's components take it."""

from __future__ import annotations

from pathlib import Path

import pytest

MODULE = """
def preprocessing_fn(inputs): return inputs
def stats_options_updater_fn(stats_type, stats_options): return stats_options
def run_fn(fn_args): ...
def tuner_fn(fn_args): ...
"""


@pytest.fixture
def module_file(tmp_path: Path) -> str:
    """A module file with every function that components look for."""
    file = tmp_path / "model_code.py"
    file.write_text(MODULE)
    return str(file)
