# SPDX-License-Identifier: Apache-2.0
"""Commands that outside engines call: one node of a run, and its end."""

from __future__ import annotations

import sys
import time
from typing import Any

import click

from .completion import complete_node, complete_run
from .output import print_json
from .program import FAILED, OK, STOPPED, HelpfulGroup
from .run_ending import exit_code
from .shared_options import (
    HOW,
    SHOW,
    WHERE,
    cache_options,
    cache_policy,
    json_option,
    option,
    param_option,
    parameters,
    place_options,
)

_ir_option = option(
    "--ir", "ir_path", required=True, metavar="FILE", heading=WHERE,
    help="The compiled pipeline: a file or URL.",
)  # fmt: skip


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
@_ir_option
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
    from ..ir import load_ir
    from ..launch.run import describe_run
    from ..runners.local import summary
    from ..runners.local.plain_progress import PlainProgress
    from ..runners.local.single_node import run_single_node
    from ..runners.run_result import RunResult

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
@_ir_option
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
    from ..ir import load_ir
    from ..launch.finish import finish_run
    from ..launch.run import describe_run
    from ..runners.run_lifecycle import open_store
    from .record_lookup import run_document

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
