# SPDX-License-Identifier: Apache-2.0
"""Which inputs take part in a node's cache key."""

from __future__ import annotations

from pathlib import Path

from support.pipelines import Text, write

from penstock import Input, LocalRunner, OptionalInput, Output, Pipeline, TransformCache, component


@component
def accumulate(counter: str, cache: Output[TransformCache], text: Output[Text]) -> None:
    """Writes another cache each time, and always the same text."""
    path = Path(counter)
    path.write_text(path.read_text() + "x" if path.exists() else "x")
    Path(cache.uri, "kept").write_text(path.read_text())
    write(text, "same")


@component
def work(text: Input[Text], cache: OptionalInput[TransformCache], out: Output[Text]) -> None:
    """Would use the cache to be quicker."""
    write(out, f"worked, {bool(cache)}")


def test_an_analyzer_cache_does_not_make_a_node_run_again(tmp_path: Path) -> None:
    """If it fails, a pipeline that carries an analyzer cache along never comes to rest."""
    first = accumulate(counter=str(tmp_path / "counter")).with_policy(cache="off")
    second = work(text=first.outputs["text"], cache=first.outputs["cache"])
    pipeline = Pipeline("rests", str(tmp_path / "root"), [first, second])
    states = [
        LocalRunner().run(pipeline).raise_for_failure().outcomes["work"].state.value
        for _ in range(2)
    ]
    assert (tmp_path / "counter").read_text() == "xx"
    assert states == ["complete", "cached"]
