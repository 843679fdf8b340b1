# SPDX-License-Identifier: Apache-2.0
"""Commands that look into a metadata store: runs, artifacts, lineage, the cache, garbage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import click

from .cli_commands import HelpfulCommand, HelpfulGroup
from .cli_completion import complete_node, complete_run
from .cli_options import (
    METADATA_VARIABLE,
    SHOW,
    WHERE,
    json_option,
    load,
    option,
    place_options,
    run_id_argument,
    value_options,
)
from .cli_output import dim, heading, print_json, print_pairs, print_table

if TYPE_CHECKING:
    from .orchestration.metadata.records import ExecutionRecord

store_option = option(
    "--metadata", metavar="PATH|URL", envvar=METADATA_VARIABLE, heading=WHERE,
    help="The metadata store [default: the one below .penstock in this folder].",
)  # fmt: skip

_ARTIFACT_HELP = "an id, a URI, the folder of a pushed model, or a type (the newest of it)"


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
@option(
    "-n", "--limit", type=click.IntRange(min=1), default=20, show_default=True, heading=SHOW,
    help="How many at most.",
)  # fmt: skip
@store_option
@json_option
def runs_list(
    pipeline: str | None, state: str | None, limit: int, metadata: str | None, as_json: bool
) -> None:
    """List runs, newest first."""
    from .cli_records import open_store, run_document
    from .utils.readable import duration, moment

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
    from .cli_records import (
        execution_documents,
        find_run,
        open_store,
        run_document,
        without_retries,
    )
    from .utils.readable import duration, first_line, moment

    with open_store(metadata, run_id) as store:
        run = find_run(store, run_id)
        executions = without_retries(store.run_executions(run.id, with_artifacts=as_json))
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
    from .cli_records import find_run, follow_logs, log_files, open_store, print_log

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
    from .cli_records import find_run, open_store, run_document
    from .orchestration.launch.finish import abandon_run

    with open_store(metadata, run_id) as store:
        ended = run_document(abandon_run(store, find_run(store, run_id).id))
    if as_json:
        print_json(ended)
    else:
        click.echo(f"run {ended['run']} is {ended['state']}")


@click.group("artifacts", cls=HelpfulGroup)
def artifacts_group() -> None:
    """List artifacts, or show one: what nodes made, and from where."""


@artifacts_group.command(
    "list",
    examples=[
        ("artifacts list", "the newest"),
        ("artifacts list --type Model --json", "models, for a script"),
    ],
)
@option("--type", "type_name", metavar="TYPE", heading=SHOW, help="Only those of this type.")
@option("--pipeline", metavar="NAME", heading=SHOW, help="Only those of this pipeline.")
@option("--node", metavar="NODE", heading=SHOW, help="Only those that this node made.")
@option("--live", is_flag=True, heading=SHOW, help="Only those whose files are still there.")
@option(
    "-n", "--limit", type=click.IntRange(min=1), default=20, show_default=True, heading=SHOW,
    help="How many at most.",
)  # fmt: skip
@store_option
@json_option
def artifacts_list(
    type_name: str | None,
    pipeline: str | None,
    node: str | None,
    live: bool,
    limit: int,
    metadata: str | None,
    as_json: bool,
) -> None:
    """List artifacts, newest first."""
    from .cli_records import artifact_document, open_store
    from .utils.readable import moment
    from .utils.source_location import display_path

    with open_store(metadata) as store:
        found = store.list_artifacts(
            type_name, pipeline=pipeline, limit=None if node or live else limit
        )
    documents = [
        document
        for document in map(artifact_document, found)
        if node in (None, document["node"]) and not (live and document["state"] != "live")
    ][:limit]
    if as_json:
        print_json(documents)
        return
    rows = [
        (
            str(each["id"]),
            each["type"],
            each["node"],
            each["state"],
            moment(each["created_at"]),
            display_path(each["uri"]),
        )
        for each in documents
    ]
    print_table(
        ["id", "type", "node", "state", "created", "uri"], rows, empty="There are no artifacts."
    )


@artifacts_group.command(
    "show",
    examples=[
        ("artifacts show 12", "by its id"),
        ("artifacts show Model", "the newest model"),
    ],
)
@click.argument("artifact")
@store_option
@json_option
def artifacts_show(artifact: str, metadata: str | None, as_json: bool) -> None:
    """Show an artifact: its properties, who made it, who used it."""
    from .cli_records import artifact_document, find_artifact, open_store
    from .utils.readable import moment

    with open_store(metadata) as store:
        record = find_artifact(store, artifact)
        number = record.artifact.id or 0
        maker, users = store.producer_of(number), store.consumers_of(number)
    told = artifact_document(record)
    if as_json:
        told["made_by"] = _reference(maker) if maker else None
        told["used_by"] = [_reference(each) for each in users]
        print_json(told)
        return
    print_pairs(
        [
            ("id", told["id"]),
            ("type", told["type"]),
            ("name", told["name"]),
            ("state", told["state"]),
            ("created", moment(record.created_at)),
            ("uri", told["uri"]),
            ("made by", f"{maker.node_id}, run {maker.run_id}" if maker else ""),
            ("used by", "\n".join(dict.fromkeys(f"{e.node_id}, run {e.run_id}" for e in users))),
        ]
    )
    properties = {**told["properties"], **told["custom_properties"]}
    if properties:
        click.echo()
        print_pairs((name, _text(value)) for name, value in sorted(properties.items()))


def _reference(execution: ExecutionRecord) -> dict[str, Any]:
    return {"node": execution.node_id, "run": execution.run_id, "execution": execution.id}


def _text(value: object) -> str:
    return value if isinstance(value, str) else repr(value)


artifacts_show.help = f"{artifacts_show.help}\n\nARTIFACT is {_ARTIFACT_HELP}."


@click.command(
    cls=HelpfulCommand,
    examples=[
        ("lineage Model", "everything that made the newest model"),
        ("lineage .penstock/demo/serving/3", "the same for a pushed version"),
        ("lineage 12 --down", "everything that artifact 12 was used for"),
        ("lineage Model --format dot | dot -Tsvg > model.svg", "a picture"),
    ],
)
@click.argument("artifact")
@option("--up", "direction", flag_value="upstream", heading=SHOW, help="Only what it came from.")
@option("--down", "direction", flag_value="downstream", heading=SHOW, help="Only what came of it.")
@option(
    "--format", "form", type=click.Choice(["tree", "dot", "mermaid", "json"]), default="tree",
    show_default=True, heading=SHOW, help="Text, a picture's source, or JSON.",
)  # fmt: skip
@json_option
@store_option
def lineage(
    artifact: str,
    direction: str | None,
    form: Literal["tree", "dot", "mermaid", "json"],
    as_json: bool,
    metadata: str | None,
) -> None:
    """Show what an artifact came from, and what came of it."""
    from .cli_records import find_artifact, lineage_document, open_store
    from .orchestration.metadata.lineage import Direction
    from .orchestration.metadata.lineage_text import RENDERERS, tree

    way = Direction(direction or "both")
    with open_store(metadata) as store:
        record = find_artifact(store, artifact)
        graph = store.lineage([record.artifact.id or 0], way)
    if as_json or form == "json":
        print_json(lineage_document(graph))
    elif form == "tree":
        click.echo(tree(graph, way))
    else:
        click.echo(RENDERERS[form](graph), nl=False)


lineage.help = f"{lineage.help}\n\nARTIFACT is {_ARTIFACT_HELP}."


@click.group("cache", cls=HelpfulGroup)
def cache_group() -> None:
    """Look into the cache of results."""


@cache_group.command(
    "explain",
    examples=[("cache explain my_project Transform", "why Transform would run, or would not")],
)
@click.argument("target")
@click.argument("node", shell_complete=complete_node)
@value_options
@place_options
@json_option
def cache_explain(target: str, node: str, as_json: bool, **options: Any) -> None:
    """Lay out what a node's cache key is made of, now and at its last success.

    TARGET is a pipeline, as for `penstock run`. Nothing is run.
    """
    from .cli_run import store_for_reading
    from .orchestration.launch.explain import explain_cache

    loaded = load(target, **options)
    with store_for_reading(loaded) as store:
        found = explain_cache(loaded.ir, loaded.run, store, node)
    mine, last = found.forecast, found.last
    if as_json:
        print_json(
            {
                "node": node,
                "action": mine.action,
                "reason": mine.reason,
                "key": found.key or None,
                "last_run": last.run_id if last else None,
                "ingredients": [vars(row) for row in found.rows],
            }
        )
        return
    verdict = {
        "run": "would run",
        "reuse": "would be reused",
        "skip": "would be skipped",
        "after": "may run",
    }
    click.echo(f"{heading(f'{node} {verdict[mine.action]}')}: {mine.reason}\n")
    if found.rows:
        rows = [(row.verdict, row.ingredient, row.before, row.now) for row in found.rows]
        print_table(["", "ingredient", "last time", "now"], rows)
        click.echo(dim(f"\nlast time: run {last.run_id}" if last else "\nit has not run before"))


@click.command(
    cls=HelpfulCommand,
    examples=[
        ("gc --dry-run", "what could go, and how much it is"),
        ("gc", "delete what failed or interrupted runs left"),
        ("gc --keep-runs 10", "and results that the newest 10 runs did not use"),
    ],
)
@option(
    "--keep-runs", type=click.IntRange(min=1), metavar="N", heading=SHOW,
    help="Also delete results used only by runs before each pipeline's newest N complete ones; "
    "never what a pushed or the newest blessed model came from.",
)  # fmt: skip
@option("--dry-run", is_flag=True, heading=SHOW, help="Only show what would be deleted.")
@option("-y", "--yes", is_flag=True, heading=SHOW, help="Do not ask before deleting results.")
@store_option
@json_option
def gc(
    keep_runs: int | None, dry_run: bool, yes: bool, metadata: str | None, as_json: bool
) -> None:
    """Delete files that are of no use any more.

    Leftovers of failed and interrupted runs can always go. Results are deleted only with
    --keep-runs, and only after a question. What the store does not know is left alone.
    """
    from .cli_records import open_store
    from .orchestration.launch.garbage import delete_garbage, find_garbage
    from .utils.readable import counted, size
    from .utils.source_location import display_path

    with open_store(metadata) as store:
        found = find_garbage(store, keep_runs=keep_runs)
        total = sum(item.size for item in found)
        results = sum(len(item.artifact_ids) for item in found)
        if not as_json:
            rows = [(i.kind, size(i.size), display_path(i.path), i.reason) for i in found]
            print_table(["what", "size", "where", "because"], rows, empty="There is no garbage.")
        if results and not (dry_run or yes or as_json):
            click.confirm(f"\nDelete {counted(results, 'result')} for good?", abort=True)
        deleted = bool(found) and not dry_run and (not results or yes or not as_json)
        if deleted:
            delete_garbage(store, found)
    if as_json:
        items = [{**vars(item), "artifact_ids": list(item.artifact_ids)} for item in found]
        print_json({"deleted": deleted, "bytes": total, "items": items})
    elif found:
        said = f"{counted(len(found), 'item')}, {size(total)}"
        click.echo(f"\n{'deleted' if deleted else 'would delete'} {said}")
