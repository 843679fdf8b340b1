# SPDX-License-Identifier: Apache-2.0
"""Real data and real SavedModels, built once, small enough to evaluate in a second."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

ROWS = 600


@pytest.fixture(scope="session")
def complaint_examples(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Examples whose label follows `amount`; some amounts are missing."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    from penstock.components.base.artifact_types import Examples

    random = np.random.default_rng(5)
    amount = random.normal(size=ROWS)
    label = (random.random(ROWS) < 1 / (1 + np.exp(-2 * amount))).astype("int64")
    product = np.array(["Card", "Debt", "Mortgage"])[random.integers(0, 3, ROWS)]
    table = pa.table(
        {
            "amount": pa.array(amount, mask=np.arange(ROWS) % 50 == 0),
            "noise": random.normal(size=ROWS),
            "product": pa.array(product, mask=np.arange(ROWS) % 40 == 7),
            "hour": random.integers(0, 3, ROWS),
            "label": label,
            "kind": random.integers(0, 3, ROWS),
            "disputed": np.where(label == 1, "Yes", "No"),
            "weight": random.random(ROWS) + 0.5,
            "never": pa.nulls(ROWS),
        }
    )
    root = tmp_path_factory.mktemp("examples")
    for split, part in (("train", table.slice(0, 150)), ("eval", table)):
        folder = root / f"Split-{split}"
        folder.mkdir()
        pq.write_table(part, folder / "data_parquet-00000-of-00001.parquet")
    examples = Examples(str(root), id=1)
    examples.splits = ["train", "eval"]
    examples.custom_properties["payload_format"] = "parquet"
    return examples


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    """Models by name: `good`, `worse`, `flipped`, `bad_on_card`, `classes`."""
    import tensorflow as tf

    from penstock.components.base.artifact_types import Model

    class Scorer(tf.Module):
        def __init__(self, slope: float, noise: float, card_slope: float) -> None:
            super().__init__()
            self.slopes = tf.Variable([slope, noise, card_slope])

        def parsed(self, examples: Any) -> Any:
            number = tf.io.FixedLenFeature([], tf.float32, 0.0)
            text = tf.io.FixedLenFeature([], tf.string, "")
            wanted = {"amount": number, "noise": number, "product": text, "disputed": text}
            return tf.io.parse_example(examples, wanted)

        def score(self, row: Any) -> Any:
            slope = tf.where(row["product"] == "Card", self.slopes[2], self.slopes[0])
            return tf.sigmoid(slope * row["amount"] + self.slopes[1] * row["noise"])[:, None]

    serialized = [tf.TensorSpec([None], tf.string, name="examples")]
    found = {}
    for name, slopes in (
        ("good", (2.0, 0.0, 2.0)),
        ("worse", (1.0, 2.0, 1.0)),
        ("flipped", (-2.0, 0.0, -2.0)),
        ("bad_on_card", (2.0, 0.0, -2.0)),
        ("classes", (1.0, 0.5, 1.0)),
    ):
        scorer = Scorer(*slopes)
        classes = name == "classes"

        def serve(examples: Any, scorer: Any = scorer, classes: bool = classes) -> dict[str, Any]:
            score = scorer.score(scorer.parsed(examples))
            if classes:
                return {"outputs": tf.nn.softmax(tf.concat([score, 1 - score, score**2], 1))}
            return {"outputs": score}

        def transform(examples: Any, scorer: Any = scorer) -> dict[str, Any]:
            row = scorer.parsed(examples)
            return {"disputed_xf": tf.cast(row["disputed"] == "Yes", tf.int64)[:, None]}

        uri = str(tmp_path_factory.mktemp(name))
        tf.saved_model.save(
            scorer,
            os.path.join(uri, "Format-Serving"),
            signatures={
                "serving_default": tf.function(serve, input_signature=serialized),
                "transform_features": tf.function(transform, input_signature=serialized),
            },
        )
        found[name] = Model(uri, id=len(found) + 10)
    return found


@pytest.fixture
def evaluate(
    complaint_examples: Any, models: Mapping[str, Any], tmp_path: Path
) -> Callable[..., Any]:
    """Runs the Evaluator's executor; gives (evaluation, blessing, returned properties)."""
    from penstock.components.analyze.evaluator_executor import EvaluatorExecutor
    from penstock.components.base.artifact_types import ModelBlessing, ModelEvaluation, Schema
    from penstock.components.base.executor import Task

    def run(
        eval_config: Mapping[str, Any],
        model: str = "good",
        baseline: str | None = None,
        examples: Any = complaint_examples,
        schema: str | None = None,
        code: Mapping[str, Any] | None = None,
        **parameters: Any,
    ) -> Any:
        place = tmp_path / f"run{len(list(tmp_path.iterdir()))}"
        evaluation, blessing = place / "evaluation", place / "blessing"
        for folder in (evaluation, blessing):
            folder.mkdir(parents=True)
        beam_pipeline_args = parameters.pop("beam_pipeline_args", ())
        inputs = {"examples": [examples], "model": [models[model]]}
        if baseline:
            inputs["baseline_model"] = [models[baseline]]
        if schema is not None:
            (place / "schema.pbtxt").write_text(schema)
            inputs["schema"] = [Schema(str(place))]
        task = Task(
            inputs=inputs,
            outputs={
                "evaluation": [ModelEvaluation(str(evaluation))],
                "blessing": [ModelBlessing(str(blessing))],
            },
            parameters={"eval_config": eval_config, **parameters},
            code=code or {},
            node_id="Evaluator",
            beam_pipeline_args=beam_pipeline_args,
        )
        returned = EvaluatorExecutor().execute(task)
        return task.outputs["evaluation"][0], task.outputs["blessing"][0], returned

    return run
