# SPDX-License-Identifier: Apache-2.0
"""The parameters that a search changes: which there are, and a pipeline with other values.

A study searches one pipeline: it is compiled once, with the code as it is then, and each
trial's IR differs from that in the values of the searched parameters alone.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from .....components.base.search_space import Domain, read_domain
from .....utils.errors import ParameterError, PenstockError, nearest
from .....utils.hashing import digest_json
from ....compiler import encode_expressions
from ....graph import open_pipeline
from ....ir import PipelineIR
from ....pipeline import Pipeline

#: Changing this one changes which code travels with the pipeline.
_MODULE_FILE = "module_file"


def declared_space(pipeline: Pipeline | PipelineIR) -> dict[str, Domain]:
    """What the nodes say may be tried for their parameters, by `node.parameter`."""
    if isinstance(pipeline, PipelineIR):
        return {}
    return {
        f"{node_id}.{path}": domain
        for node_id, node in pipeline.nodes()
        for path, domain in node.search_space.items()
    }


def chosen_space(
    pipeline: Pipeline | PipelineIR, given: Mapping[str, Any] | None
) -> dict[str, Domain]:
    """What to search: all that is declared, or just what is given.

    Args:
        pipeline: The pipeline.
        given: Descriptions by `node.parameter`, or by name of a runtime parameter; None in
            place of a description stands for the declared one.

    Raises:
        ParameterError: There is nothing to search, a description is not acceptable, or none
            is declared where one is needed.
    """
    declared = declared_space(pipeline)
    if not given:
        if declared:
            return declared
        raise ParameterError(
            "there is nothing to search: no node declares a search space",
            fix="name parameters: --param 'Trainer.custom_config.rate=float(1e-4, 0.1, log)'; "
            "or declare them: trainer.with_search_space({…})",
        )
    space: dict[str, Domain] = {}
    for path, raw in given.items():
        if raw is not None:
            space[path] = read_domain(raw, name=path)
        elif path in declared:
            space[path] = declared[path]
        else:
            raise ParameterError(
                f"no search space is declared for {path!r}",
                expected=", ".join(declared) or "a description: no node declares one",
                got=path,
                suggestion=nearest(path, declared),
                fix=f"say what to try: --param '{path}=float(low, high)'",
            )
    return space


class TunedPipeline:
    """A pipeline whose searched parameters take values.

    Args:
        pipeline: The pipeline. It is as before after each use.
        space: What to search.

    Raises:
        ParameterError: A searched parameter does not exist, or cannot take what would be
            tried.
        PenstockError: The pipeline does not compile.
    """

    def __init__(self, pipeline: Pipeline | PipelineIR, space: Mapping[str, Domain]) -> None:
        self._pipeline = pipeline if isinstance(pipeline, Pipeline) else None
        self.ir = pipeline.compile() if isinstance(pipeline, Pipeline) else pipeline
        self.space = dict(space)
        self._runtime = set(self.ir.runtime_parameters)
        for path, domain in self.space.items():
            self._check(path, domain)

    def _check(self, path: str, domain: Domain) -> None:
        if path in self._runtime:
            return
        if self._pipeline is None:
            raise ParameterError(
                "the parameters of a compiled pipeline cannot be changed any more",
                expected="runtime parameters: " + (", ".join(sorted(self._runtime)) or "none"),
                got=path,
                fix="search the pipeline that it was compiled from",
            )
        for value in domain.examples():
            try:
                with _changed(self._pipeline, {path: value}):
                    pass
            except PenstockError as error:
                error.suggestion = error.suggestion or nearest(path, self._candidates())
                raise

    def _candidates(self) -> list[str]:
        assert self._pipeline is not None
        parameters = [
            f"{node_id}.{name}"
            for node_id, node in self._pipeline.nodes()
            for name in node.parameters
        ]
        return [*self._runtime, *parameters]

    def nodes(self) -> dict[str, list[str]]:
        """Ids of the nodes that each searched parameter is a setting of."""
        found: dict[str, list[str]] = {}
        for path in self.space:
            if path in self._runtime:
                found[path] = [n.id for n in self.ir.nodes if _reads(n.model_dump(), path)]
            else:
                fitting = [n.id for n in self.ir.nodes if path.startswith(n.id + ".")]
                found[path] = [max(fitting, key=len)]
        return found

    def with_values(self, values: Mapping[str, Any]) -> tuple[PipelineIR, dict[str, Any]]:
        """The IR of a trial, and the runtime parameters that it sets."""
        runtime = {path: value for path, value in values.items() if path in self._runtime}
        changes = {path: value for path, value in values.items() if path not in self._runtime}
        if self._pipeline is None or not changes:
            return self.ir, runtime
        with _changed(self._pipeline, changes):
            if any(path.endswith("." + _MODULE_FILE) for path in changes):
                return self._pipeline.compile(), runtime
            graph = open_pipeline(self._pipeline)
            now = {node_id: node.parameters for node_id, node in self._pipeline.nodes()}
            nodes = []
            for node in self.ir.nodes:
                if any(path.startswith(node.id + ".") for path in changes):
                    parameters = {
                        name: encode_expressions(value, graph)
                        for name, value in now[node.id].items()
                    }
                    node = node.model_copy(update={"parameters": parameters})
                nodes.append(node)
        return self.ir.model_copy(update={"nodes": nodes}), runtime

    def digest(self) -> str:
        """Tells pipelines apart whose trials cannot be compared: by code, wiring, settings."""
        return digest_json(
            [
                [
                    node.id,
                    node.type_name,
                    node.version,
                    node.parameters,
                    {name: each.model_dump() for name, each in node.inputs.items()},
                    {entry: code.fingerprint for entry, code in node.code.items()},
                ]
                for node in self.ir.nodes
            ]
        )


def _reads(value: Any, name: str) -> bool:
    """Whether a runtime parameter is read somewhere inside."""
    if isinstance(value, dict):
        if value.get("kind") == "runtime_parameter" and value.get("name") == name:
            return True
        return any(_reads(item, name) for item in value.values())
    return isinstance(value, (list, tuple)) and any(_reads(item, name) for item in value)


@contextlib.contextmanager
def _changed(pipeline: Pipeline, values: Mapping[str, Any]) -> Iterator[None]:
    """Within the block, the pipeline's parameters have other values."""
    nodes = [node for _, node in pipeline.nodes()]
    before = [dict(node.parameters) for node in nodes]
    try:
        pipeline.override(values)
        yield
    finally:
        for node, parameters in zip(nodes, before, strict=True):
            node.parameters.clear()
            node.parameters.update(parameters)
