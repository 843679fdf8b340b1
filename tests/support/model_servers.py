# SPDX-License-Identifier: Apache-2.0
"""Small models, and running servers as tests ask them."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from penstock.components.serve.server_process import ServerProcess

#: Time for a server to be ready, on a machine that is busy with other things.
READY_S = 120.0


def save_constant(folder: Path, value: float) -> Path:
    """Saves an XGBoost model of `amount` and `count` that always predicts `value`."""
    import numpy as np
    import xgboost

    rows = np.random.default_rng(0).random((20, 2))
    data = xgboost.DMatrix(rows, np.full(20, value), feature_names=["amount", "count"])
    settings = {"base_score": value, "max_depth": 1, "nthread": 1}
    folder.mkdir(parents=True)
    xgboost.train(settings, data, 1).save_model(folder / "model.json")
    return folder


SCHEMA = """
feature { name: "amount" type: FLOAT presence { min_fraction: 1.0 }
          float_domain { min: 0 max: 1000 } }
feature { name: "count" type: INT int_domain { min: 0 max: 9 } }
feature { name: "label" type: INT }
"""


@dataclass
class Served:
    """A running server.

    Attributes:
        process: The process.
        events: What it said.
        token: What it asks for.
    """

    process: ServerProcess
    events: list[dict[str, Any]] = field(default_factory=list)
    token: str = ""

    def call(
        self, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        """(status, answer) of a request: a POST where there is a body."""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"Content-Type": "application/json", **(headers or {})}
        if self.token:
            sent.setdefault("Authorization", f"Bearer {self.token}")
        request = urllib.request.Request(self.process.url + path, data, sent)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, _read(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, _read(error.read())

    def wait_for(self, check: Callable[[], bool], what: str, seconds: float = 60.0) -> None:
        """Waits until something holds.

        Raises:
            AssertionError: It does not come to that.
        """
        deadline = time.monotonic() + seconds
        while not check():
            assert time.monotonic() < deadline, f"{what}; events: {self.events[-5:]}"
            time.sleep(0.05)


def _read(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body.decode()
