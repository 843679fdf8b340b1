# SPDX-License-Identifier: Apache-2.0
"""What workers are told of each other, and which settings cannot work."""

from __future__ import annotations

import numpy as np
import pytest

from penstock import CsvExampleGen, Resources, Trainer
from penstock.components.base.artifact_types import Examples
from penstock.components.base.channel import Channel
from penstock.components.base.executor import Task, WorkerGroup
from penstock.components.train.distributed.cluster_environment import tf_config, torchrun_variables
from penstock.components.train.distributed.distribution import Distribution
from penstock.components.train.distributed.single_device import SingleDevice
from penstock.components.train.distributed.strategy_scope import distributed, unsupported_fit
from penstock.utils.errors import ParameterError

THREE = ("10.0.0.1:2222", "10.0.0.2:2222", "10.0.0.3:2222")
EXAMPLES = Channel(Examples)


@pytest.mark.heavy
def test_fit_of_keras_3_over_processes_is_told_as_such() -> None:
    """If it fails, who uses Keras 3 under such a strategy reads of tensors of a wrong type."""
    keras = pytest.importorskip("keras")
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    several = Distribution(strategy="multi_worker_mirrored")
    with pytest.raises(ValueError) as caught:
        model.fit(np.ones((4, 3)), np.ones((4, 1)), verbose=0)
    told = unsupported_fit(caught.value, several, "Trainer", "model.py:3")
    assert told is not None and "fit() of Keras 3 cannot train under multi_worker" in str(told)
    assert unsupported_fit(caught.value, Distribution(strategy="mirrored"), "Trainer", "") is None
    with pytest.raises(ValueError) as caught:
        model(np.ones((4, 3)))
    assert unsupported_fit(caught.value, several, "Trainer", "") is None


def test_tf_config_of_equal_workers() -> None:
    """If it fails, workers take each other's parts, or wait for one who is nobody."""
    told = tf_config(Distribution(strategy="multi_worker_mirrored"), WorkerGroup(1, THREE))
    assert told == {"cluster": {"worker": list(THREE)}, "task": {"type": "worker", "index": 1}}


@pytest.mark.parametrize(
    ("rank", "task"), [(0, ("chief", 0)), (1, ("worker", 0)), (2, ("ps", 0)), (3, ("ps", 1))]
)
def test_tf_config_with_parameter_servers(rank: int, task: tuple[str, int]) -> None:
    """If it fails, the chief looks for variables where nobody serves them."""
    four = (*THREE, "10.0.0.4:2222")
    distribution = Distribution(strategy="parameter_server", parameter_servers=2)
    told = tf_config(distribution, WorkerGroup(rank, four))
    assert (told["task"]["type"], told["task"]["index"]) == task
    assert told["cluster"] == {"chief": [four[0]], "worker": [four[1]], "ps": list(four[2:])}
    kind, index = task
    assert told["cluster"][kind][index] == four[rank]


def test_variables_are_those_of_torchrun() -> None:
    """If it fails, code written for torchrun finds no process group."""
    told = torchrun_variables(WorkerGroup(2, THREE))
    assert told == {
        "MASTER_ADDR": "10.0.0.1", "MASTER_PORT": "2222", "RANK": "2", "WORLD_SIZE": "3",
        "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "1",
    }  # fmt: skip
    here = torchrun_variables(WorkerGroup(0, ("127.0.0.1:4", "127.0.0.1:5")))
    assert here["GLOO_SOCKET_IFNAME"] == "lo"


@pytest.mark.parametrize("strategy", [None, "mirrored", "data_parallel"])
def test_workers_that_would_all_do_the_same(strategy: str | None) -> None:
    """If it fails, N processes each train the whole model, and one is kept."""
    distribution = Distribution.model_validate(strategy) if strategy else None
    task = Task(group=WorkerGroup(0, THREE), node_id="Trainer")
    with (
        pytest.raises(ParameterError, match="3 workers, which would all do the same") as caught,
        distributed(distribution, task),
    ):
        pass
    assert "multi_worker_mirrored" in str(caught.value.expected)


def test_parameter_servers_need_three() -> None:
    """If it fails, the chief waits without end for a worker that does not exist."""
    task = Task(group=WorkerGroup(0, THREE), node_id="Trainer")
    distribution = Distribution(strategy="parameter_server", parameter_servers=2)
    with (
        pytest.raises(ParameterError, match="needs more workers") as caught,
        distributed(distribution, task),
    ):
        pass
    assert "workers=4" in str(caught.value.fix)


def test_without_distribution_nothing_changes() -> None:
    """If it fails, code that can be distributed does not run alone."""
    with distributed(None, Task()) as strategy:
        assert isinstance(strategy, SingleDevice)


def test_names_are_checked_when_the_node_is_built() -> None:
    """If it fails, a misspelt strategy is found only when all data are ingested."""
    with pytest.raises(ParameterError, match="distribution"):
        Trainer(examples=EXAMPLES, module_file="m.py", distribution="miroread")  # type: ignore[arg-type]
    with pytest.raises(ParameterError) as caught:
        Trainer(
            examples=EXAMPLES, module_file="m.py", distribution={"strategy": "ddp", "server": 1}
        )
    assert caught.value.expected is not None


def test_only_training_takes_workers() -> None:
    """If it fails, an ingest runs twice at once, and half of its output is thrown away."""
    with pytest.raises(ParameterError, match="CsvExampleGen works in one process"):
        CsvExampleGen(input_base="data").with_policy(resources=Resources(workers=2))
    with pytest.raises(ParameterError, match="at least one worker"):
        Trainer(examples=EXAMPLES, module_file="m.py").with_policy(resources=Resources(workers=0))
    with pytest.raises(ParameterError, match="of another kind"):
        Trainer(examples=EXAMPLES, module_file="m.py").with_policy(resources={"gpu": 1})
