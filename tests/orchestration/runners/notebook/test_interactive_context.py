# SPDX-License-Identifier: Apache-2.0
"""The interactive context outside of a notebook: what it refuses, shows, and keeps."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from support.pipelines import extend, join, linear, start

from penstock import InteractiveContext, LocalRunner, RuntimeParameter, show, to_pandas
from penstock.components.base.artifact import Artifact
from penstock.utils.errors import Cancelled, DataError, ParameterError, WiringError


@pytest.fixture
def context(tmp_path: Path) -> InteractiveContext:
    """A context with a root of its own."""
    return InteractiveContext("cells", str(tmp_path / "root"))


def test_a_run_as_a_whole_finds_what_cells_have_done(context: InteractiveContext) -> None:
    """If it fails, what was explored is computed again in production."""
    first = start(word="ab")
    context.run(first)
    context.run(extend(text=first.outputs["text"], suffix="c"))
    result = LocalRunner().run(context.pipeline)
    assert [each.state.value for each in result.outcomes.values()] == ["cached", "cached"]


def test_whole_pipelines_and_parameters_are_run(
    context: InteractiveContext, tmp_path: Path
) -> None:
    """If it fails, a pipeline, or a node with a runtime parameter, cannot be tried in a cell."""
    found = context.run(linear(tmp_path / "inner").with_id("whole"))
    assert len(found.result.outcomes) > 1
    word = RuntimeParameter("word", str)
    result = context.run(start(word=word), parameters={"word": "xyz"})
    assert context.artifact(result.outputs["length"]).value == 3  # type: ignore[attr-defined]


def test_the_cache_can_be_left_aside(context: InteractiveContext) -> None:
    """If it fails, nothing makes a cell work again."""
    assert not context.run(start(word="a")).cached
    assert context.run(start(word="a")).cached
    assert not context.run(start(word="a"), enable_cache=False).cached


def test_what_has_not_been_run_is_named(context: InteractiveContext) -> None:
    """If it fails, a cell that was skipped is hard to find."""
    first = start(word="ab")
    with pytest.raises(WiringError, match="start has not been run in this context") as caught:
        context.run(extend(text=first.outputs["text"], suffix="c"))
    assert caught.value.fix == "run it first: context.run(start)"
    with pytest.raises(WiringError, match="has not been run"):
        context.artifact(first.outputs["text"])
    with pytest.raises(WiringError, match="runs components") as caught:
        context.run(start)  # type: ignore[arg-type]
    assert caught.value.fix == "call it with its inputs: context.run(start(...))"
    with pytest.raises(WiringError, match="runs components") as caught:
        context.run(first.outputs["text"])  # type: ignore[arg-type]
    assert caught.value.fix == "run what puts it out: context.run(start)"


def test_a_component_is_called_as_the_notebook_calls_it(
    context: InteractiveContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If it fails, a message names a variable that there is not."""
    mine = start(word="ab")
    monkeypatch.setattr(sys.modules["__main__"], "my_words", mine, raising=False)
    with pytest.raises(WiringError) as caught:
        context.run(extend(text=mine.outputs["text"], suffix="c"))
    assert caught.value.fix == "run it first: context.run(my_words)"


def test_what_is_wanted_no_more_is_forgotten(context: InteractiveContext) -> None:
    """If it fails, a function that was renamed stays in the exported pipeline."""
    first = start(word="ab")
    context.run(first)
    context.run(extend(text=first.outputs["text"], suffix="c"))
    with pytest.raises(WiringError, match="extend reads it"):
        context.forget(first)
    with pytest.raises(WiringError) as caught:
        context.forget("extent")
    assert caught.value.suggestion == "extend"
    context.forget("extend")
    assert [node.id for node in context.pipeline.components] == ["start"]
    assert list(context.outcomes) == ["start"] and repr(context).endswith("has run start")


def test_a_component_that_is_stopped_says_what_to_do(
    context: InteractiveContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If it fails, whoever interrupts a cell is told of a command for pipelines in files."""

    def interrupted(*given: object, **choices: object) -> None:
        raise Cancelled("run x was stopped", fix="penstock run … --resume x")

    monkeypatch.setattr(LocalRunner, "run", interrupted)
    with pytest.raises(Cancelled, match="start was stopped") as caught:
        context.run(start(word="ab"))
    assert caught.value.fix == "run the cell again"


def test_a_name_that_cannot_be_a_path_is_refused_at_once() -> None:
    """If it fails, the first cell that runs something fails instead."""
    with pytest.raises(ParameterError):
        InteractiveContext("a/b")


def test_staleness_reaches_whatever_depends(context: InteractiveContext) -> None:
    """If it fails, results of different data are put together."""
    first = start(word="ab")
    context.run(first)
    middle = extend(text=first.outputs["text"], suffix="c")
    context.run(middle)
    last = join(left=middle.outputs["longer"], right=None)
    context.run(last)
    changed = start(word="xy")
    context.run(changed)
    assert dict(context.stale) == {"extend": "start", "join": "start"}
    with pytest.raises(WiringError, match="an earlier start put out"):
        context.run(last)
    # It reads the new one already: running it again is enough.
    context.run(middle)
    assert dict(context.stale) == {"join": "extend"}
    context.run(last)
    assert dict(context.stale) == {}
    assert [node.id for node in context.pipeline.components] == ["start", "extend", "join"]


def test_showing_prints_outside_of_notebooks(
    context: InteractiveContext, capsys: pytest.CaptureFixture[str]
) -> None:
    """If it fails, a script or a debugger cannot look at anything."""
    first = start(word="ab")
    result = context.run(first)
    capsys.readouterr()
    context.show()
    context.show(first, first.outputs["length"], result)
    show(result.outputs["length"][0])
    with context.store() as store:
        show(store, store.lineage([result.outputs["text"][0].id or 0]), store.list_runs()[0])
        show(store.get_execution(result.execution_id))
    show(result.result, context.pipeline, context.pipeline.compile(), result.outcome)
    out = capsys.readouterr().out
    assert "Pipeline cells" in out and "Metadata store" in out and "Lineage" in out
    assert "because" in out and out.count("Text") > 2
    with pytest.raises(WiringError, match="cannot be shown"):
        show(3)


def test_what_holds_no_rows_is_refused(context: InteractiveContext) -> None:
    """If it fails, asking for rows of a text is answered by a traceback."""
    text = context.run(start(word="ab")).outputs["text"][0]
    assert isinstance(text, Artifact)
    with pytest.raises(DataError, match="holds no table"):
        to_pandas(text)


def test_a_script_without_a_guard_does_not_run_twice(tmp_path: Path) -> None:
    """If it fails, workers that import the script start workers of their own."""
    (tmp_path / "script.py").write_text(
        "from penstock import InteractiveContext, Model, Output, component\n\n"
        "@component\ndef work(model: Output[Model]):\n"
        "    open(model.path('x'), 'w').write('x')\n\n"
        "InteractiveContext('script').run(work())\n"
    )
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1 and "if __name__ == '__main__':" in done.stderr
