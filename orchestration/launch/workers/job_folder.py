# SPDX-License-Identifier: Apache-2.0
"""What a launcher and the workers it started elsewhere say to each other: files in a folder.

    spec.json         what is to be done, and where each worker listens
    beat.json         a number that changes while the launcher lives
    progress.json     what the chief reported last
    answer-<rank>.json   how a worker ended

The folder lies where all of them see it. Files appear whole or not at all.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from .messages import WorkSpec

#: Answers of a worker: what `WorkResult` has, or an error.
DONE, FAILED = "done", "failed"


class JobFolder:
    """The files.

    Args:
        path: The folder.
    """

    def __init__(self, path: str) -> None:
        self.path = path

    def give(self, spec: WorkSpec, addresses: Sequence[str]) -> None:
        """Says what is to be done.

        Raises:
            OSError: The folder cannot be written.
        """
        os.makedirs(self.path, exist_ok=True)
        self._write("spec.json", replace(spec, addresses=tuple(addresses)).to_bytes())

    def spec(self) -> WorkSpec:
        """What is to be done.

        Raises:
            OSError: It cannot be read.
        """
        with open(os.path.join(self.path, "spec.json"), "rb") as file:
            return WorkSpec.from_bytes(file.read())

    def report(self, done: float, total: float | None, note: str) -> None:
        """Says how far the chief is."""
        self._write("progress.json", json.dumps([done, total, note]).encode())

    def progress(self) -> list[Any] | None:
        """What `report` was told last; None before that."""
        found: list[Any] | None = self._read("progress.json")
        return found

    def beat(self, number: int) -> None:
        """Says that the launcher lives; each time another number."""
        self._write("beat.json", json.dumps(number).encode())

    def last_beat(self) -> int | None:
        """The last number of `beat`."""
        found: int | None = self._read("beat.json")
        return found

    def answer(self, rank: int, answer: Mapping[str, Any]) -> None:
        """Says how a worker ended."""
        self._write(f"answer-{rank}.json", json.dumps(answer).encode())

    def answers(self, size: int) -> dict[int, dict[str, Any]]:
        """How workers ended, those that have, by rank."""
        found = {rank: self._read(f"answer-{rank}.json") for rank in range(size)}
        return {rank: answer for rank, answer in found.items() if answer is not None}

    def _write(self, name: str, data: bytes) -> None:
        path = os.path.join(self.path, name)
        with open(f"{path}.{os.getpid()}.new", "wb") as file:
            file.write(data)
        os.replace(file.name, path)

    def _read(self, name: str) -> Any:
        try:
            with open(os.path.join(self.path, name), "rb") as file:
                return json.loads(file.read())
        except FileNotFoundError:
            return None
