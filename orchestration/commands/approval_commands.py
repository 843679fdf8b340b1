# SPDX-License-Identifier: Apache-2.0
"""Commands by which people decide what an Approval asks."""

from __future__ import annotations

import os
import shlex
import sys
from typing import TYPE_CHECKING, Any

import click

from .completion import complete_run
from .output import print_json, print_table
from .program import OK, HelpfulCommand
from .run_ending import exit_code, tell_ending
from .shared_options import HOW, SHOW, json_option, option
from .store_option import store_option

if TYPE_CHECKING:
    from ..launch.approval import PendingApproval
    from ..metadata.records import RunRecord
    from ..metadata.store import MetadataStore

_LOOKED_THROUGH = 200


def _decision_options(command: Any) -> Any:
    for decorate in (
        click.argument("node", required=False),
        click.argument("run_id", metavar="[RUN]", default="last", shell_complete=complete_run),
        option("--by", metavar="NAME", heading=HOW, help="Who decides [default: your login]."),
        option("--note", metavar="TEXT", default="", heading=HOW, help="Why."),
        store_option,
        option("-q", "--quiet", is_flag=True, heading=SHOW, help="Say nothing."),
    ):
        command = decorate(command)
    return command


@click.command(
    cls=HelpfulCommand,
    examples=[
        ("approve", "what the newest run waits for"),
        ('approve last Approval --note "slices looked at"', "one of several, with a note"),
        ("approve 20261120T0930 --by ada --no-run", "only record it"),
    ],
)
@_decision_options
@option(
    "--no-run", is_flag=True, heading=HOW,
    help="Only record the decision; by default a run that is parked on this machine goes on.",
)  # fmt: skip
@click.pass_context
def approve(
    ctx: click.Context,
    /,
    run_id: str,
    node: str | None,
    by: str | None,
    note: str,
    metadata: str | None,
    quiet: bool,
    no_run: bool,
) -> None:
    """Approve what a node of a parked run shows, and let the run go on.

    RUN is an id, or a part of it that no other has; `last`, the default, is the newest. NODE
    can be left out where one node asks. What was approved holds for exactly that content, also
    in later runs. A run in an outside engine goes on there by itself.
    """
    run, setting = _decide(run_id, node, by, note, metadata, approve=True, quiet=quiet)
    ctx.exit(OK if no_run else _go_on(run, setting, quiet))


@click.command(
    cls=HelpfulCommand,
    examples=[('reject last --note "worse for mortgages"', "what the newest run waits for")],
)
@_decision_options
def reject(
    run_id: str,
    node: str | None,
    by: str | None,
    note: str,
    metadata: str | None,
    quiet: bool,
) -> None:
    """Reject what a node of a parked run shows: that content is not let through.

    The node refuses when the run is resumed, and in every later run that brings the same. To
    change your mind, approve it.
    """
    _decide(run_id, node, by, note, metadata, approve=False, quiet=quiet)


@click.command(
    cls=HelpfulCommand,
    examples=[("approvals", "what waits for a decision, in this folder's store")],
)
@store_option
@json_option
def approvals(metadata: str | None, as_json: bool) -> None:
    """List what waits for somebody's decision, newest run first."""
    from ...utils.readable import moment
    from .record_lookup import open_store

    with open_store(metadata) as store:
        found = [
            each for run in store.list_runs(limit=_LOOKED_THROUGH) for each in _open(store, run)
        ]
    if as_json:
        print_json(
            [
                {
                    "run": each.execution.run_id,
                    "pipeline": each.execution.pipeline,
                    "node": each.execution.node_id,
                    "asked_at": each.execution.started_at,
                    "approvers": list(each.approvers),
                    "instructions": each.instructions,
                }
                for each in found
            ]
        )
        return
    rows = [
        (
            each.execution.run_id,
            each.execution.node_id,
            moment(each.execution.started_at),
            ", ".join(each.approvers) or "anybody",
            each.instructions,
        )
        for each in found
    ]
    print_table(["run", "node", "asked", "who may", "to look at"], rows, empty="Nothing waits.")


def _open(store: MetadataStore, run: RunRecord) -> list[PendingApproval]:
    from ..launch.approval import pending

    return [each for each in pending(store, run.id) if store.decision(each.key) is None]


def _decide(
    run_id: str,
    node: str | None,
    by: str | None,
    note: str,
    metadata: str | None,
    *,
    approve: bool,
    quiet: bool,
) -> tuple[RunRecord, str]:
    """Records a decision.

    Returns:
        The run that asked, and the setting of its store.
    """
    import getpass
    from datetime import datetime, timezone

    from ..launch.approval import decide
    from .record_lookup import open_store

    with open_store(metadata, run_id) as store:
        run = _asking(store, run_id)
        question = _question(store, run, node)
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        made = decide(
            store, question, approve=approve, by=by or getpass.getuser(), note=note, now=now
        )
        setting = store.setting
    if not quiet:
        click.echo(f"{made.node_id} of run {run.id} is {made.verdict} by {made.by}.")
    return run, setting


def _asking(store: MetadataStore, run_id: str) -> RunRecord:
    """The run that is meant.

    Raises:
        MetadataError: There is none; whoever named a node instead is told how.
    """
    from ...utils.errors import MetadataError
    from .record_lookup import find_run

    try:
        return find_run(store, run_id)
    except MetadataError as error:
        for run in store.list_runs(limit=_LOOKED_THROUGH):
            if run_id in [each.execution.node_id for each in _open(store, run)]:
                error.fix = f"that is a node; name its run before it: {run.id} {run_id}"
        raise


def _question(store: MetadataStore, run: RunRecord, node: str | None) -> PendingApproval:
    from ...utils.errors import DataError, nearest
    from ..launch.approval import pending

    asked = {each.execution.node_id: each for each in pending(store, run.id)}
    names = list(asked)
    if node is None and len(asked) == 1:
        return asked[names[0]]
    if node in asked:
        return asked[node]
    decided = "" if asked else _decided(store, run)
    raise DataError(
        decided or f"run {run.id} asks nobody's approval"
        if not asked
        else f"run {run.id} does not ask for approval of {node!r}"
        if node
        else f"run {run.id} asks for several approvals",
        expected=", ".join(names) or "a run that is parked",
        got=node or (f"a run that is {run.state.value}" if not asked else "no name of a node"),
        suggestion=nearest(node, names) if node else None,
        fix="see what waits: penstock approvals",
    )


def _decided(store: MetadataStore, run: RunRecord) -> str:
    """What was decided in a run that went on with it; empty where nothing was."""
    from ..launch.approval import APPROVAL_KEY

    for execution in store.run_executions(run.id):
        made = store.decision(str(execution.custom_properties.get(APPROVAL_KEY, "")))
        if made is not None:
            return f"{made.node_id} of run {run.id} is {made.verdict} already, by {made.by}"
    return ""


def _go_on(run: RunRecord, setting: str, quiet: bool) -> int:
    """Resumes a run that was parked by a runner of this machine; answers the exit code."""
    import json
    import time

    from ...utils import storage
    from ..ir import load_ir
    from ..launch.run import Run
    from ..metadata.records import RunState
    from ..runners.local.local_runner import LocalRunner
    from ..runners.local.progress import progress_for

    then = Run(run.id, run.pipeline, str(run.properties.get("root", "")))
    where = then.ir_path if "://" in then.ir_path else os.path.relpath(then.ir_path)
    again = f"penstock run {shlex.quote(where)} --resume {run.id}"
    if not storage.exists(then.ir_path):
        again = f"penstock run … --resume {run.id}, where it ran"
    if run.state is not RunState.PARKED or not storage.exists(then.ir_path):
        if run.state in (RunState.PARKED, RunState.FAILED) and not quiet:
            click.echo(f"to go on with it: {again}")
        return OK
    ir = load_ir(then.ir_path)
    progress = progress_for(sys.stdout, ir.name, quiet=quiet)
    began = time.monotonic()
    try:
        result = LocalRunner(metadata=setting, observer=progress).run(
            ir,
            parameters=json.loads(str(run.properties.get("parameters", "{}"))),
            root=then.root,
            resume=run.id,
        )
    finally:
        progress.close()
    seconds = time.monotonic() - began
    tell_ending(result, ir, seconds, again, quiet=quiet)
    return exit_code(result)
