# SPDX-License-Identifier: Apache-2.0
"""The command that runs a pipeline."""

from __future__ import annotations

import functools
import json
import shlex
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from .program import STOPPED, HelpfulCommand
from .run_ending import exit_code, tell_ending
from .shared_options import (
    HOW,
    SHOW,
    Loaded,
    cache_options,
    given_again,
    json_at_end_option,
    load_given,
    max_workers_option,
    option,
    parameters,
    place_options,
    resume_options,
    selection,
    selection_options,
    target_argument,
    value_options,
)
from .store_option import store_for_reading

if TYPE_CHECKING:
    from ..launch.outcome import RunObserver
    from ..runners.run_result import RunResult

#: Options that are not given again when a run is resumed.
_NOT_AGAIN = ("run_id", "resume", "take_over", "quiet", "as_json")


@click.command(
    cls=HelpfulCommand,
    examples=[
        ("run", "the pipeline.py of this folder"),
        ("run train.py:create_small --set Trainer.train_args.num_steps=100", "a smaller one"),
        ("run my_project.pipeline --param month=2015-03", "a module, for one month"),
        ("run --from-node Trainer --no-cache", "again from the Trainer on"),
        ("run --resume last", "go on with the newest run, which failed or was stopped"),
    ],
)
@target_argument
@value_options
@selection_options
@option("--run-id", metavar="ID", heading=HOW, help="Name the run instead of making an id up.")
@resume_options
@cache_options
@max_workers_option
@option(
    "--runner", type=click.Choice(["local", "beam"]), default="local", show_default=True,
    heading=HOW, help="What decides when each node runs.",
)  # fmt: skip
@option(
    "--beam-arg", "beam_args", multiple=True, metavar="FLAG", heading=HOW,
    help="A flag for --runner beam, in place of the pipeline's own. Repeatable.",
)  # fmt: skip
@place_options
@option("-q", "--quiet", is_flag=True, heading=SHOW, help="Say nothing unless something fails.")
@json_at_end_option
@click.pass_context
def run(ctx: click.Context, /, quiet: bool, as_json: bool, **options: Any) -> None:
    """Run a pipeline on this machine.

    TARGET is a file (pipeline.py), a module (package.module), either with an optional
    :function or :variable, or a compiled pipeline (pipeline.json). By default it is the
    pipeline.py of the current folder.

    Nodes whose code, parameters and inputs are what they were are not run again: their
    earlier results are reused. Independent nodes run at the same time.
    """
    from ...utils.errors import Cancelled
    from ..launch.run import new_run_id
    from ..runners.local.progress import progress_for
    from ..runners.run_result import RunResult

    if options["take_over"] and not options["resume"]:
        raise click.UsageError("--take-over goes with --resume.")
    if options["resume"] and options["run_id"]:
        raise click.UsageError("--resume and --run-id contradict each other.")
    loaded = load_given(options, run_id=options["run_id"] or new_run_id())
    resume = None
    if options["resume"]:
        resume, loaded = _run_to_resume(loaded, options)
    run_id = resume or loaded.run.id
    words = given_again(ctx, without=dict.fromkeys(_NOT_AGAIN))
    again = shlex.join([*words, "--resume", run_id])
    progress = progress_for(sys.stderr if as_json else sys.stdout, loaded.ir.name, quiet=quiet)
    started = time.monotonic()
    stopped = False
    try:
        result = _runner(options, loaded, progress)(
            loaded.ir,
            parameters=loaded.run.parameters,
            root=loaded.run.root,
            run_id=None if resume else run_id,
            resume=resume,
            cache=loaded.run.cache,
        )
    except Cancelled:
        stopped = True
        result = RunResult(replace(loaded.run, id=run_id), progress.outcomes, loaded.metadata)
    finally:
        progress.close()
    seconds = time.monotonic() - started
    tell_ending(result, loaded.ir, seconds, again, stopped=stopped, quiet=quiet, as_json=as_json)
    ctx.exit(STOPPED if stopped else exit_code(result))


def _runner(
    options: dict[str, Any], loaded: Loaded, progress: RunObserver
) -> Callable[..., RunResult]:
    """What runs the pipeline."""
    chosen = selection(options["from_nodes"], options["to_nodes"], options["only"])
    if options["runner"] == "beam":
        from ..runners.beam.beam_dag_runner import BeamDagRunner

        if (chosen and chosen.partial) or options["max_workers"]:
            raise click.UsageError(
                "--runner beam runs whole pipelines, and its own flags say how many workers: "
                "leave out --from-node, --to-node, --only and --max-workers."
            )
        return BeamDagRunner(
            metadata=loaded.metadata,
            beam_pipeline_args=list(options["beam_args"]) or None,
            observer=progress,
        ).run
    from ..runners.local.local_runner import LocalRunner

    if options["beam_args"]:
        raise click.UsageError("--beam-arg goes with --runner beam.")
    runner = LocalRunner(
        metadata=loaded.metadata, max_workers=options["max_workers"], observer=progress
    )
    return functools.partial(runner.run, selection=chosen)


def _run_to_resume(loaded: Loaded, options: dict[str, Any]) -> tuple[str, Loaded]:
    """The run that `--resume` means: an id, a unique part of one, or `last`.

    Returns:
        Its id; and the pipeline with the runtime parameters that the run had, but for those
        that are given now.
    """
    from ..launch.finish import abandon_run
    from ..launch.run import describe_run
    from .record_lookup import find_run

    with store_for_reading(loaded) as store:
        found = find_run(store, options["resume"], loaded.ir.name)
        if options["take_over"]:
            found = abandon_run(store, found.id)
    had = json.loads(str(found.properties.get("parameters", "{}")))
    known = {name: value for name, value in had.items() if name in loaded.ir.runtime_parameters}
    run = describe_run(
        loaded.ir,
        run_id=loaded.run.id,
        root=options["root"],
        parameters={**known, **parameters(options["params"])},
        cache=loaded.run.cache,
    )
    return found.id, replace(loaded, run=run)
