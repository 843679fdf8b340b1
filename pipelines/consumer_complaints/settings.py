# SPDX-License-Identifier: Apache-2.0
"""The pipeline's settings, as `config.yaml` has them."""

from __future__ import annotations

from pathlib import Path

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
    months: int = Field(gt=0)
    train_buckets: int = Field(gt=0)
    eval_buckets: int = Field(gt=0)


class TrainingSettings(_Section):
    """The model, and how it is trained."""

    epochs: int = Field(gt=0)
    batch_size: int = Field(gt=0)
    learning_rate: float = Field(gt=0)
    embedding_size: int = Field(gt=0)
    hidden_units: list[int]
    dropout: float = Field(ge=0, lt=1)
    seed: int


class EvaluationSettings(_Section):
    """What is demanded of a model."""

    slice_by: list[str]
    min_auc: float = Field(ge=0, le=1)
    max_auc_loss: float = Field(ge=0, le=1)


class Settings(_Section):
    """All settings."""

    name: str
    root: str
    serving: str
    data: DataSettings
    fail_on_anomalies: bool
    training: TrainingSettings
    evaluation: EvaluationSettings
    canary: dict[str, str]


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
