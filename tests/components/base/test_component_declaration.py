# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from pydantic import BaseModel, ConfigDict

from penstock import (
    Channel,
    Component,
    Examples,
    ExampleStatistics,
    Input,
    Model,
    OptionalInput,
    Output,
    Parameter,
    RuntimeParameter,
    Schema,
    component,
    output,
    union,
)
from penstock.utils.errors import ParameterError, WiringError


class Sizes(BaseModel):
    model_config = ConfigDict(extra="forbid")

    train_steps: int = 1
    batch: int = 2


class Source(Component):
    executor = "penstock.components.base.function_executor:FunctionExecutor"

    examples: Output[Examples] = output()
    schema: Output[Schema] = output()


class Consumer(Component):
    """Consumes."""

    executor = "penstock.components.base.function_executor:FunctionExecutor"

    examples: Input[Examples]
    schema: OptionalInput[Schema] = None
    sizes: Parameter[Sizes | None] = None
    names: Parameter[list[str]] = []
    rate: Parameter[float] = 0.5
    statistics: Output[ExampleStatistics]


@pytest.fixture
def source() -> Source:
    """A node with two outputs."""
    return Source()


def test_outputs_are_attributes_and_items(source: Source) -> None:
    """Without it, `node.output` and `node.outputs["output"]` would differ."""
    assert source.examples is source.outputs["examples"]
    assert source.outputs["examples"].type is Examples


def test_inputs_and_parameters_are_bound_by_name_and_position(source: Source) -> None:
    """Without it, a component written as in TFX, with positional arguments, would not build."""
    node = Consumer(source.outputs["examples"], rate=0.1)
    assert node.inputs == {"examples": source.outputs["examples"]}
    assert node.parameters == {"sizes": None, "names": [], "rate": 0.1}


def test_execution_type_is_the_class_unless_stated(source: Source) -> None:
    """Without it, records of two components could share a type."""
    assert Consumer(source.outputs["examples"]).type_name.endswith("Consumer")


def test_structured_parameters_are_read_from_dicts(source: Source) -> None:
    """Without it, a parameter could not be written in YAML."""
    node = Consumer(source.outputs["examples"], sizes={"train_steps": 7})
    assert node.parameters["sizes"] == {"train_steps": 7, "batch": 2}


def test_a_subclass_inherits_declarations(source: Source) -> None:
    """Without it, extending a component would lose its inputs."""

    class Wider(Consumer):
        extra: Parameter[int] = 3

    node = Wider(examples=source.outputs["examples"])
    assert node.parameters["extra"] == 3
    assert list(node.inputs) == ["examples"]


def test_runtime_parameters_pass_unchecked_until_launch(source: Source) -> None:
    """Without it, a value known only at run time could not stand for a parameter."""
    rate = RuntimeParameter("rate", float, 0.3)
    assert Consumer(source.outputs["examples"], rate=rate).parameters["rate"] is rate


def test_a_list_of_channels_is_read_as_one(source: Source) -> None:
    """Without it, a component could not read several spans."""
    both = [source.outputs["examples"], Source().outputs["examples"]]
    assert list(union(both).sources()) == both
    assert len(list(Consumer(examples=both).inputs["examples"].sources())) == 2


MISTAKES = {
    "unknown argument": (
        lambda s: Consumer(exampels=s.outputs["examples"]),
        WiringError,
        ["unknown argument 'exampels'", "did you mean: examples", "test_component_declaration.py"],
    ),
    "missing input": (lambda s: Consumer(), WiringError, ["input 'examples' is missing"]),
    "wrong artifact type": (
        lambda s: Consumer(examples=s.outputs["schema"]),
        WiringError,
        ["wrong artifact type", "Examples", "Schema", "did you mean: Source.examples"],
    ),
    "not a channel": (
        lambda s: Consumer(examples="train.csv"),
        WiringError,
        ["needs an output of another node", "'train.csv' (str)"],
    ),
    "a node with several outputs": (
        lambda s: Consumer(examples=s),
        WiringError,
        ["a node with several outputs", "Source.outputs['examples']"],
    ),
    "given twice": (
        lambda s: Consumer(s.outputs["examples"], examples=s.outputs["examples"]),
        WiringError,
        ["'examples' is given twice"],
    ),
    "unknown output": (
        lambda s: s.outputs["exmples"],
        WiringError,
        ["there is no output 'exmples'", "did you mean: examples"],
    ),
    "unknown field": (
        lambda s: Consumer(s.outputs["examples"], sizes={"train_step": 3}),
        ParameterError,
        ["'sizes' is not acceptable", "did you mean: train_steps"],
    ),
    "wrong parameter type": (
        lambda s: Consumer(s.outputs["examples"], rate="fast"),
        ParameterError,
        ["'rate' has the wrong type", "float", "'fast' (str)"],
    ),
    "unknown policy": (
        lambda s: Consumer(s.outputs["examples"]).with_policy(retry=3),
        ParameterError,
        ["no policy setting 'retry'", "did you mean: retries"],
    ),
    "cache policy": (
        lambda s: Consumer(s.outputs["examples"]).with_policy(cache="onn"),
        ParameterError,
        ["cache policy is unknown", "did you mean: on"],
    ),
    "a union of two types": (
        lambda s: union([s.outputs["schema"], s.outputs["examples"]]),
        WiringError,
        ["one artifact type", "Examples, Schema"],
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_wiring_mistakes_name_what_was_expected_and_got(name: str, source: Source) -> None:
    """Without it, a mistake in a pipeline file would show only when the pipeline runs."""
    build, kind, wanted = MISTAKES[name]
    with pytest.raises(kind) as caught:
        build(source)
    for text in wanted:
        assert text in str(caught.value)


def test_a_name_that_every_node_has_cannot_be_declared() -> None:
    """Without it, a parameter called `outputs` would break the node silently."""
    with pytest.raises(WiringError, match="'outputs' is a name that every node already has"):

        class Clashing(Component):
            outputs: Parameter[int] = 1


def test_inputs_must_be_artifact_types() -> None:
    """Without it, `Input[int]` would be accepted and fail at run time."""
    with pytest.raises(WiringError, match="not annotated with an artifact type"):

        class Wrong(Component):
            examples: Input[int]


def test_a_channel_without_producer_shows_as_such() -> None:
    """Without it, messages about channels would raise errors of their own."""
    assert "no producer" in repr(Channel(Model))


def test_function_components_need_annotations() -> None:
    """Without it, an argument without a type would become a parameter of any kind."""
    with pytest.raises(WiringError, match="argument 'x' cannot be read"):

        @component
        def bare(x):
            pass
