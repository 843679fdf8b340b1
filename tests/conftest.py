# SPDX-License-Identifier: Apache-2.0
"""What all tests share: where the checkout is, and the settings of libraries."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# Errors only: TensorFlow's start-up notices would bury what a failing test printed. Set before
# any test module imports it, and inherited by the processes that tests start.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# As workers have it: else whatever library is imported first decides which Keras is tf.keras.
os.environ.setdefault("TF_USE_LEGACY_KERAS", "0")

# The same examples on every machine, and none fails for being slow on a busy one.
settings.register_profile("penstock", deadline=None, derandomize=True)
settings.load_profile("penstock")


@pytest.fixture(scope="session")
def checkout() -> Path:
    """The root of the repository."""
    return Path(__file__).resolve().parents[1]
