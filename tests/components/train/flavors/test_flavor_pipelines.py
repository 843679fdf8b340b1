# SPDX-License-Identifier: Apache-2.0
"""From data to a pushed model, with every framework, through the local runner.

All of them train in one run, so that libraries are loaded once.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penstock import (
    CsvExampleGen,
    Evaluator,
    LocalRunner,
    Pipeline,
    Pusher,
    Trainer,
)
from penstock.components.train.flavors.registry import detect, load_predictor

pytestmark = [pytest.mark.heavy, pytest.mark.slow, pytest.mark.timeout(600)]

TRAINING = Path(__file__).parent / "training"

#: Name: (module, custom_config, flavor).
WAYS: dict[str, tuple[str, dict[str, bool] | None, str]] = {
    "sklearn": ("train_sklearn.py", None, "sklearn"),
    "xgboost": ("train_xgboost.py", None, "xgboost"),
    "torch": ("train_torch.py", None, "torch"),
    "keras_jax": ("train_keras_jax.py", None, "keras"),
    "keras_tf": ("train_keras_tf.py", {"export": False}, "keras"),
    "keras_3": ("train_keras_tf.py", {"export": True}, "tensorflow"),
    "tf_keras": ("train_tf.py", {"keras": True}, "tensorflow"),
    "tf_module": ("train_tf.py", {"keras": False}, "tensorflow"),
}

EVAL_CONFIG = {
    "model_specs": [{"label_key": "label"}],
    "slicing_specs": [{}, {"feature_keys": ["kind"]}],
    "metrics_specs": [
        {
            "metrics": [
                {
                    "class_name": "AUC",
                    "threshold": {"value_threshold": {"lower_bound": 0.85}},
                },
                {"class_name": "ExampleCount"},
            ]
        }
    ],
}


def write_data(folder: Path) -> None:
    """Rows whose label follows `amount` and `hours`."""
    random = np.random.default_rng(3)
    folder.mkdir()
    lines = ["amount,hours,kind,label"]
    for _ in range(300):
        amount, hours = random.normal(size=2)
        label = int(2 * amount - hours + 0.3 * random.normal() > 0)
        lines.append(f"{amount:.4f},{hours:.4f},{random.choice(['card', 'loan'])},{label}")
    (folder / "rows.csv").write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    """The run of all of them, and where models were pushed to."""
    root = tmp_path_factory.mktemp("flavors")
    write_data(root / "data")
    data = CsvExampleGen(input_base=str(root / "data"))
    nodes: list[Any] = [data]
    for name, (module, custom_config, _) in WAYS.items():
        trainer = Trainer(
            examples=data.outputs["examples"],
            module_file=str(TRAINING / module),
            custom_config=custom_config,
        ).with_id(f"train_{name}")
        judged = Evaluator(
            examples=data.outputs["examples"],
            model=trainer.outputs["model"],
            eval_config=EVAL_CONFIG,
        ).with_id(f"evaluate_{name}")
        pushed = Pusher(
            model=trainer.outputs["model"],
            model_blessing=judged.outputs["blessing"],
            push_destination={"filesystem": {"base_directory": str(root / "serving" / name)}},
        ).with_id(f"push_{name}")
        nodes += [trainer, judged, pushed]
    result = LocalRunner().run(Pipeline("flavors", str(root / "root"), nodes))
    return result, root


@pytest.mark.parametrize("name", WAYS)
def test_data_becomes_a_pushed_model(name: str, done: tuple[Any, Path]) -> None:
    """A framework's users cannot get from data to a served model."""
    result, root = done
    steps = {step: result.outcomes[f"{step}_{name}"] for step in ("train", "evaluate", "push")}
    for step, outcome in steps.items():
        assert outcome.state.succeeded, (step, str(outcome.error))
    (model,) = steps["train"].outputs["model"]
    assert model.custom_properties["flavor"] == WAYS[name][2]
    (version,) = [path for path in (root / "serving" / name).iterdir() if path.name.isdigit()]
    assert detect(str(version)) == WAYS[name][2]
    assert steps["evaluate"].properties["metric.auc"] > 0.85


@pytest.mark.parametrize("name", WAYS)
def test_pushed_model_predicts_from_raw_columns(name: str, done: tuple[Any, Path]) -> None:
    """What was evaluated is not what is served."""
    import pyarrow as pa

    (version,) = [path for path in (done[1] / "serving" / name).iterdir() if path.name.isdigit()]
    predictor = load_predictor(str(version))
    rows = pa.RecordBatch.from_pydict(
        {"amount": [2.0, -2.0, 2.0], "hours": [-2.0, 2.0, -2.0], "kind": ["card", "loan", "card"]}
    )
    wanted = {"amount", "hours"} | ({"kind"} if name == "sklearn" else set())
    assert {each.name for each in predictor.input_features()} == wanted
    found = predictor.predict(rows)
    chances = found.column(found.num_columns - 1).to_pylist()
    chances = [each[-1] if isinstance(each, list) else each for each in chances]
    assert chances[0] == chances[2] > 0.8
    assert chances[1] < 0.2
