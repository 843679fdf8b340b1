# SPDX-License-Identifier: Apache-2.0
"""Small pipelines of function components, which every runner can run."""

from __future__ import annotations

import os
from pathlib import Path

from penstock import (
    FAILED_NODES,
    Artifact,
    Cond,
    Input,
    InputUri,
    Integer,
    OptionalInput,
    Output,
    OutputDict,
    OutputUri,
    ParameterValue,
    Pipeline,
    PipelineInputs,
    RuntimeParameter,
    component,
    container_component,
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


@component
def repeat(text: Input[Text], times: int, loud: bool, share: float, out: Output[Text]) -> None:
    """Repeats a text; its parameters are of every type."""
    said = read(text) * times
    write(out, f"{said.upper() if loud else said} {share:.2f}")


@component
def tell_end(
    failed: str, first: OptionalInput[Text], shaky: OptionalInput[Text], told: Output[Text]
) -> OutputDict(missing=int):
    """Says what came of others, whether or not they failed."""
    texts = [read(found) if found else "(nothing)" for found in (first, shaky)]
    write(told, f"failed: {failed or 'none'}; {', '.join(texts)}")
    return {"missing": texts.count("(nothing)")}


def linear(root: Path) -> Pipeline:
    """Four nodes, one after the other."""
    nodes = [start(word="a")]
    previous = nodes[0].outputs["text"]
    for suffix in "bcd":
        nodes.append(extend(text=previous, suffix=suffix).with_id(f"add_{suffix}"))
        previous = nodes[-1].outputs["longer"]
    return Pipeline("linear", str(root), nodes)


def fan_out(root: Path, width: int = 8) -> Pipeline:
    """Nodes side by side, behind one and before another."""
    first = start(word="f")
    wide = [
        extend(text=first.outputs["text"], suffix=str(number)).with_id(f"wide_{number}")
        for number in range(width)
    ]
    end = join(left=wide[0].outputs["longer"], right=wide[-1].outputs["longer"])
    end.add_upstream_nodes(wide)
    return Pipeline("fan_out", str(root), [first, *wide, end])


def parametrised(root: Path) -> Pipeline:
    """Runtime parameters of every type; two have no default."""
    first = start(word=RuntimeParameter("word", str))
    said = repeat(
        text=first.outputs["text"],
        times=RuntimeParameter("times", int),
        loud=RuntimeParameter("loud", bool, False),
        share=RuntimeParameter("share", float, 0.5),
    )
    return Pipeline("parametrised", str(root), [first, said])


def contained(root: Path, image: str) -> Pipeline:
    """A container between two functions; the image holds `/bin/busybox`."""
    script = 'read -r word < "$0/text" || true; echo "$word $2" > "$1/text"'
    shout = container_component(
        "contained_echo",
        image,
        ["/bin/busybox", "sh", "-c", script, InputUri("text"), OutputUri("out"),
         ParameterValue("greeting")],
        inputs={"text": Text},
        outputs={"out": Text},
        parameters={"greeting": str},
    )  # fmt: skip
    first = start(word="from outside")
    inside = shout(text=first.outputs["text"], greeting="and inside").with_id("inside")
    end = extend(text=inside.outputs["out"], suffix="!")
    return Pipeline("contained", str(root), [first, inside, end])


def guarded(root: Path, marker: Path, attempts: int) -> Pipeline:
    """A node that fails until it was tried often enough, and one that runs at the end anyway."""
    first = start(word="g")
    shaky = fail_until(marker=str(marker), attempts=attempts)
    end = join(left=first.outputs["text"], right=shaky.outputs["text"])
    last = tell_end(failed=FAILED_NODES, first=first.outputs["text"], shaky=shaky.outputs["text"])
    return Pipeline("guarded", str(root), [first, shaky, end], on_exit=last)
