# SPDX-License-Identifier: Apache-2.0
"""One version of a model in memory: loaded, warmed up, used, and let go."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from ...utils.errors import PenstockError
from ...utils.logs import get_logger
from ...utils.readable import duration
from ..train.flavors.predictor import ModelError, Predictor
from ..train.flavors.registry import load_predictor
from .example_record import example_record
from .feature_columns import FeatureColumn, RequestError, feature_columns
from .request_reading import RequestReader
from .request_schema import RequestSchema

_log = get_logger(__name__)


@dataclass(eq=False)
class LoadedVersion:
    """A version that can answer.

    Attributes:
        name: Its name, as in URLs.
        path: The folder that it was loaded from.
        predictor: The model.
        columns: Its features.
        reader: Reads requests for it.
        load_seconds: How long loading and warming up took.
        loaded_at: When that was done, in seconds since 1970.
        stamp: What tells its content from another in the same folder.
        outputs: Schema of its answers; None until it has given one.
    """

    name: str
    path: str
    predictor: Predictor
    columns: Mapping[str, FeatureColumn]
    reader: RequestReader
    load_seconds: float = 0.0
    loaded_at: float = 0.0
    stamp: str = ""
    outputs: pa.Schema | None = None
    _in_flight: int = field(default=0, init=False)
    _retired: bool = field(default=False, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    @property
    def untyped(self) -> frozenset[str]:
        """Features of which the model says no type."""
        return frozenset(name for name, each in self.columns.items() if each.type is None)

    @property
    def in_flight(self) -> int:
        """Requests that it is answering now."""
        return self._in_flight

    def example(self) -> dict[str, Any]:
        """A record that it could be asked about, as JSON has it."""
        return example_record(self.columns)

    def predict(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Answers for records.

        Raises:
            InputError: The model cannot take them.
            ExecutionError: The model failed.
        """
        answer = self.predictor.predict(batch)
        if self.outputs is None:
            self.outputs = answer.schema
        return answer

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Counts one request as being answered."""
        with self._lock:
            self._in_flight += 1
        try:
            yield
        finally:
            with self._lock:
                self._in_flight -= 1
                last = self._retired and not self._in_flight
            if last:
                _log.info("version %s has answered its last request", self.name)

    def retire(self) -> None:
        """No new request will come: the memory is freed with the last one under way."""
        with self._lock:
            self._retired = True
            left = self._in_flight
        _log.info("version %s is no longer served; %d requests under way", self.name, left)


@dataclass(frozen=True)
class VersionLoader:
    """Loads versions for one server.

    Attributes:
        signature: Signature of a SavedModel; empty for its default.
        max_rows: Most records in a request.
        schema: Checks values; None where no schema was given.
        trusted_types: Types that a model may be made of, besides those known to be harmless.
        recent: Gives records that were asked about lately, to warm up with; or None.
    """

    signature: str = ""
    max_rows: int = 10_000
    schema: RequestSchema | None = None
    trusted_types: tuple[str, ...] = ()
    recent: Callable[[], pa.RecordBatch | None] = lambda: None

    def load(self, name: str, path: str) -> LoadedVersion:
        """Loads a version and warms it up.

        Raises:
            PenstockError: It cannot be loaded.
        """
        began = time.monotonic()
        try:
            predictor = load_predictor(
                path, signature=self.signature or None, trusted_types=self.trusted_types
            )
            columns = feature_columns(predictor.input_features())
        except PenstockError:
            raise
        except Exception as error:
            # Whatever a framework raises must not end the thread that follows the source.
            raise ModelError(
                "the model cannot be loaded",
                got=f"{type(error).__name__}: {str(error)[:500]}",
                location=path,
            ) from error
        if self.schema is not None:
            columns = self.schema.typed(columns)
        reader = RequestReader(columns, self.max_rows, self.schema, self.signature)
        version = LoadedVersion(name, path, predictor, columns, reader)
        self._warm_up(version)
        version.load_seconds = time.monotonic() - began
        version.loaded_at = time.time()
        _log.info(
            "version %s (%s) is loaded from %s in %s",
            name,
            predictor.flavor,
            path,
            duration(version.load_seconds),
        )
        return version

    def _warm_up(self, version: LoadedVersion) -> None:
        """Lets a version answer once or twice, so that the first request does not wait.

        With records that were asked about lately, where they fit; else with made-up ones,
        of which a model may well disapprove: that is no reason not to serve it.
        """
        try:
            batch = self.recent()
            if batch is None or set(batch.schema.names) < {*version.columns}:
                record = example_record(version.columns)
                batch = version.reader.read_v1({"instances": [record]})
            version.predict(batch)
            version.predict(batch)
        except (PenstockError, RequestError) as error:
            _log.debug("version %s could not be warmed up: %s", version.name, error)
        except Exception as error:
            _log.warning(
                "version %s failed when it was warmed up: %s: %s",
                version.name,
                type(error).__name__,
                error,
            )
