# SPDX-License-Identifier: Apache-2.0
"""What a model server counts, for Prometheus (`/metrics`), beside what KServe counts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import REGISTRY, Collector

from .prediction_log import PredictionLog
from .version_follower import Table

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class ServerMetrics:
    """The counters of one server.

    Args:
        name: The model's name.
        table: Gives what is served now.
        log: The prediction log, if there is one.
    """

    def __init__(self, name: str, table: Callable[[], Table], log: PredictionLog | None) -> None:
        self._name = name
        self._requests = Counter(
            "penstock_requests", "Requests for predictions, by outcome",
            ["model", "version", "outcome"],
        )  # fmt: skip
        self._seconds = Histogram(
            "penstock_prediction_seconds", "Time to read, predict and answer, in seconds",
            ["model", "version"], buckets=_BUCKETS,
        )  # fmt: skip
        self._records = Counter("penstock_records", "Records predicted for", ["model", "version"])
        self._failures = Counter(
            "penstock_load_failures", "Versions that could not be loaded, each attempt",
            ["model", "version"],
        )  # fmt: skip
        self._switched = Gauge(
            "penstock_last_switch_timestamp_seconds", "When what is served last changed", ["model"]
        )
        REGISTRY.register(_Served(name, table, log))

    def answered(self, version: str, records: int, seconds: float) -> None:
        """Counts a request that was answered."""
        self._requests.labels(self._name, version, "answered").inc()
        self._records.labels(self._name, version).inc(records)
        self._seconds.labels(self._name, version).observe(seconds)

    def refused(self, version: str) -> None:
        """Counts a request that was at fault itself."""
        self._requests.labels(self._name, version, "refused").inc()

    def failed(self, version: str) -> None:
        """Counts a request at which the model failed."""
        self._requests.labels(self._name, version, "failed").inc()

    def load_failed(self, version: str) -> None:
        """Counts an attempt to load a version that failed."""
        self._failures.labels(self._name, version).inc()

    def switched(self) -> None:
        """Notes that something else is served from now on."""
        self._switched.labels(self._name).set(time.time())


class _Served(Collector):
    """Reads what is served at the moment of asking."""

    def __init__(self, name: str, table: Callable[[], Table], log: PredictionLog | None) -> None:
        self._name, self._table, self._log = name, table, log

    def describe(self) -> Iterable[Metric]:
        """Nothing beforehand."""
        return []

    def collect(self) -> Iterator[Metric]:
        """The figures."""
        table = self._table()
        loaded = GaugeMetricFamily(
            "penstock_version_loaded", "1 for each version served", labels=["model", "version"]
        )
        took = GaugeMetricFamily(
            "penstock_version_load_seconds", "How long a version took to load and warm up",
            labels=["model", "version"],
        )  # fmt: skip
        busy = GaugeMetricFamily(
            "penstock_requests_in_flight", "Requests being answered", labels=["model", "version"]
        )
        for version in table.versions.values():
            loaded.add_metric([self._name, version.name], 1)
            took.add_metric([self._name, version.name], version.load_seconds)
            busy.add_metric([self._name, version.name], version.in_flight)
        labels = GaugeMetricFamily(
            "penstock_label", "1 for the version that has a label",
            labels=["model", "label", "version"],
        )  # fmt: skip
        for label, name in table.labels.items():
            labels.add_metric([self._name, label, name], 1)
        failing = GaugeMetricFamily(
            "penstock_version_failing", "1 for each version that should be served and cannot be",
            labels=["model", "version"],
        )  # fmt: skip
        for name in table.failures:
            failing.add_metric([self._name, name], 1)
        trouble = GaugeMetricFamily(
            "penstock_source_trouble", "1 while it is not known what to serve", labels=["model"]
        )
        trouble.add_metric([self._name], 1 if table.trouble else 0)
        yield from (loaded, took, busy, labels, failing, trouble)
        if self._log is not None:
            records = CounterMetricFamily(
                "penstock_logged_records", "Records for the prediction log, by what became of them",
                labels=["model", "outcome"],
            )  # fmt: skip
            for outcome in ("written", "skipped", "dropped"):
                records.add_metric([self._name, outcome], getattr(self._log, outcome))
            yield records
