# SPDX-License-Identifier: Apache-2.0
"""How training goes: shown while it goes on, recorded at its end, stopped when it diverges."""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping
from typing import Any

from ...utils.errors import UserCodeError
from ...utils.logs import get_logger
from ..base.artifact import PropertyValue
from ..base.executor import ProgressCallback
from .train_args import OnNan

#: Before the name of a metric, where it is recorded on the execution.
METRIC_PREFIX = "metric."

_FIX = (
    "lower the learning rate, or clip gradients (clipnorm=1.0 of a Keras optimizer); look for "
    "NaN or huge inputs, log(0) and 0/0; Trainer(on_nan='warn') trains on"
)

_log = get_logger(__name__)


class TrainingProgress:
    """What a `run_fn` gets as `report_progress`.

    Args:
        report: Shows how far it is.
        on_nan: What to do when a metric is NaN or infinite.
        node_id: Id of the node, for messages.
        location: Where `run_fn` is, for messages.
        checkpoint_dir: Emptied when training fails for diverging: nobody should go on there.

    Attributes:
        error: Why training has to end, once it has to.
    """

    def __init__(
        self,
        report: ProgressCallback,
        on_nan: OnNan,
        node_id: str,
        location: str | None = None,
        checkpoint_dir: str = "",
    ) -> None:
        self._report = report
        self._on_nan = on_nan
        self._node_id = node_id
        self._location = location
        self._checkpoint_dir = checkpoint_dir
        self._metrics: dict[str, float] = {}
        self._finite: dict[str, tuple[float, str]] = {}
        self._warned: set[str] = set()
        self._steps: int | None = None
        self.error: UserCodeError | None = None

    def __call__(self, step: int, total: int | None = None, **metrics: Any) -> None:
        """Says how far training is.

        Args:
            step: Steps done so far, in all attempts together.
            total: Steps to do, where known.
            **metrics: Numbers to show and record, such as `loss`.

        Raises:
            UserCodeError: One of them is NaN or infinite, and that is to end training.
        """
        self._steps = int(step)
        values = {name: float(value) for name, value in metrics.items()}
        self._take(values, f"step {step}" + (f" of {total}" if total else ""))
        shown = ", ".join(f"{name} {value:.4g}" for name, value in values.items())
        note = f"step {step}" + (f" · {shown}" if shown else "")
        self._report(float(step), None if total is None else float(total), note)

    def take_result(self, result: object) -> None:
        """Takes in what `run_fn` returned: numbers by name, or a Keras `History`.

        Raises:
            UserCodeError: As in a call.
        """
        history = getattr(result, "history", None)
        if isinstance(history, Mapping):
            lengths = [len(values) for values in history.values() if isinstance(values, list)]
            for epoch in range(max(lengths, default=0)):
                values = {
                    str(name): float(found[epoch])
                    for name, found in history.items()
                    if isinstance(found, list) and epoch < len(found) and _is_number(found[epoch])
                }
                self._take(values, f"the end of epoch {epoch + 1}")
        elif isinstance(result, Mapping):
            numbers = {str(name): float(v) for name, v in result.items() if _is_number(v)}
            self._take(numbers, "the end of training, as run_fn returned it")

    def properties(self) -> dict[str, PropertyValue]:
        """What is recorded on the execution: the steps, and the last value of each metric."""
        found: dict[str, PropertyValue] = {}
        if self._steps is not None:
            found["steps"] = self._steps
        # The store takes only finite numbers.
        for name, value in self._metrics.items():
            found[METRIC_PREFIX + name] = value if math.isfinite(value) else str(value)
        return found

    def diverged(self, what: str, got: str) -> None:
        """Acts on a model that is of no use, as `on_nan` says.

        Raises:
            UserCodeError: That is to end training.
        """
        if self._on_nan == "ignore":
            return
        if self._on_nan == "warn":
            if what not in self._warned:
                self._warned.add(what)
                _log.warning("%s: %s: %s", self._node_id, what, got)
            return
        if self._checkpoint_dir:
            shutil.rmtree(self._checkpoint_dir, ignore_errors=True)
        self.error = UserCodeError(
            what,
            node=self._node_id,
            expected="finite numbers",
            got=got,
            location=self._location,
            fix=_FIX,
        )
        raise self.error

    def _take(self, values: Mapping[str, float], when: str) -> None:
        self._metrics.update(values)
        for name, value in values.items():
            if math.isfinite(value):
                self._finite[name] = (value, when)
                continue
            word = "NaN" if math.isnan(value) else "infinite"
            before = self._finite.get(name)
            got = f"{name} is {value} at {when}"
            if before is not None:
                got += f"; it was {before[0]:.6g} at {before[1]}"
            self.diverged(f"training diverged: {name} became {word} at {when}", got)


def _is_number(value: object) -> bool:
    if isinstance(value, (str, bytes, bool)) or not hasattr(value, "__float__"):
        return False
    return getattr(value, "size", 1) == 1
