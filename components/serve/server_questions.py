# SPDX-License-Identifier: Apache-2.0
"""Asks a candidate's server, and compares and times what it answers."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any

from ...utils.errors import PenstockError
from ..base.artifact_types import Examples
from ..base.executor import Task
from ..train.flavors.predictor import Predictor
from ..train.flavors.registry import load_predictor
from ..validate.schema_text import parse_schema
from .answer_comparison import Difference, largest_difference
from .answer_writing import write_v1
from .candidate_server import CandidateServer, Requests
from .feature_columns import FeatureColumn, feature_columns
from .infra_candidate import Candidate
from .infra_figures import Figures, Miss
from .request_records import first_records, to_records
from .request_schema import RequestSchema
from .server_client import RequestFailed

#: Records in a request when answers are compared.
_COMPARED_AT_ONCE = 100
#: A slow model must not hold up a pipeline: enough was seen after so many seconds.
_LATENCY_SECONDS = 60.0
_FEWEST_TIMED = 20


def read_requests(candidate: Candidate, examples: Examples, signature: str | None) -> Requests:
    """The records to ask about.

    Raises:
        ModelError: The model cannot be loaded in this process.
        DataError: The examples have no records, or none of the model's features.
    """
    columns = _columns(candidate, _load(candidate, signature))
    spec = candidate.requests
    batch = first_records(examples, spec.split_name, columns, spec.num_examples)
    return Requests(batch, to_records(batch, columns), signature)


def ask_everything(
    candidate: Candidate,
    server: CandidateServer,
    requests: Requests,
    figures: Figures,
    task: Task,
) -> list[Miss]:
    """Compares answers, and measures times.

    Args:
        candidate: The model and its limits.
        server: Ready.
        requests: The records.
        figures: Filled in.
        task: Told how far this is.

    Returns:
        What is wrong with the answers.
    """
    wrong = _compare(candidate, server, requests, figures)
    if wrong is not None:
        return [wrong]
    try:
        figures.latencies_ms = _latencies(candidate, server, requests, task)
    except RequestFailed as error:
        return [Miss("single requests", "answered", f"{error.what}: {error.got}")]
    return []


def _compare(
    candidate: Candidate, server: CandidateServer, requests: Requests, figures: Figures
) -> Miss | None:
    predictor = _load(candidate, requests.signature)
    rows = requests.batch.num_rows
    worst = Difference(0.0, 0, None, None)
    for start in range(0, rows, _COMPARED_AT_ONCE):
        part = Requests(
            requests.batch.slice(start, _COMPARED_AT_ONCE),
            requests.records[start : start + _COMPARED_AT_ONCE],
            requests.signature,
        )
        try:
            answered = server.ask(server.encode(part))
        except RequestFailed as error:
            return Miss("the server", "answering records of the examples",
                        f"{error.what}: {error.got}")  # fmt: skip
        try:
            expected = write_v1(predictor.predict(part.batch))
        except PenstockError as error:
            return Miss("the model", "answering records of the examples",
                        f"{error.what}: {error.got or ''}")  # fmt: skip
        found = largest_difference(answered, expected)
        if found.size > worst.size:
            worst = Difference(found.size, start + found.record, found.answered, found.expected)
    figures.compared_records = rows
    if math.isfinite(worst.size):
        figures.max_difference = worst.size
    limit = candidate.limits.max_difference
    if worst.size <= limit:
        return None
    size = f"{worst.size:.3g}" if math.isfinite(worst.size) else "of another kind"
    return Miss(
        "difference between the server's answers and the model's own",
        f"at most {limit:g}",
        size,
        f"record {worst.record}: the server says {_short(worst.answered)}, "
        f"the model {_short(worst.expected)}",
    )


def _latencies(
    candidate: Candidate, server: CandidateServer, requests: Requests, task: Task
) -> list[float]:
    """Milliseconds of requests with one record each, one after another."""
    wanted = candidate.requests.num_latency_requests
    distinct = min(wanted, requests.batch.num_rows)
    bodies = [server.encode(requests.single(row)) for row in range(distinct)]
    found: list[float] = []
    began = time.perf_counter()
    for number in range(wanted):
        before = time.perf_counter()
        server.ask(bodies[number % distinct])
        after = time.perf_counter()
        found.append((after - before) * 1000)
        if number % 20 == 0:
            task.report_progress(number, wanted, "requests timed")
        if after - began > _LATENCY_SECONDS and len(found) >= _FEWEST_TIMED:
            break
    return found


def _load(candidate: Candidate, signature: str | None) -> Predictor:
    return load_predictor(candidate.folder, signature=signature, trusted_types=candidate.trusted)


def _columns(candidate: Candidate, predictor: Predictor) -> Mapping[str, FeatureColumn]:
    columns = feature_columns(predictor.input_features())
    if candidate.schema:
        return RequestSchema(parse_schema(candidate.schema)).typed(columns)
    return columns


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 200 else text[:199] + "…"
