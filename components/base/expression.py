# SPDX-License-Identifier: Apache-2.0
"""Expressions: values that are known only when a pipeline runs.

An expression stands where a plain value could: as a parameter, a condition, or part of a
container's command. It is compiled to a JSON object with a `kind`, and evaluated by the
launcher. TFX calls these placeholders
(https://www.tensorflow.org/tfx/api_docs/python/tfx/v1/dsl/placeholders).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from ...utils.errors import ParameterError

if TYPE_CHECKING:
    from .channel import Channel

#: Tells the node id and output key of a channel, at compile time.
NameOf = Callable[["Channel"], tuple[str, str]]

_SCALARS: dict[type, str] = {int: "int", float: "float", str: "str", bool: "bool"}


class Expression:
    """A value known only at run time. Combine with operators: `==`, `<`, `&`, `|`, `~`, `+`."""

    def encode(self, name_of: NameOf) -> dict[str, Any]:
        """The expression as a JSON object."""
        raise NotImplementedError

    def children(self) -> Iterator[Expression]:
        """The expressions that this one is made of."""
        return iter(())

    def channels(self) -> Iterator[Channel]:
        """Every channel that the expression reads."""
        for child in self.children():
            yield from child.channels()

    def runtime_parameters(self) -> Iterator[RuntimeParameter]:
        """Every runtime parameter that the expression reads."""
        for child in self.children():
            yield from child.runtime_parameters()

    def __eq__(self, other: object) -> Predicate:  # type: ignore[override]
        return Comparison("==", self, as_expression(other))

    def __ne__(self, other: object) -> Predicate:  # type: ignore[override]
        return Comparison("!=", self, as_expression(other))

    def __lt__(self, other: object) -> Predicate:
        return Comparison("<", self, as_expression(other))

    def __le__(self, other: object) -> Predicate:
        return Comparison("<=", self, as_expression(other))

    def __gt__(self, other: object) -> Predicate:
        return Comparison(">", self, as_expression(other))

    def __ge__(self, other: object) -> Predicate:
        return Comparison(">=", self, as_expression(other))

    def __add__(self, other: object) -> Expression:
        return Concatenation([self, as_expression(other)])

    def __radd__(self, other: object) -> Expression:
        return Concatenation([as_expression(other), self])

    __hash__ = object.__hash__

    def __bool__(self) -> bool:
        raise ParameterError(
            "this value is known only when the pipeline runs",
            got=f"{type(self).__name__} used as a truth value",
            fix="combine conditions with & | ~, and branch with `with Cond(...):`",
        )

    def __iter__(self) -> Iterator[Any]:
        raise ParameterError(
            "this value is known only when the pipeline runs, so it cannot be iterated",
            fix="pass it to a component as a whole",
        )


class Predicate(Expression):
    """An expression that is true or false."""

    def __and__(self, other: Predicate) -> Predicate:
        return Logic("and", [self, other])

    def __or__(self, other: Predicate) -> Predicate:
        return Logic("or", [self, other])

    def __invert__(self) -> Predicate:
        return Logic("not", [self])


class Literal(Expression):
    """A plain value inside an expression."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def encode(self, name_of: NameOf) -> dict[str, Any]:
        """See `Expression.encode`."""
        return {"kind": "literal", "value": self.value}


class RuntimeParameter(Expression):
    """A parameter of the whole pipeline, given when a run starts.

    Args:
        name: Name on the command line (`--param name=value`) and in outside engines.
        ptype: int, float, str or bool.
        default: Value where the run gives none; without one the run must give it.
        description: What it is for.

    Raises:
        ParameterError: `ptype` is not a scalar type, or `default` is not of it.
    """

    def __init__(
        self, name: str, ptype: type = str, default: Any = None, description: str = ""
    ) -> None:
        if ptype not in _SCALARS:
            raise ParameterError(
                f"runtime parameter {name!r} has an unsupported type",
                expected=", ".join(_SCALARS.values()),
                got=getattr(ptype, "__name__", repr(ptype)),
            )
        if default is not None and not isinstance(default, (ptype, Expression)):
            if ptype is float and isinstance(default, int) and not isinstance(default, bool):
                default = float(default)
            else:
                raise ParameterError(
                    f"the default of runtime parameter {name!r} has the wrong type",
                    expected=ptype.__name__,
                    got=f"{default!r} ({type(default).__name__})",
                )
        self.name = name
        self.ptype = ptype
        self.default = default
        self.description = description

    @property
    def type_name(self) -> str:
        """The type as the IR writes it."""
        return _SCALARS[self.ptype]

    def encode(self, name_of: NameOf) -> dict[str, Any]:
        """See `Expression.encode`."""
        return {"kind": "runtime_parameter", "name": self.name}

    def runtime_parameters(self) -> Iterator[RuntimeParameter]:
        """See `Expression.runtime_parameters`."""
        yield self

    def __repr__(self) -> str:
        return f"RuntimeParameter({self.name!r}, {self.type_name}, default={self.default!r})"


class ArtifactField(Expression):
    """The `value`, `uri` or a property of an artifact in a channel."""

    def __init__(self, channel: Channel, index: int, field: str, key: str = "") -> None:
        self.channel = channel
        self.index = index
        self.field = field
        self.key = key

    def encode(self, name_of: NameOf) -> dict[str, Any]:
        """See `Expression.encode`."""
        node, output = name_of(self.channel)
        return {
            "kind": "artifact",
            "node": node,
            "output": output,
            "index": self.index,
            "field": self.field,
            "key": self.key,
        }

    def channels(self) -> Iterator[Channel]:
        """See `Expression.channels`."""
        yield self.channel


class ArtifactFuture:
    """What the artifacts of a channel will be. `channel.future()` makes one."""

    def __init__(self, channel: Channel, index: int = 0) -> None:
        self._channel = channel
        self._index = index

    def __getitem__(self, index: int) -> ArtifactFuture:
        return ArtifactFuture(self._channel, index)

    @property
    def value(self) -> ArtifactField:
        """The value of a value artifact (`Integer`, `Float`, `String`, …)."""
        return ArtifactField(self._channel, self._index, "value")

    @property
    def uri(self) -> ArtifactField:
        """Where the artifact lies."""
        return ArtifactField(self._channel, self._index, "uri")

    def property(self, key: str) -> ArtifactField:
        """A declared property."""
        return ArtifactField(self._channel, self._index, "property", key)

    def custom_property(self, key: str) -> ArtifactField:
        """A custom property."""
        return ArtifactField(self._channel, self._index, "custom_property", key)


class Comparison(Predicate):
    """Two expressions compared."""

    def __init__(self, operator: str, left: Expression, right: Expression) -> None:
        self.operator = operator
        self.left = left
        self.right = right

    def encode(self, name_of: NameOf) -> dict[str, Any]:
        """See `Expression.encode`."""
        return {
            "kind": "compare",
            "operator": self.operator,
            "left": self.left.encode(name_of),
            "right": self.right.encode(name_of),
        }

    def children(self) -> Iterator[Expression]:
        """See `Expression.children`."""
        return iter((self.left, self.right))


class Logic(Predicate):
    """`and`, `or` or `not` over predicates."""

    def __init__(self, operator: str, operands: list[Predicate]) -> None:
        self.operator = operator
        self.operands = operands

    def encode(self, name_of: NameOf) -> dict[str, Any]:
        """See `Expression.encode`."""
        return {
            "kind": "logic",
            "operator": self.operator,
            "operands": [operand.encode(name_of) for operand in self.operands],
        }

    def children(self) -> Iterator[Expression]:
        """See `Expression.children`."""
        return iter(self.operands)


class Concatenation(Expression):
    """Texts joined."""

    def __init__(self, parts: list[Expression]) -> None:
        self.parts = parts

    def encode(self, name_of: NameOf) -> dict[str, Any]:
        """See `Expression.encode`."""
        return {"kind": "concat", "parts": [part.encode(name_of) for part in self.parts]}

    def children(self) -> Iterator[Expression]:
        """See `Expression.children`."""
        return iter(self.parts)


class RunField(Expression):
    """A fact of the run: `run_id`, `pipeline_name`, `pipeline_root` or `failed_nodes`."""

    def __init__(self, field: str) -> None:
        self.field = field

    def encode(self, name_of: NameOf) -> dict[str, Any]:
        """See `Expression.encode`."""
        return {"kind": "run", "field": self.field}


RUN_ID = RunField("run_id")
PIPELINE_NAME = RunField("pipeline_name")
PIPELINE_ROOT = RunField("pipeline_root")
#: Ids of the nodes that failed by now, joined by commas: for nodes that run at the end anyway.
FAILED_NODES = RunField("failed_nodes")


def as_expression(value: object) -> Expression:
    """`value` itself where it is an expression, else a literal."""
    return value if isinstance(value, Expression) else Literal(value)
