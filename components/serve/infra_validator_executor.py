# SPDX-License-Identifier: Apache-2.0
"""Executor of the InfraValidator."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from ...utils import storage
from ...utils.errors import GateError, ParameterError
from ...utils.logs import get_logger
from ..base.artifact import PropertyValue
from ..base.artifact_types import Examples, InfraBlessing, Model, Schema
from ..base.executor import Task
from ..train.flavors.model_artifact import trusted_types
from ..train.flavors.predictor import ModelError
from ..train.flavors.registry import detect, serving_folder
from ..validate.schema_file import SCHEMA_FILE
from .candidate_server import CandidateServer, Requests
from .infra_candidate import Candidate
from .infra_figures import Figures, Miss, told
from .infra_specs import (
    KServeServing,
    OnRefusal,
    RequestSpec,
    ServingSpec,
    ValidationSpec,
    check_tags,
)
from .server_process import ServerFailed

_log = get_logger(__name__)

BLESSED_FILE, NOT_BLESSED_FILE = "INFRA_BLESSED", "INFRA_NOT_BLESSED"
#: Folder of the blessing with the model that has warm-up requests, and its property.
STAMPED_MODEL, HAS_MODEL = "stamped_model", "has_model"


class InfraValidatorExecutor:
    """Serves a model for a moment, and judges it."""

    def execute(self, task: Task) -> Mapping[str, PropertyValue]:
        """Writes the output `blessing`.

        Returns:
            `blessed`, and what was measured; `reason` where it is refused.

        Raises:
            GateError: The model is refused, and `on_refusal` is `error`.
            ServerFailed: No server could be started, for which the model is not to blame.
            ParameterError: Parameters that do not go together.
        """
        on_refusal: OnRefusal = task.parameter("on_refusal", OnRefusal)
        blessing = task.output("blessing", InfraBlessing)
        every: list[Figures] = []
        misses: list[Miss] = []
        try:
            candidate = _candidate(task)
        except ModelError as error:
            misses.append(Miss("the model", "one that can be loaded", _reason(error)))
        else:
            for server, signature in _servers(candidate, task):
                figures, missed = _validate(candidate, server, signature, task)
                _log.info("%s", figures.summary())
                every.append(figures)
                misses += missed
            if candidate.requests.make_warmup and not misses:
                _write_warmup(candidate, blessing, task.node_id)
        properties = _worst(every)
        # A model card shows them, and is given the blessing only.
        blessing.custom_properties.update(properties)
        blessing.custom_properties["blessed"] = int(not misses)
        name = NOT_BLESSED_FILE if misses else BLESSED_FILE
        storage.write_bytes_atomic(blessing.path(name), b"")
        if not misses:
            return {"blessed": 1, **properties}
        _refuse(misses, on_refusal, every, task.node_id)
        return {"blessed": 0, "reason": "; ".join(map(str, misses))[:4000], **properties}


def _refuse(
    misses: Sequence[Miss], on_refusal: OnRefusal, every: Sequence[Figures], node: str
) -> None:
    """Ends the run, or says so in the log."""
    what = "the model cannot be served as it must be"
    if on_refusal == "not_blessed":
        _log.warning("not blessed: %s%s", what, told(misses))
        return
    measured = "".join(f"\n    measured: {each.summary()}" for each in every)
    raise GateError(
        what,
        node=node,
        expected="a model that loads, answers as it does here, and keeps to validation_spec",
        got=told(misses) + measured,
        fix="correct the model, or the limits if it is right; or set "
        "on_refusal='not_blessed' to go on without pushing it",
    )


def _candidate(task: Task) -> Candidate:
    model = task.input("model", Model)
    schema = task.optional_input("schema", Schema)
    examples = task.optional_input("examples", Examples)
    given = task.parameter("request_spec", RequestSpec | None)
    check_tags(given, task.node_id)
    requests: RequestSpec = given or RequestSpec()
    folder = serving_folder(model.uri)
    flavor = detect(folder)
    serving: ServingSpec = task.parameter("serving_spec", ServingSpec)
    _check_combination(serving, requests, flavor, examples, task.node_id)
    return Candidate(
        folder=folder,
        flavor=flavor,
        trusted=trusted_types(model),
        examples=examples,
        schema=storage.local_path(schema.path(SCHEMA_FILE)) if schema else "",
        serving=serving,
        requests=requests,
        limits=task.parameter("validation_spec", ValidationSpec | None) or ValidationSpec(),
    )


def _check_combination(
    serving: ServingSpec, requests: RequestSpec, flavor: str, examples: object, node: str
) -> None:
    """Refuses what cannot work.

    Raises:
        ParameterError: Something needs a SavedModel, or examples, and there are none.
    """
    needs = {
        "serving_spec.tensorflow_serving": serving.tensorflow_serving is not None,
        "request_spec.make_warmup": requests.make_warmup,
        "request_spec.tensorflow_serving.signature_names": requests.signatures() != [None],
    }
    for name, asked in needs.items():
        if asked and flavor != "tensorflow":
            raise ParameterError(
                f"{name} goes with a SavedModel only",
                node=node,
                expected="a model with saved_model.pb",
                got=f"a {flavor} model",
                fix="leave it out",
            )
    if requests.make_warmup and examples is None:
        raise ParameterError(
            "request_spec.make_warmup needs records",
            node=node,
            expected="the input examples",
            got="none",
            fix="connect examples",
        )


def _servers(candidate: Candidate, task: Task) -> Iterator[tuple[CandidateServer, str | None]]:
    """A server for each image and signature, not started."""
    serving = candidate.serving
    for signature in candidate.requests.signatures():
        if serving.tensorflow_serving is None:
            yield _kserve(candidate, signature, task), signature
            continue
        for image in serving.tensorflow_serving.images:
            yield _tensorflow_serving(candidate, image, task), signature


def _kserve(candidate: Candidate, signature: str | None, task: Task) -> CandidateServer:
    from .kserve_candidate import KServeCandidate

    return KServeCandidate(
        candidate.folder,
        candidate.serving.model_name,
        candidate.serving.kserve or KServeServing(),
        schema=candidate.schema,
        signature=signature or "",
        trusted_types=candidate.trusted,
        log_path=os.path.join(task.work_dir, f"server-{signature or 'default'}.log"),
    )


def _tensorflow_serving(candidate: Candidate, image: str, task: Task) -> CandidateServer:
    serving = candidate.serving
    if serving.local_docker is not None:
        from .docker_candidate import DockerCandidate

        return DockerCandidate(candidate.folder, serving.model_name, image, serving.local_docker)
    from .pod_candidate import PodCandidate

    assert serving.kubernetes is not None  # checked when the parameter was
    models = storage.join(task.output("blessing", InfraBlessing).uri, ".models")
    return PodCandidate(
        candidate.folder, models, serving.model_name, image, serving.kubernetes, task.node_id
    )


def _validate(
    candidate: Candidate, server: CandidateServer, signature: str | None, task: Task
) -> tuple[Figures, list[Miss]]:
    """Validates in one server, again where the server itself is at fault."""
    tries = candidate.limits.num_tries
    for attempt in range(1, tries + 1):
        figures = Figures(server=server.name, flavor=candidate.flavor)
        figures.size_on_disk_bytes = sum(f.size for f in storage.list_files(candidate.folder))
        try:
            return figures, _validated_once(candidate, server, signature, figures, task)
        except ServerFailed as error:
            if error.loaded is False:
                return figures, [Miss(server.name, "ready with the model", _reason(error))]
            if attempt == tries:
                raise
            _log.warning("attempt %d of %d failed: %s", attempt, tries, error)
    raise AssertionError("num_tries is at least 1")


def _validated_once(
    candidate: Candidate,
    server: CandidateServer,
    signature: str | None,
    figures: Figures,
    task: Task,
) -> list[Miss]:
    from .server_questions import ask_everything

    with _running(server):
        task.report_progress(0, None, f"waiting for {server.name}")
        loaded = server.wait_ready(candidate.limits.max_loading_time_seconds)
        figures.load_seconds = loaded.load_seconds
        figures.model_load_seconds = loaded.model_load_seconds
        misses: list[Miss] = []
        if candidate.examples is not None:
            requests = _requests(candidate, candidate.examples, signature)
            misses = ask_everything(candidate, server, requests, figures, task)
        figures.memory_bytes = server.memory_bytes()
    return misses + figures.misses(candidate.limits, complete=not misses)


@contextmanager
def _running(server: CandidateServer) -> Iterator[None]:
    try:
        server.start()
        yield
    finally:
        server.stop()


def _requests(candidate: Candidate, examples: Examples, signature: str | None) -> Requests:
    from .server_questions import read_requests

    return read_requests(candidate, examples, signature)


def _write_warmup(candidate: Candidate, blessing: InfraBlessing, node: str) -> None:
    from .warmup_requests import write_warm_model

    assert candidate.examples is not None  # `_check_combination` saw to that
    examples = candidate.examples
    requests = [_requests(candidate, examples, each) for each in candidate.requests.signatures()]
    target = blessing.path(STAMPED_MODEL)
    written = write_warm_model(candidate.folder, target, requests, candidate.serving.model_name)
    _log.info("%s: %d warm-up requests are in %s", node, written, target)
    blessing.custom_properties[HAS_MODEL] = 1


def _worst(every: Sequence[Figures]) -> dict[str, PropertyValue]:
    """Figures as properties; of several servers the highest of each."""
    found: dict[str, PropertyValue] = {}
    for figures in every:
        for name, value in figures.properties().items():
            before = found.get(name)
            if isinstance(value, str):
                names = [] if before is None else str(before).split(", ")
                found[name] = ", ".join(dict.fromkeys([*names, value]))
            elif not isinstance(before, (int, float)) or before < value:
                found[name] = value
    return found


def _reason(error: ModelError | ServerFailed) -> str:
    return error.what + (f": {error.got}" if error.got else "")
