# SPDX-License-Identifier: Apache-2.0
"""The Tuner: by Optuna over `hyperparameters()`, by what `tuner_fn` returns, and mistakes."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest

pytest.importorskip("pyarrow")
pytest.importorskip("optuna")

from penstock import LocalRunner, Pipeline, Trainer, Tuner
from penstock.components.base.artifact_types import (
    Examples,
    HyperParameters,
    TunerResults,
)
from penstock.components.base.executor import Task
from penstock.components.train.tuner_executor import TunerExecutor
from penstock.components.train.tuning.trial_records import read_trials
from penstock.utils.errors import PenstockError, UserCodeError
from penstock.utils.hashing import digest_tree

pytestmark = pytest.mark.heavy

TRAINING = Path(__file__).with_name("tunable_training.py")


def load_training() -> Any:
    """The user's module."""
    spec = importlib.util.spec_from_file_location("tunable_training", TRAINING)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def training() -> Any:
    """The user's module."""
    return load_training()


class Tuned(NamedTuple):
    """What a search put out."""

    properties: dict[str, Any]
    best: dict[str, Any]
    folder: str

    @property
    def trials(self) -> list[dict[str, Any]]:
        """The trials."""
        found: list[dict[str, Any]] = read_trials(self.folder)["trials"]
        return found


@pytest.fixture
def run_tuner(raw_examples: Any, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Tuned]:
    """Runs the executor over raw data."""

    def run(code: dict[str, Any], kept: str = "", **parameters: Any) -> Tuned:
        best = HyperParameters(str(tmp_path_factory.mktemp("best")))
        results = TunerResults(str(tmp_path_factory.mktemp("results")))
        task = Task(
            inputs={"examples": [raw_examples]},
            outputs={"best_hyperparameters": [best], "tuner_results": [results]},
            parameters={"seed": 0, **parameters},
            code=code,
            node_id="Tuner",
            work_dir=str(tmp_path_factory.mktemp("work")),
            checkpoint_dir=kept,
        )
        properties = TunerExecutor().execute(task)
        text = Path(best.path("best_hyperparameters.txt")).read_text()
        return Tuned(dict(properties), json.loads(text), results.uri)

    return run


def functions(training: Any, *names: str) -> dict[str, Any]:
    """Functions of the module by entry point."""
    return {name: getattr(training, name) for name in names or ("hyperparameters", "run_fn")}


def test_search_over_declared_hyperparameters(
    run_tuner: Callable[..., Tuned], training: Any, tmp_path: Path
) -> None:
    """If it fails, trials are not what was asked for, or equal searches differ."""
    log = tmp_path / "log"
    found, again = (
        run_tuner(
            functions(training),
            tune_args={"num_trials": 7, "num_parallel_trials": 2, "sampler": "random"},
            custom_config={"log": str(log)},
        )
        for _ in range(2)
    )
    assert found.properties["trials"] == found.properties["complete"] == 7
    values = [each["value"] for each in found.trials]
    assert found.properties["best_value"] == min(values)
    assert found.best == found.trials[found.properties["best_trial"]]["parameters"]
    assert found.best["shape"] == "logistic" and 0.01 <= found.best["rate"] <= 3
    tried = [json.loads(line) for line in log.read_text().splitlines()]
    assert len({pid for _, pid, _ in tried}) == 14, "trials share a process"
    assert {seed for _, _, seed in tried} == {0}
    assert [each["seed"] for each in found.trials] == list(range(7))
    assert set(found.trials[0]["reported"]) == {"10", "20", "30"}
    files = {"trials.json", "trials.csv", "report.html", "optimization_history.png",
             "parameter_importance.png"}  # fmt: skip
    assert set(os.listdir(found.folder)) == files
    assert digest_tree(found.folder) == digest_tree(again.folder)


def test_pruner_stops_hopeless_trials(run_tuner: Callable[..., Tuned], training: Any) -> None:
    """If it fails, intermediate values do not reach the pruner, or pruned trials count."""
    found = run_tuner(functions(training), tune_args={"num_trials": 12, "pruner": "median"})
    pruned = [each for each in found.trials if each["state"] == "pruned"]
    assert found.properties["pruned"] == len(pruned) > 0
    assert all(len(each["reported"]) < 3 for each in pruned)
    assert found.properties["best_value"] < min(each["value"] for each in pruned)
    band = run_tuner(functions(training), tune_args={"num_trials": 5, "pruner": "hyperband"})
    assert band.properties["complete"] + band.properties["pruned"] == 5


def test_failed_and_killed_trials_are_recorded(
    run_tuner: Callable[..., Tuned], training: Any
) -> None:
    """If it fails, one bad combination ends the search, or a dead process hangs it."""
    for how, reason in (("raise_for", "no such shape: constant"), ("die_of", "killed by SIGKILL")):
        found = run_tuner(
            functions(training),
            tune_args={"num_trials": 6, "sampler": "random", "num_parallel_trials": 3},
            custom_config={how: "constant"},
        )
        for each in found.trials:
            if each["parameters"]["shape"] == "constant":
                assert each["state"] == "failed" and reason in each["reason"]
            else:
                assert each["state"] == "complete"
        assert 0 < found.properties["failed"] < 6


def test_interrupted_search_goes_on(
    run_tuner: Callable[..., Tuned], training: Any, tmp_path: Path
) -> None:
    """If it fails, a killed search begins anew, or ends up with other trials."""
    kept = tmp_path / "kept"
    pid = os.fork()
    if pid == 0:
        try:

            def slow(fn_args: Any) -> Any:
                time.sleep(0.1)
                return training.run_fn(fn_args)

            run_tuner(
                {"hyperparameters": training.hyperparameters, "run_fn": slow},
                str(kept),
                tune_args={"num_trials": 40, "sampler": "random"},
            )
        finally:
            os._exit(0)
    journal = kept / "study" / "journal.jsonl"
    deadline = time.monotonic() + 60
    while not journal.exists() or journal.read_text().count("\n") < 24:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    log = tmp_path / "log"
    settings = {"tune_args": {"num_trials": 8, "sampler": "random"}}
    went_on = run_tuner(functions(training), str(kept), **settings,
                        custom_config={"log": str(log)})  # fmt: skip
    whole = run_tuner(functions(training), **settings)
    assert went_on.trials == whole.trials
    assert 0 < len(log.read_text().splitlines()) < 8, "finished trials were done again"


class Result(NamedTuple):
    """As a user may write it."""

    tuner: Any
    fit_kwargs: dict[str, Any]


@pytest.mark.parametrize("form", [Result, lambda tuner, fit_kwargs: locals().copy()])
def test_tuner_fn_may_return_an_optuna_study(
    run_tuner: Callable[..., Tuned], form: Callable[..., Any]
) -> None:
    """If it fails, a study of the user's own is not searched, or only in one kind of record."""
    import optuna

    def tuner_fn(fn_args: Any) -> Any:
        assert fn_args.train_files and os.path.isdir(fn_args.working_dir)
        study = optuna.create_study(
            direction="maximize", sampler=optuna.samplers.RandomSampler(seed=fn_args.seed)
        )
        return form(study, {"func": lambda trial: -trial.suggest_float("x", -1, 1) ** 2,
                            "n_trials": 7})  # fmt: skip

    found = run_tuner({"tuner_fn": tuner_fn})
    assert found.properties["direction"] == "maximize" and len(found.trials) == 7
    assert set(found.best) == {"x"}
    assert found.properties["best_value"] == -(found.best["x"] ** 2)


#: As users of TFX have it; the tuner trains a tiny model.
KERAS_TUNER = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from penstock.components.base.artifact_types import Examples, HyperParameters, TunerResults
from penstock.components.base.executor import Task
from penstock.components.train.tuner_executor import TunerExecutor
import numpy as np

def build(hp):
    import keras
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, activation="sigmoid")])
    model.compile(keras.optimizers.SGD(hp.Float("rate", 0.01, 1.0, sampling="log")),
                  "binary_crossentropy")
    return model

def tuner_fn(fn_args):
    import keras_tuner
    values = np.linspace(-1, 1, 64, dtype="float32")[:, None]
    data = (values, (values > 0).astype("float32"))
    tuner = keras_tuner.RandomSearch(build, objective="val_loss", max_trials=3, seed=fn_args.seed,
                                     directory=fn_args.working_dir, project_name="p")
    return {"tuner": tuner, "fit_kwargs": dict(x=data[0], y=data[1], epochs=2, verbose=0,
                                               validation_data=data)}

folder = Path(sys.argv[2])
examples = Examples(sys.argv[3])
examples.splits = ["train", "eval"]
for attempt in ("first", "second"):
    for name in ("best", "results"):
        (folder / attempt / name).mkdir(parents=True)
    outputs = {"best_hyperparameters": [HyperParameters(str(folder / attempt / "best"))],
               "tuner_results": [TunerResults(str(folder / attempt / "results"))]}
    task = Task({"examples": [examples]}, outputs, {"seed": 3}, {"tuner_fn": tuner_fn},
                checkpoint_dir=str(folder / "kept"))
    print(attempt, TunerExecutor().execute(task))
"""


@pytest.mark.slow
def test_keras_tuner_searches_as_in_tfx(raw_examples: Any, tmp_path: Path) -> None:
    """If it fails, a TFX user's tuner_fn does not run, or writes what Trainers cannot read."""
    pytest.importorskip("keras_tuner")
    (tmp_path / "kept").mkdir()
    words = ["-c", KERAS_TUNER, str(TRAINING.parent), str(tmp_path), raw_examples.uri]
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    best_file = tmp_path / "first" / "best" / "best_hyperparameters.txt"
    config = json.loads(best_file.read_text())
    assert set(config) == {"space", "values"}
    trials = read_trials(str(tmp_path / "first" / "results"))
    assert trials["objective"] == "val_loss" and trials["direction"] == "minimize"
    assert [each["state"] for each in trials["trials"]] == ["complete"] * 3
    best = trials["trials"][trials["best"]]
    assert best["parameters"]["rate"] == config["values"]["rate"]
    assert "'complete': 3" in done.stdout
    # What a killed attempt left is taken up: nothing is trained again.
    assert "Reloading Tuner" in done.stdout.partition("first {")[2]
    assert read_trials(str(tmp_path / "second" / "results")) == trials


@pytest.mark.parametrize(
    ("code", "parameters", "said"),
    [
        ({}, {}, "nothing to search with"),
        ({"hyperparameters": dict}, {}, "does not say what to try"),
        ({"hyperparameters": lambda: {"rate": "float(1, 0)"}}, {}, "low is above high"),
        ({"hyperparameters": lambda: {"rate": "float(0, 1)"}}, {}, "no function named 'run_fn'"),
        ({"tuner_fn": lambda fn_args: None}, {}, "returned nothing to search with"),
        ({"tuner_fn": lambda fn_args: {"tuner": object(), "fit_kwargs": {}}}, {},
         "returned nothing to search with"),
        ({"tuner_fn": lambda fn_args: SimpleNamespace(tuner=SimpleNamespace(search=print),
                                                      fit_kwargs={})},
         {"tune_args": {"num_parallel_trials": 2}}, "one combination after the other"),
        ({"hyperparameters": lambda: {"x": [1]}, "objective": lambda fn_args: None}, {},
         "says nothing of 'val_loss'"),
        ({"hyperparameters": lambda: {"x": [1, 2]}, "objective": lambda fn_args: float("nan")},
         {"tune_args": {"num_trials": 5}}, "trials failed, which is too many"),
        ({"hyperparameters": lambda: {"x": [1]}, "objective": lambda fn_args: {"loss": 1.0}}, {},
         "says nothing of 'val_loss'"),
        ({"hyperparameters": lambda: {"x": [1]}, "objective": lambda fn_args: float("inf")},
         {"tune_args": {"num_trials": 1}}, "no trial brought a value"),
    ],
)  # fmt: skip
def test_mistakes_are_one_clear_error(
    run_tuner: Callable[..., Tuned], code: dict[str, Any], parameters: dict[str, Any], said: str
) -> None:
    """If it fails, a mistake in a search ends in a riddle, or in a search for nothing."""
    with pytest.raises(PenstockError, match=said) as caught:
        run_tuner(code, **parameters)
    assert caught.value.node == "Tuner"
    if isinstance(caught.value, UserCodeError) and "says nothing" in said:
        assert caught.value.fix and "TuneArgs(objective=" in caught.value.fix


def test_trainer_gets_what_the_tuner_found(raw_examples: Any, tmp_path: Path) -> None:
    """If it fails, a Tuner and a Trainer in one pipeline do not understand each other."""
    from penstock import Importer

    data = Importer(raw_examples.uri, Examples,
                    properties={"split_names": '["train", "eval"]'},
                    custom_properties={"payload_format": "parquet"}).with_id("data")  # fmt: skip
    tuner = Tuner(data.outputs["result"], module_file=str(TRAINING), tune_args={"num_trials": 4})
    trainer = Trainer(
        data.outputs["result"],
        module_file=str(TRAINING),
        hyperparameters=tuner.outputs["best_hyperparameters"],
    )
    pipeline = Pipeline("tuned", str(tmp_path), [data, tuner, trainer])
    result = LocalRunner().run(pipeline).raise_for_failure()
    found = result.outcomes["Tuner"].properties
    model = result.outcomes["Trainer"].outputs["model"][0]
    weights = json.loads(Path(model.uri, "Format-Serving", "weights.json").read_text())
    trials = read_trials(result.outcomes["Tuner"].outputs["tuner_results"][0].uri)
    assert weights[2] == trials["trials"][int(found["best_trial"])]["parameters"]["rate"]
    recorded = result.outcomes["Trainer"].properties["metric.val_loss"]
    assert recorded == pytest.approx(found["best_value"])
    kept = tmp_path / ".checkpoints" / "Tuner"
    assert not kept.exists() or not os.listdir(kept), "the search's own files are left behind"
    again = LocalRunner().run(pipeline)
    assert again.outcomes["Tuner"].state.value == "cached"
