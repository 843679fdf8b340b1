# SPDX-License-Identifier: Apache-2.0
"""The command that writes a page about a run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from .program import HelpfulCommand
from .shared_options import SHOW, option, run_id_argument
from .store_option import store_option

if TYPE_CHECKING:
    from ..metadata.records import RunRecord
    from ..metadata.store import MetadataStore
    from ..runners.views.view import View


@click.command(
    cls=HelpfulCommand,
    examples=[
        ("report", "a page about the newest run, report.html"),
        ("report 20261120T0930 -o friday.html", "about a run by the beginning of its id"),
    ],
)
@run_id_argument
@option("-o", "--output", metavar="FILE", default="report.html", show_default=True, heading=SHOW,
        help="Where to write the page.")  # fmt: skip
@option("--log-lines", type=click.IntRange(min=0), default=40, show_default=True, heading=SHOW,
        help="How many of the last lines of each node's log.")  # fmt: skip
@store_option
def report(run_id: str, output: str, log_lines: int, metadata: str | None) -> None:
    """Write one page about a run: its graph with states and times, data, metrics, lineage, logs.

    RUN is an id, or a part of it that no other has; `last`, the default, is the newest. The
    page needs nothing else: send it, keep it, open it anywhere. It holds what the run's
    statistics and logs hold.
    """
    from ...utils.readable import size
    from ..runners.views.html_page import html_page
    from ..runners.views.report import report_views
    from .record_lookup import find_run, open_store

    with open_store(metadata, run_id) as store:
        run = find_run(store, run_id)
        views = report_views(store, run, log_lines)
        views[1:1] = _what_stopped(store, run)
    text = html_page(f"{run.pipeline}: run {run.id}", *views)
    with open(output, "w", encoding="utf-8") as file:
        file.write(text)
    click.echo(f"written: {os.path.abspath(output)} ({size(len(text.encode()))})")


def _what_stopped(store: MetadataStore, run: RunRecord) -> Iterator[View]:
    """The anomalies that stopped a run: nothing was recorded of them, so they are found again."""
    from ..metadata.records import newest_of_nodes
    from ..runners.views.anomalies_view import report_view
    from ..runners.views.report import part_title
    from ..runners.views.view import View, Wanted
    from .anomalies_commands import is_validation, validate_again

    for each in newest_of_nodes(store.run_executions(run.id, with_artifacts=True)):
        if each.state.value == "failed" and is_validation(each):
            found = validate_again(each)
            splits = sorted({anomaly.split for anomaly in found.anomalies})
            view = report_view(found, splits, Wanted())
            yield View(part_title(each.node_id, view.title), view.blocks)
