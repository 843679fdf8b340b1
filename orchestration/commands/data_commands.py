# SPDX-License-Identifier: Apache-2.0
"""Commands that look into data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from .output import print_json, print_table
from .program import HelpfulGroup
from .shared_options import WHERE, json_option, limit_option, option
from .store_option import store_option

if TYPE_CHECKING:
    from ...components.base.artifact_types import Examples
    from ..metadata.store import MetadataStore


@click.group("data", cls=HelpfulGroup)
def data_group() -> None:
    """Compare the data of two runs."""


@data_group.command(
    "diff",
    examples=[
        ("data diff 12 40", "two artifacts by their ids"),
        ("data diff 12 40 --split train --json", "one split, for a script"),
    ],
)
@click.argument("before")
@click.argument("after")
@option("--split", "splits", multiple=True, metavar="NAME", heading=WHERE,
        help="Only this split [default: all].")  # fmt: skip
@limit_option("How many columns at most, the most different first.")
@store_option
@json_option
def data_diff(
    before: str,
    after: str,
    splits: tuple[str, ...],
    limit: int,
    metadata: str | None,
    as_json: bool,
) -> None:
    """Show what differs between two Examples: rows, schema, distributions.

    BEFORE and AFTER are ids or URIs of artifacts. A distance is between 0 and 1: of numbers
    the largest difference of cumulative shares, of texts that of one value's share.
    """
    from ...components.ingest.examples_diff import diff_examples
    from ...components.ingest.examples_diff_text import COLUMNS, column_rows, summary_lines
    from .record_lookup import open_store

    with open_store(metadata) as store:
        first, second = _examples(store, before), _examples(store, after)
    diff = diff_examples(first, second, splits)
    if as_json:
        print_json(diff)
        return
    for line in summary_lines(diff):
        click.echo(line)
    print_table(COLUMNS, column_rows(diff["columns"], limit))


def _examples(store: MetadataStore, text: str) -> Examples:
    from ...components.base.artifact_types import Examples
    from ...utils.errors import DataError
    from .record_lookup import find_artifact

    found = find_artifact(store, text).artifact
    if not isinstance(found, Examples):
        raise DataError(
            f"artifact {text} holds no examples",
            expected="Examples",
            got=found.TYPE_NAME,
            fix="list them: penstock artifacts list --type Examples",
        )
    return found
