# SPDX-License-Identifier: Apache-2.0
"""Small pipelines of function components, which every runner can run."""

from __future__ import annotations

import os
from pathlib import Path

from penstock import (
    Artifact,
    Cond,
    Input,
    Integer,
    OptionalInput,
    Output,
    OutputDict,
    Pipeline,
    PipelineInputs,
    RuntimeParameter,
    component,
)


class Text(Artifact):
    """A text file named `text`."""


def read(artifact: Artifact) -> str:
    """The text of an artifact."""
    return Path(artifact.uri, "text").read_text(encoding="utf-8")


def write(artifact: Artifact, text: str) -> None:
    """Keeps a text."""
    Path(artifact.uri, "text").write_text(text, encoding="utf-8")


@component
def start(word: str, text: Output[Text]) -> OutputDict(length=int):
    """Writes a word."""
    write(text, word)
    return {"length": len(word)}


@component
def extend(text: Input[Text], suffix: str, longer: Output[Text]) -> None:
    """Adds to a text."""
    write(longer, read(text) + suffix)


@component
def join(left: Input[Text], right: OptionalInput[Text], joined: Output[Text]) -> None:
    """Joins two texts; one may be missing."""
    write(joined, read(left) + (read(right) if right else "(none)"))


@component
def pass_on(number: int, after: OptionalInput[Integer] = None) -> OutputDict(out=int):
    """Does nothing."""
    return {"out": number}


@component
def fail_until(marker: str, attempts: int, text: Output[Text]) -> None:
    """Fails until it was called often enough."""
    with open(marker, "a", encoding="utf-8") as file:
        file.write("x")
    if os.path.getsize(marker) < attempts:
        raise ValueError(f"attempt {os.path.getsize(marker)} fails")
    write(text, "at last")


def diamond(root: Path, word: str = "ab") -> Pipeline:
    """One node, two that depend on it, one that joins them."""
    first = start(word=word)
    left = extend(text=first.outputs["text"], suffix="-l").with_id("left")
    right = extend(text=first.outputs["text"], suffix="-r").with_id("right")
    end = join(left=left.outputs["longer"], right=right.outputs["longer"])
    return Pipeline("diamond", str(root), [first, left, right, end])


def chain(root: Path, length: int) -> Pipeline:
    """Nodes one after the other that do nothing."""
    nodes = []
    previous = None
    for number in range(length):
        node = pass_on(number=number, after=previous and previous.outputs["out"])
        nodes.append(node.with_id(f"n{number}"))
        previous = node
    return Pipeline("chain", str(root), nodes)


def conditional(root: Path) -> Pipeline:
    """A node that runs only where a word is long, and one that can do without it."""
    word = RuntimeParameter("word", str, "abc")
    first = start(word=word)
    with Cond(first.outputs["length"].future().value > 2):
        longer = extend(text=first.outputs["text"], suffix="!")
        needs = extend(text=longer.outputs["longer"], suffix="?").with_id("needs")
    end = join(left=first.outputs["text"], right=longer.outputs["longer"])
    return Pipeline("conditional", str(root), [first, longer, needs, end])


def nested(root: Path) -> Pipeline:
    """A pipeline within a pipeline."""
    first = start(word="n")
    inputs = PipelineInputs(text=first.outputs["text"])
    one = extend(text=inputs["text"], suffix="1").with_id("one")
    two = extend(text=one.outputs["longer"], suffix="2").with_id("two")
    inner = Pipeline(
        "inner", components=[one, two], inputs=inputs, outputs={"text": two.outputs["longer"]}
    )
    end = extend(text=inner.outputs["text"], suffix="3").with_id("end")
    return Pipeline("outer", str(root), [first, inner, end])


def unreliable(root: Path, marker: Path, attempts: int, retries: int) -> Pipeline:
    """A node that fails some times, one that depends on it and one that does not."""
    first = start(word="u")
    shaky = fail_until(marker=str(marker), attempts=attempts).with_policy(
        retries=retries, retry_delay_s=0.01
    )
    end = join(left=first.outputs["text"], right=shaky.outputs["text"])
    aside = extend(text=first.outputs["text"], suffix="-aside").with_id("aside")
    return Pipeline("unreliable", str(root), [first, shaky, end, aside])
