# SPDX-License-Identifier: Apache-2.0
"""The command that shows a model's card, with what the metadata store knows of it."""

from __future__ import annotations

import inspect
import os
from typing import TYPE_CHECKING, Any

import click

from .model_commands import VERSION_HELP
from .output import print_json
from .program import HelpfulCommand
from .shared_options import SHOW, json_option, option
from .store_option import store_option

if TYPE_CHECKING:
    from ..metadata.store import MetadataStore
    from ..registry.model_version import ModelVersion


@click.command(
    "card",
    cls=HelpfulCommand,
    examples=[
        ("card complaints --html card.html", "of what is in production, as a page"),
        ("card complaints 1.3.0 > card.md", "of one version, as Markdown"),
    ],
)
@click.argument("name")
@click.argument("version", required=False)
@option("--html", metavar="FILE", heading=SHOW, help="Write it as a page with charts.")
@option("--markdown", metavar="FILE", heading=SHOW, help="Write it as Markdown.")
@store_option
@json_option
def card(
    name: str,
    version: str | None,
    html: str | None,
    markdown: str | None,
    metadata: str | None,
    as_json: bool,
) -> None:
    """Show the card of a pushed model: metrics, data, features, limits, and who made it.

    It is the card that a ModelCard node made, else one made now from what the model's run
    left; with the lineage from the metadata store. Without a VERSION it is that of what is in
    production, or of the newest.
    """
    from ...utils import storage
    from ..registry.registry import ModelRegistry
    from .record_lookup import open_store

    with open_store(metadata) as store:
        registry = ModelRegistry(store)
        chosen = version or ("production" if registry.production(name) else "latest")
        found = _card(store, registry.find(name, chosen))
    if html:
        from ...components.analyze.model_card_html import render_html

        storage.write_text_atomic(html, render_html(found))
    if markdown or not (html or as_json):
        from ...components.analyze.model_card_markdown import render_markdown

        if markdown:
            storage.write_text_atomic(markdown, render_markdown(found))
        else:
            click.echo(render_markdown(found), nl=False)
    if as_json:
        print_json(found)
    for path in (html, markdown):
        if path:
            click.echo(f"written: {os.path.abspath(path)}", err=True)


card.help = f"{inspect.cleandoc(card.help or '')}\n\n{VERSION_HELP}"


def _card(store: MetadataStore, version: ModelVersion) -> dict[str, Any]:
    from ...components.base.artifact_types import ModelCardArtifact
    from ..registry.card_lineage import card_inputs, card_lineage, newest_card

    made = newest_card(store, version.model_artifact_id)
    if isinstance(made, ModelCardArtifact):
        from ...components.analyze.model_card_file import read_card

        found = read_card(made)
    else:
        from ...components.analyze.model_card_executor import gather
        from ...components.base.executor import Task

        inputs = card_inputs(store, version)
        task = Task(
            {name: [artifact] for name, artifact in inputs.items()},
            pipeline_name=version.pipeline,
            node_id="card",
        )
        found = {**gather(task), "name": version.model}
    return {**found, "lineage": card_lineage(store, version)}
