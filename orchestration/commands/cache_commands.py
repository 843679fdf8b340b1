# SPDX-License-Identifier: Apache-2.0
"""Commands about kept results: why one is used again or not, and which are of no use."""

from __future__ import annotations

from typing import Any

import click

from .completion import complete_node
from .output import dim, heading, print_json, print_table
from .program import HelpfulCommand, HelpfulGroup
from .shared_options import SHOW, json_option, load, option, place_options, value_options
from .store_option import store_for_reading, store_option


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
    from ..launch.explain import explain_cache

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
    from ...utils.readable import counted, size
    from ...utils.source_location import display_path
    from ..launch.garbage import delete_garbage, find_garbage
    from .record_lookup import open_store

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
