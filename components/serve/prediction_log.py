# SPDX-License-Identifier: Apache-2.0
"""What was asked and answered, as Parquet files that an example generator reads.

    <folder>/<model name>/2026-11-20/predictions-<time>-<process>-<number>.parquet

A file appears complete, by a rename. Each record has the features as they were sent, the
outputs (`prediction`, `prediction_<output>`), `model_version` and `served_at_ms`
(milliseconds since 1970). So statistics of what a model is asked can be computed, and
compared with those of what it learned from.

Logging never delays an answer: what cannot be taken in time is dropped and counted.
"""

from __future__ import annotations

import contextlib
import os
import queue
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ...utils.logs import get_logger
from .server_settings import LogSettings

_log = get_logger(__name__)

MODEL_VERSION = "model_version"
SERVED_AT = "served_at_ms"
_PREDICTION = "prediction"
_QUEUED = 1_000
_TICK_S = 0.2


@dataclass(frozen=True)
class _Entry:
    features: pa.RecordBatch
    outputs: pa.RecordBatch
    version: str
    at: float
    untyped: frozenset[str]


class PredictionLog:
    """Writes the log of one server, in a thread.

    Args:
        name: The model's name.
        settings: Where to, how much.
    """

    def __init__(self, name: str, settings: LogSettings) -> None:
        self._settings = settings
        self._folder = Path(settings.folder).expanduser().absolute() / name
        self._folder.mkdir(parents=True, exist_ok=True)
        self._queue: queue.Queue[_Entry | None] = queue.Queue(_QUEUED)
        self._random = np.random.default_rng()
        self._lock = threading.Lock()
        self._pending: list[pa.RecordBatch] = []
        self._oldest = 0.0
        self._types: dict[str, pa.DataType] = {}
        self._number = 0
        #: Records written, left out by sampling, and lost.
        self.written = self.skipped = self.dropped = 0
        self._thread = threading.Thread(target=self._work, name="prediction-log")
        self._thread.start()

    def offer(
        self,
        features: pa.RecordBatch,
        outputs: pa.RecordBatch,
        version: str,
        untyped: frozenset[str] = frozenset(),
    ) -> None:
        """Takes in one answered request, or drops it where the log cannot keep up.

        Args:
            features: What was asked.
            outputs: What was answered.
            version: By which version.
            untyped: Features of which the model says no type.
        """
        entry = _Entry(features, outputs, version, time.time(), untyped)
        try:
            self._queue.put_nowait(entry)
        except queue.Full:
            with self._lock:
                self.dropped += features.num_rows

    def close(self) -> None:
        """Writes what is left."""
        self._queue.put(None)
        self._thread.join()

    def _work(self) -> None:
        while True:
            try:
                entry = self._queue.get(timeout=_TICK_S)
            except queue.Empty:
                self._flush_if_due()
                continue
            if entry is None:
                self._flush()
                return
            try:
                self._take(entry)
            except (pa.ArrowException, ValueError) as error:
                self._lose(entry.features.num_rows, error)
            self._flush_if_due()

    def _take(self, entry: _Entry) -> None:
        batch = self._joined(entry)
        if self._settings.sample < 1.0:
            chosen = self._random.random(batch.num_rows) < self._settings.sample
            self.skipped += int(batch.num_rows - chosen.sum())
            batch = batch.filter(pa.array(chosen))
        if not batch.num_rows:
            return
        if self._pending and self._pending[0].schema != batch.schema:
            self._flush()  # A file has one schema.
        if not self._pending:
            self._oldest = time.monotonic()
        self._pending.append(batch)

    def _joined(self, entry: _Entry) -> pa.RecordBatch:
        rows = entry.features.num_rows
        columns: dict[str, pa.Array] = {}
        for name, column in zip(entry.features.schema.names, entry.features.columns, strict=True):
            columns[name] = self._steady(name, column, name in entry.untyped)
        extra: dict[str, pa.Array] = {}
        for name, column in zip(entry.outputs.schema.names, entry.outputs.columns, strict=True):
            extra[_output_name(name)] = column
        extra[MODEL_VERSION] = pa.array([entry.version] * rows)
        extra[SERVED_AT] = pa.array([int(entry.at * 1000)] * rows, pa.int64())
        for name, column in extra.items():
            while name in columns:
                name += "_"
            columns[name] = column
        return pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))

    def _steady(self, name: str, column: pa.Array, untyped: bool) -> pa.Array:
        """A column whose type does not depend on which values happened to be sent."""
        if untyped and pa.types.is_integer(column.type):
            column = column.cast(pa.float64())
        if pa.types.is_null(column.type):
            return column.cast(self._types.get(name, pa.float64()))
        self._types[name] = column.type
        return column

    def _flush_if_due(self) -> None:
        if not self._pending:
            return
        rows = sum(batch.num_rows for batch in self._pending)
        aged = time.monotonic() - self._oldest >= self._settings.file_seconds
        if aged or rows >= self._settings.file_rows:
            self._flush()

    def _flush(self) -> None:
        if not self._pending:
            return
        table = pa.Table.from_batches(self._pending)
        self._pending = []
        now = time.time()
        day = self._folder / time.strftime("%Y-%m-%d", time.gmtime(now))
        self._number += 1
        stamp = time.strftime("%H%M%S", time.gmtime(now))
        name = f"predictions-{stamp}-{os.getpid()}-{self._number:06d}.parquet"
        temporary = day / f".{name}.tmp"
        try:
            day.mkdir(exist_ok=True)
            pq.write_table(table, temporary)
            os.rename(temporary, day / name)
            self.written += table.num_rows
            self._rotate()
        except OSError as error:
            # A full disk must not stop the answers.
            self._lose(table.num_rows, error)
            with contextlib.suppress(OSError):
                temporary.unlink()

    def _lose(self, rows: int, error: Exception) -> None:
        with self._lock:
            self.dropped += rows
        _log.error("%d records of the prediction log are lost: %s", rows, error)

    def _rotate(self) -> None:
        """Deletes the oldest files while there are more bytes than allowed."""
        files = sorted(self._folder.glob("*/predictions-*.parquet"), key=_age)
        sizes = [path.stat().st_size for path in files]
        excess = sum(sizes) - self._settings.max_mib * 2**20
        for path, size in zip(files[:-1], sizes, strict=False):
            if excess <= 0:
                return
            path.unlink(missing_ok=True)
            excess -= size
            _log.info("deleted %s: the prediction log has its full size", path)


def _age(path: Path) -> tuple[float, str]:
    return path.stat().st_mtime, path.name


def _output_name(name: str) -> str:
    return name if name.startswith(_PREDICTION) else f"{_PREDICTION}_{name}"
