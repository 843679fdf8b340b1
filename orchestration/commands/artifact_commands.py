# SPDX-License-Identifier: Apache-2.0
"""Commands about artifacts: list them, show one, follow where it came from and went."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import click

from .output import print_json, print_pairs, print_table
from .program import HelpfulCommand, HelpfulGroup
from .shared_options import SHOW, json_option, limit_option, option
from .store_option import store_option

if TYPE_CHECKING:
    from ..metadata.records import ExecutionRecord

_ARTIFACT_HELP = "an id, a URI, the folder of a pushed model, or a type (the newest of it)"


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
@limit_option()
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
    from ...utils.readable import moment
    from ...utils.source_location import display_path
    from .record_lookup import artifact_document, open_store

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
    from ...utils.readable import moment
    from .record_lookup import artifact_document, find_artifact, open_store

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
    from ..metadata.lineage import Direction
    from ..metadata.lineage_text import RENDERERS, tree
    from .record_lookup import find_artifact, lineage_document, open_store

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
