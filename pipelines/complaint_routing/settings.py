# SPDX-License-Identifier: Apache-2.0
"""The pipeline's settings, as `config.yaml` has them."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from penstock.utils.errors import ParameterError

HERE = Path(__file__).resolve().parent


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid")


class DataSettings(_Section):
    """What is read, and how it is divided."""

    folder: str
    pattern: str
    train_buckets: int = Field(gt=0)
    eval_buckets: int = Field(gt=0)


class NetworkSettings(_Section):
    """The Keras model, and how it is trained."""

    epochs: int = Field(gt=0)
    batch_size: int = Field(gt=0)
    learning_rate: float = Field(gt=0)
    hidden_units: int = Field(gt=0)
    dropout: float = Field(ge=0, lt=1)
    seed: int


class BaselineSettings(_Section):
    """The scikit-learn model.

    Attributes:
        strength: Inverse strength of the regularization.
        rare: Words in fewer complaints than this are left out.
        seed: Seed of the random generators.
    """

    strength: float = Field(gt=0)
    rare: int = Field(gt=0)
    seed: int


class EvaluationSettings(_Section):
    """What is demanded of a model, and what decides between two."""

    choose_by: Literal["macro_f1", "accuracy"]
    min_accuracy: float = Field(ge=0, le=1)
    min_macro_f1: float = Field(ge=0, le=1)


class Settings(_Section):
    """All settings."""

    name: str
    root: str
    serving: str
    data: DataSettings
    products: dict[str, list[str]] = Field(min_length=2)
    fail_on_anomalies: bool
    network: NetworkSettings
    baseline: BaselineSettings
    evaluation: EvaluationSettings
    canary: str

    @property
    def names(self) -> list[str]:
        """Names of the products in the order of their ids."""
        return sorted(self.products)


def load_settings(path: Path = HERE / "config.yaml") -> Settings:
    """Reads the settings.

    Raises:
        ParameterError: The file is not YAML, or a setting is missing, unknown or wrong.
    """
    try:
        return Settings.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (yaml.YAMLError, ValidationError) as error:
        raise ParameterError(
            "the settings cannot be used", got=str(error), location=str(path)
        ) from None
