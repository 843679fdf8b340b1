# SPDX-License-Identifier: Apache-2.0
"""The command that shows an artifact, a run or a lineage: in the terminal, or as a page."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from .program import HelpfulCommand
from .shared_options import SHOW, WHICH, option
from .store_option import store_option

if TYPE_CHECKING:
    from ..metadata.store import MetadataStore
    from ..runners.views.view import View, Wanted


@click.command(
    cls=HelpfulCommand,
    examples=[
        ("show ExampleStatistics", "the newest statistics, with histograms"),
        ("show 12 15 --split train", "one artifact beside another"),
        ("show Examples --limit 5 --feature age", "the first records"),
        ("show ModelEvaluation --html metrics.html", "metrics by slice, as a page"),
        ("show last", "the newest run"),
    ],
)
@click.argument("things", metavar="ARTIFACT|RUN...", nargs=-1, required=True)
@option("--split", "splits", multiple=True, metavar="NAME", heading=WHICH,
        help="Only this split. Repeatable.")  # fmt: skip
@option("--feature", "features", multiple=True, metavar="NAME", heading=WHICH,
        help="Only this feature, column or metric. Repeatable.")  # fmt: skip
@option("-n", "--limit", type=click.IntRange(min=1), default=20, show_default=True, heading=WHICH,
        help="How many records of examples.")  # fmt: skip
@option("--html", metavar="FILE", heading=SHOW,
        help="Write a page that needs nothing else, instead of printing.")  # fmt: skip
@store_option
def show(
    things: tuple[str, ...],
    splits: tuple[str, ...],
    features: tuple[str, ...],
    limit: int,
    html: str | None,
    metadata: str | None,
) -> None:
    """Show what a pipeline made: statistics, schemas, anomalies, examples, metrics, models.

    ARTIFACT is an id, a URI, the folder of a pushed model, or a type (the newest of it); RUN
    is a run's id, or `last`. Several artifacts of one type are compared.
    """
    from ..runners.views.view import Wanted
    from .record_lookup import open_store

    wanted = Wanted(splits, features, limit)
    with open_store(metadata, things[0]) as store:
        views = _views(store, things, wanted)
    if html:
        from ..runners.views.html_page import html_page

        with open(html, "w", encoding="utf-8") as file:
            file.write(html_page(views[0].title, *views))
        click.echo(f"written: {os.path.abspath(html)}", err=True)
        return
    from rich.console import Console

    from ...utils.terminal import width
    from ..runners.views.terminal import print_view

    console = Console(width=width(sys.stdout), highlight=False, file=sys.stdout)
    for view in views:
        print_view(console, view)
        console.print()


def _views(store: MetadataStore, things: tuple[str, ...], wanted: Wanted) -> list[View]:
    from ...utils.errors import MetadataError
    from ..runners.views.run_view import run_view
    from ..runners.views.showing import views_of
    from .record_lookup import find_artifact, find_run

    found: list[object] = []
    for thing in things:
        try:
            found.append(None if thing == "last" else find_artifact(store, thing))
        except MetadataError:
            try:
                run = find_run(store, thing)
            except MetadataError:
                run = None
            if run is None:
                # What it says of artifacts helps more: those are what is mostly asked for.
                raise
            found.append(run_view(store, run))
        else:
            if found[-1] is None:
                found[-1] = run_view(store, find_run(store, thing))
    return views_of(found, wanted)
