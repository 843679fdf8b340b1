# SPDX-License-Identifier: Apache-2.0
"""Commands about runs: list them, show what happened in one, read its logs, end it."""

from __future__ import annotations

import click

from .completion import complete_node, complete_run
from .output import dim, heading, print_json, print_pairs, print_table
from .program import HelpfulGroup
from .shared_options import SHOW, json_option, limit_option, option, run_id_argument
from .store_option import store_option


@click.group("runs", cls=HelpfulGroup)
def runs_group() -> None:
    """List runs, show what happened in one, read its logs."""


@runs_group.command(
    "list",
    examples=[
        ("runs list", "the newest"),
        ("runs list --state failed --json", "those that failed, for a script"),
    ],
)
@option("--pipeline", metavar="NAME", heading=SHOW, help="Only those of this pipeline.")
@option(
    "--state",
    type=click.Choice(["running", "complete", "failed", "canceled", "interrupted", "parked"]),
    heading=SHOW, help="Only those that stand so.",
)  # fmt: skip
@limit_option()
@store_option
@json_option
def runs_list(
    pipeline: str | None, state: str | None, limit: int, metadata: str | None, as_json: bool
) -> None:
    """List runs, newest first."""
    from ...utils.readable import duration, moment
    from .record_lookup import open_store, run_document

    with open_store(metadata) as store:
        # A state is not indexed: enough are looked at that some are found.
        found = store.list_runs(pipeline, limit if state is None else 50 * limit)
    documents = [run_document(each) for each in found]
    documents = [each for each in documents if state in (None, each["state"])][:limit]
    if as_json:
        print_json(documents)
        return
    rows = [
        (
            each["run"],
            each["pipeline"],
            each["state"],
            moment(each["started_at"]),
            duration(each["seconds"]) if each["seconds"] is not None else "",
            each["error"],
        )
        for each in documents
    ]
    print_table(
        ["run", "pipeline", "state", "started", "took", "error"], rows, empty="There are no runs."
    )


@runs_group.command(
    "show",
    examples=[
        ("runs show", "the newest run"),
        ("runs show 20261120T0930", "a run by the beginning of its id"),
    ],
)
@run_id_argument
@store_option
@json_option
def runs_show(run_id: str, metadata: str | None, as_json: bool) -> None:
    """Show how each node of a run ended, how long it took, and why.

    RUN is an id, or a part of it that no other has; `last`, the default, is the newest.
    """
    from ...utils.readable import duration, first_line, moment
    from ..metadata.records import newest_of_nodes
    from .record_lookup import (
        execution_documents,
        find_run,
        open_store,
        run_document,
    )

    with open_store(metadata, run_id) as store:
        run = find_run(store, run_id)
        executions = newest_of_nodes(store.run_executions(run.id, with_artifacts=as_json))
        nodes = execution_documents(store, executions)
    told = run_document(run)
    if as_json:
        print_json({**told, "nodes": nodes})
        return
    took = duration(told["seconds"]) if told["seconds"] is not None else ""
    print_pairs(
        [
            ("run", run.id),
            ("pipeline", run.pipeline),
            ("state", told["state"]),
            ("started", moment(run.started_at) + (f", took {took}" if took else "")),
            ("root", told["root"]),
            ("commit", told["commit"]),
            ("error", run.error),
        ]
    )
    click.echo()
    rows = [
        (
            node["node"],
            node["state"],
            duration(node["seconds"]) if node["state"] in ("complete", "failed") else "",
            first_line(node["reason"]),
        )
        for node in nodes
    ]
    print_table(["node", "state", "took", "because"], rows, empty="No node has run yet.")
    if any(node["state"] == "failed" for node in nodes):
        click.echo(dim(f"\nlogs: penstock runs logs {run.id} NODE"))


@runs_group.command(
    "logs",
    examples=[
        ("runs logs last Trainer", "what the Trainer printed in the newest run"),
        ("runs logs last --follow", "what all nodes of the newest run print, as they do"),
    ],
)
@run_id_argument
@click.argument("node", required=False, shell_complete=complete_node)
@option(
    "-f", "--follow", is_flag=True, heading=SHOW,
    help="Go on as more is written, until the run ends.",
)  # fmt: skip
@store_option
def runs_logs(run_id: str, node: str | None, follow: bool, metadata: str | None) -> None:
    """Print what the nodes of a run printed.

    RUN is an id, or a part of it that no other has; `last`, the default, is the newest.
    Logs lie on the machine that ran the node.
    """
    from .record_lookup import find_run, follow_logs, log_files, open_store, print_log

    with open_store(metadata, run_id) as store:
        run = find_run(store, run_id)
        if follow:
            follow_logs(store, run, node)
            return
        logs = log_files(store, run, node)
    for name, path in logs:
        if node is None or len(logs) > 1:
            click.echo(heading(f"==> {name} <=="))
        print_log(path)


@runs_group.command(
    "end",
    examples=[
        ("runs end 20261120T0930", "an engine that is gone left it open; now it can be resumed"),
    ],
)
@click.argument("run_id", metavar="RUN", shell_complete=complete_run)
@store_option
@json_option
def runs_end(run_id: str, metadata: str | None, as_json: bool) -> None:
    """End a run that nobody works at any more, so that `penstock run --resume` takes it up.

    That is for runs of outside engines (`penstock node run`) and of other machines, of which
    nobody can tell from here whether they go on. Should somebody still work at it, what is
    under way is shut out: it can publish nothing any more. A run whose process is alive on
    this machine is not ended: stop that process.
    """
    from ..launch.finish import abandon_run
    from .record_lookup import find_run, open_store, run_document

    with open_store(metadata, run_id) as store:
        ended = run_document(abandon_run(store, find_run(store, run_id).id))
    if as_json:
        print_json(ended)
    else:
        click.echo(f"run {ended['run']} is {ended['state']}")
