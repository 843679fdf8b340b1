# SPDX-License-Identifier: Apache-2.0
"""Commands that run, plan and compile pipelines."""

from __future__ import annotations

import functools
import shlex
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from .cli_commands import (
    FAILED,
    OK,
    PARKED,
    REFUSED,
    STOPPED,
    HelpfulCommand,
    HelpfulGroup,
    drop_output,
)
from .cli_completion import complete_node, complete_run
from .cli_options import (
    HOW,
    SHOW,
    WHERE,
    Loaded,
    cache_options,
    cache_policy,
    given_again,
    json_option,
    load,
    load_with_settings,
    option,
    param_option,
    parameters,
    place_options,
    resume_options,
    selection,
    selection_options,
    setting_options,
    target_argument,
    value_options,
)
from .cli_output import dim, print_json, print_table

if TYPE_CHECKING:
    from .orchestration.launch.outcome import RunObserver
    from .orchestration.metadata.store import MetadataStore
    from .orchestration.runners.run_result import RunResult

#: Options that are not given again when a run is resumed.
_NOT_AGAIN = ("run_id", "resume", "take_over", "quiet", "as_json")

#: How `plan` puts what would become of a node.
_WILL = {"run": "run", "reuse": "reuse", "skip": "skip", "after": "may run"}


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
@option(
    "--max-workers", type=click.IntRange(min=1), metavar="N", heading=HOW,
    help="Execute at most so many nodes at once.",
)  # fmt: skip
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
@option(
    "--json", "as_json", is_flag=True, heading=SHOW,
    help="Print one JSON object at the end; progress goes to standard error.",
)  # fmt: skip
@click.pass_context
def run(ctx: click.Context, /, quiet: bool, as_json: bool, **options: Any) -> None:
    """Run a pipeline on this machine.

    TARGET is a file (pipeline.py), a module (package.module), either with an optional
    :function or :variable, or a compiled pipeline (pipeline.json). By default it is the
    pipeline.py of the current folder.

    Nodes whose code, parameters and inputs are what they were are not run again: their
    earlier results are reused. Independent nodes run at the same time.
    """
    from .orchestration.launch.run import new_run_id
    from .orchestration.runners.local.progress import progress_for
    from .orchestration.runners.run_result import RunResult
    from .utils.errors import Cancelled

    if options["take_over"] and not options["resume"]:
        raise click.UsageError("--take-over goes with --resume.")
    if options["resume"] and options["run_id"]:
        raise click.UsageError("--resume and --run-id contradict each other.")
    loaded = _load(options, run_id=options["run_id"] or new_run_id())
    resume = _run_to_resume(loaded, options["resume"], options["take_over"])
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
    _report(result, loaded, seconds, again, stopped=stopped, quiet=quiet, as_json=as_json)
    ctx.exit(STOPPED if stopped else exit_code(result))


def _runner(
    options: dict[str, Any], loaded: Loaded, progress: RunObserver
) -> Callable[..., RunResult]:
    """What runs the pipeline."""
    chosen = selection(options["from_nodes"], options["to_nodes"], options["only"])
    if options["runner"] == "beam":
        from .orchestration.runners.beam.beam_dag_runner import BeamDagRunner

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
    from .orchestration.runners.local.local_runner import LocalRunner

    if options["beam_args"]:
        raise click.UsageError("--beam-arg goes with --runner beam.")
    runner = LocalRunner(
        metadata=loaded.metadata, max_workers=options["max_workers"], observer=progress
    )
    return functools.partial(runner.run, selection=chosen)


def _run_to_resume(loaded: Loaded, text: str | None, take_over: bool) -> str | None:
    """The id of the run that `--resume` means: an id, a unique part of one, or `last`."""
    from .cli_records import find_run
    from .orchestration.launch.finish import abandon_run

    if not text:
        return None
    with store_for_reading(loaded) as store:
        found = find_run(store, text, loaded.ir.name)
        return abandon_run(store, found.id).id if take_over else found.id


def _load(options: dict[str, Any], *, run_id: str | None = None) -> Loaded:
    names = ("params", "settings", "configs", "root", "metadata", "cache", "no_cache")
    return load(options["target"], run_id=run_id, **{n: options[n] for n in names if n in options})


def _report(
    result: RunResult,
    loaded: Loaded,
    seconds: float,
    again: str,
    *,
    stopped: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    from .orchestration.runners.local import summary

    try:
        if as_json:
            print_json(summary.run_document(result, seconds, again, stopped=stopped))
        elif result.succeeded and not (stopped or quiet):
            click.echo(summary.success_text(result, loaded.ir, seconds, sys.stdout))
        sys.stdout.flush()
    except BrokenPipeError:
        # The exit code tells how the run ended, whoever reads what was said of it.
        drop_output()
    if result.parked and not (result.failed or stopped):
        click.echo(summary.parked_text(result, seconds, again, sys.stderr), err=True)
    elif stopped or not result.succeeded:
        text = summary.failure_text(result, seconds, again, sys.stderr, stopped=stopped)
        click.echo(text, err=True)


def exit_code(result: RunResult) -> int:
    """What the process says of a run."""
    from .utils.errors import GateError

    if result.succeeded:
        return OK
    failed = result.failed
    if result.parked and not failed:
        return PARKED
    refused = bool(failed) and all(isinstance(each.error, GateError) for each in failed)
    return REFUSED if refused else FAILED


@click.command(
    cls=HelpfulCommand,
    examples=[
        ("plan", "the pipeline.py of this folder"),
        ("plan train.py --set Trainer.train_args.num_steps=100", "what would that change?"),
        ("plan --json | jq -r '.nodes[] | select(.action==\"run\").node'", "for scripts"),
    ],
)
@target_argument
@value_options
@selection_options
@cache_options
@place_options
@json_option
def plan(as_json: bool, **options: Any) -> None:
    """Show what a run would do, and why, without running anything.

    Each node would run, be reused, be skipped, or "may run": it follows a node that runs,
    and runs too unless that node writes exactly what it wrote before.
    """
    from .orchestration.launch.plan import forecast
    from .utils.readable import counted

    loaded = _load(options)
    chosen = selection(options["from_nodes"], options["to_nodes"], options["only"])
    with store_for_reading(loaded) as store:
        found = forecast(loaded.ir, loaded.run, store, chosen.chosen(loaded.ir))
    if as_json:
        nodes = [{"node": f.node_id, "action": f.action, "reason": f.reason} for f in found]
        print_json({"pipeline": loaded.ir.name, "nodes": nodes})
        return
    print_table(
        ["node", "will", "because"], [(f.node_id, _WILL[f.action], f.reason) for f in found]
    )
    tally = Counter(_WILL[each.action] for each in found)
    said = ", ".join(f"{tally[word]} {word}" for word in _WILL.values() if tally[word])
    click.echo(dim(f"\n{counted(len(found), 'node')}: {said}"))


def store_for_reading(loaded: Loaded) -> AbstractContextManager[MetadataStore]:
    """The store that a run would use, or an empty one where there is none yet."""
    import os

    from .orchestration.metadata.connection_settings import Backend, MetadataConfig
    from .orchestration.metadata.store import MetadataStore
    from .orchestration.runners.local.local_runner import default_metadata

    config = MetadataConfig.parse(loaded.metadata or default_metadata(loaded.run))
    if config.backend is Backend.SQLITE and not os.path.exists(config.path):
        return MetadataStore(":memory:")
    return MetadataStore(config, create=False)


@click.command(
    "compile",
    cls=HelpfulCommand,
    examples=[
        ("compile -o pipeline.json", "to a file"),
        ("compile train.py | jq '.nodes[].id'", "to standard output"),
        ("compile --runner airflow -o dags", "a DAG file for Airflow"),
        (
            "compile --runner kubeflow --runner-config kubeflow.yaml -o pipeline.yaml",
            "for Kubeflow Pipelines",
        ),
    ],
)
@target_argument
@setting_options
@option(
    "-o", "--output", default="-", metavar="FILE", heading=SHOW,
    help="Write to this file or URL instead of standard output.",
)  # fmt: skip
@option(
    "--runner", type=click.Choice(["ir", "airflow", "kubeflow"]), default="ir",
    show_default=True, heading=SHOW,
    help="What to compile for: ir is what `penstock run` and `penstock node run` read; airflow "
    "is a DAG file with the pipeline beside it, for which --output is a folder; kubeflow is "
    "YAML that Kubeflow Pipelines takes.",
)  # fmt: skip
@option(
    "--runner-config", metavar="FILE", heading=SHOW,
    help="Settings of the runner, as YAML: schedule, where tasks run, ...",
)  # fmt: skip
def compile_command(
    target: str,
    settings: Any,
    configs: Any,
    output: str,
    runner: str,
    runner_config: str | None,
) -> None:
    """Compile a pipeline to JSON: its graph, parameters and the user's code.

    The graph is checked; nothing is run. The result runs on any machine that has Penstock,
    by `penstock run pipeline.json`.
    """
    from .orchestration.pipeline import Pipeline

    pipeline = load_with_settings(target, settings, configs)
    if runner == "airflow":
        from .orchestration.runners.airflow.airflow_dag_runner import AirflowDagRunner
        from .orchestration.runners.airflow.airflow_settings import load_settings

        chosen = load_settings(runner_config) if runner_config else None
        click.echo(AirflowDagRunner(chosen).compile(pipeline, "." if output == "-" else output))
        return
    if runner == "kubeflow":
        _compile_for_kubeflow(pipeline, output, runner_config)
        return
    ir = pipeline.compile() if isinstance(pipeline, Pipeline) else pipeline
    if output == "-":
        click.echo(ir.to_json(), nl=False)
    else:
        ir.save(output)


def _compile_for_kubeflow(pipeline: Any, output: str, runner_config: str | None) -> None:
    from .orchestration.runners.kubeflow.kubeflow_dag_runner import KubeflowDagRunner

    if runner_config is None:
        raise click.UsageError(
            "--runner kubeflow needs --runner-config, a YAML file that names the image and the "
            "metadata store: see docs/kubeflow.md."
        )
    path = "pipeline.yaml" if output == "-" else output
    click.echo(KubeflowDagRunner.from_file(runner_config).compile(pipeline, path, upload=True))


@click.group("node", cls=HelpfulGroup)
def node_group() -> None:
    """Run one node of a compiled pipeline, as outside engines do."""


@node_group.command(
    "run",
    examples=[
        ("node run --ir pipeline.json --node Trainer --run-id r1", "in a worker process"),
        ("node run --ir pipeline.json --node Trainer --run-id r1 --in-process", "under pdb"),
    ],
)
@option(
    "--ir", "ir_path", required=True, metavar="FILE", heading=WHERE,
    help="The compiled pipeline: a file or URL.",
)  # fmt: skip
@option(
    "--node", "node_id", required=True, metavar="NODE", heading=WHERE,
    shell_complete=complete_node, help="The node to run; those before it must have run.",
)  # fmt: skip
@option(
    "--run-id", required=True, metavar="ID", heading=WHERE, shell_complete=complete_run,
    help="The run that it belongs to; begun if it is not.",
)  # fmt: skip
@param_option
@cache_options
@option(
    "--in-process", is_flag=True, heading=HOW,
    help="Execute in this very process, without timeout, for debuggers.",
)  # fmt: skip
@option(
    "--with-parent", is_flag=True, heading=HOW,
    help="Stop when the process that started this one is gone, as an engine's task may be.",
)  # fmt: skip
@place_options
@option(
    "--json", "as_json", is_flag=True, heading=SHOW,
    help="Print one line of JSON; progress goes to standard error.",
)  # fmt: skip
@click.pass_context
def node_run(ctx: click.Context, /, ir_path: str, node_id: str, **options: Any) -> None:
    """Run exactly one node, through all phases: resolve, reuse, execute, publish.

    This is what every outside engine calls, in whatever order the graph allows. The exit
    code tells how the node ended.
    """
    from .orchestration.ir import load_ir
    from .orchestration.launch.run import describe_run
    from .orchestration.runners.local import summary
    from .orchestration.runners.local.local_runner import RunResult
    from .orchestration.runners.local.plain_progress import PlainProgress
    from .orchestration.runners.local.single_node import run_single_node

    ir = load_ir(ir_path)
    described = describe_run(
        ir,
        run_id=options["run_id"],
        root=options["root"],
        parameters=parameters(options["params"]),
        cache=cache_policy(options["cache"], options["no_cache"]),
    )
    as_json = options["as_json"]
    if options["with_parent"]:
        _stop_with_parent()
    outcome = run_single_node(
        ir,
        node_id,
        described,
        metadata=options["metadata"] or "",
        in_process=options["in_process"],
        observer=PlainProgress(sys.stderr if as_json else sys.stdout, ir.name),
    )
    if as_json:
        print_json(summary.outcome_document(outcome), one_line=True)
    result = RunResult(described, {node_id: outcome})
    if result.failed:
        click.echo(summary.failure_text(result, outcome.seconds, "", sys.stderr), err=True)
    elif result.parked:
        click.echo(summary.parked_text(result, outcome.seconds, "", sys.stderr), err=True)
    ctx.exit(STOPPED if outcome.state.value == "cancelled" else exit_code(result))


def _stop_with_parent() -> None:
    """Sends this process SIGTERM once another one has become its parent."""
    import os
    import signal
    import threading

    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


@node_group.command(
    "finish",
    examples=[("node finish --ir pipeline.json --run-id r1", "when its nodes have been run")],
)
@option(
    "--ir", "ir_path", required=True, metavar="FILE", heading=WHERE,
    help="The compiled pipeline: a file or URL.",
)  # fmt: skip
@option(
    "--run-id", required=True, metavar="ID", heading=WHERE, shell_complete=complete_run,
    help="The run, of which nothing may be running any more.",
)  # fmt: skip
@param_option
@place_options
@json_option
@click.pass_context
def node_finish(
    ctx: click.Context, /, ir_path: str, run_id: str, as_json: bool, **options: Any
) -> None:
    """End a run whose nodes were run one by one, as outside engines do last.

    The run is complete if every node ended well, else failed, which the exit code tells.
    What killed processes left behind is cleared away. A run may be ended again after more
    of its nodes have run.
    """
    from .cli_records import run_document
    from .orchestration.ir import load_ir
    from .orchestration.launch.finish import finish_run
    from .orchestration.launch.run import describe_run
    from .orchestration.runners.run_lifecycle import open_store

    ir = load_ir(ir_path)
    described = describe_run(
        ir, run_id=run_id, root=options["root"], parameters=parameters(options["params"])
    )
    with open_store(described, options["metadata"] or "") as store:
        ended = run_document(finish_run(ir, described, store))
    if as_json:
        print_json(ended)
    else:
        told = f": {ended['error']}" if ended["error"] else ""
        click.echo(f"run {run_id} is {ended['state']}{told}")
    ctx.exit(OK if ended["state"] == "complete" else FAILED)
