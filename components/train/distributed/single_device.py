# SPDX-License-Identifier: Apache-2.0
"""What stands for a distribution strategy where training is not distributed."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any


class SingleDevice:
    """Lets a `run_fn` that can be distributed run as it is in one process on one device.

    `with strategy.scope():` changes nothing, and `wrap` gives back the model. Whatever else
    is asked for is answered by TensorFlow's default strategy, which is then imported.

    Attributes:
        rank: Number of this process.
        world_size: Number of processes.
        num_replicas_in_sync: Copies of the model that take part in one step.
        device: Where PyTorch may put the model.
    """

    rank = 0
    world_size = 1
    num_replicas_in_sync = 1
    device = "cpu"

    def scope(self) -> AbstractContextManager[None]:
        """A block that changes nothing."""
        return nullcontext()

    def wrap(self, model: Any) -> Any:
        """The model itself."""
        return model

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        import tensorflow as tf

        return getattr(tf.distribute.get_strategy(), name)
