# SPDX-License-Identifier: Apache-2.0
"""The command that makes a registered model once more, to see whether it comes out the same."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Any

import click

from .output import dim, print_json, print_table
from .program import FAILED, OK, HelpfulCommand, say_error
from .shared_options import HOW, SHOW, WHERE, json_option, option
from .store_option import store_option


@click.command(
    cls=HelpfulCommand,
    examples=[
        ("reproduce complaints", "what is in production"),
        ("reproduce complaints --version 1.4.0 --root /tmp/again", "a version, into a folder"),
    ],
)
@click.argument("model")
@option("--version", metavar="VERSION", default="production", show_default=True, heading=HOW,
        help="Which version; as in `penstock models show`.")  # fmt: skip
@option("--tolerance", type=click.FloatRange(min=0), default=0.01, show_default=True, heading=HOW,
        help="How far metrics may be apart: relatively, or absolutely for those below 1.",
)  # fmt: skip
@option("--anyway", is_flag=True, heading=HOW,
        help="Go on where the source data has changed.")  # fmt: skip
@option("--root", metavar="DIR", heading=WHERE,
        help="Write to this empty folder [default: a new temporary one, which is kept].",
)  # fmt: skip
@store_option
@option("-q", "--quiet", is_flag=True, heading=SHOW, help="Show the result only.")
@json_option
@click.pass_context
def reproduce(
    ctx: click.Context,
    model: str,
    version: str,
    tolerance: float,
    anyway: bool,
    root: str | None,
    metadata: str | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Make a registered model again from its recorded code, data and settings.

    The pipeline that pushed it runs again into a root of its own, without cache, up to the
    model and its evaluation; nothing is pushed. Digests of data, schema and transformation
    have to be equal, metrics within the tolerance. The exit code is 0 if they are; 1 if not, or
    if a node failed; 2 if it could not be tried.
    """
    import tempfile

    from ..registry.registry import ModelRegistry
    from ..runners.local.progress import progress_for
    from ..runners.reproduction import NodeFailed
    from ..runners.reproduction import reproduce as again
    from .record_lookup import open_store

    with open_store(metadata) as store:
        found = ModelRegistry(store).find(model, version)
        place = root or tempfile.mkdtemp(prefix=f"penstock-{model}-{found.version}-")
        stream = sys.stderr if as_json else sys.stdout
        progress = progress_for(stream, found.pipeline, quiet=quiet)
        try:
            done = again(store, found, place, tolerance=tolerance, anyway=anyway, observer=progress)
        except NodeFailed as failure:
            progress.close()
            say_error(str(failure.error))
            click.echo(dim(f"everything lies in {place}"), err=True)
            ctx.exit(FAILED)
        finally:
            progress.close()
    if as_json:
        print_json(
            {
                "model": model,
                "version": found.version,
                "reproduced": done.agrees,
                "tolerance": tolerance,
                "root": place,
                "sources": done.sources,
                "comparisons": [asdict(each) for each in done.comparisons],
            }
        )
        ctx.exit(OK if done.agrees else FAILED)
    click.echo()
    print_table(
        ["what", "name", "recorded", "reproduced", "verdict"],
        [
            (each.what, each.name, _shown(each.recorded), _shown(each.reproduced), each.verdict)
            for each in done.comparisons
        ],
    )
    for problem in done.sources:
        click.echo(f"source: {problem}")
    said = "was reproduced" if done.agrees else "was NOT reproduced"
    click.echo(f"\n{model} {found.version} {said} (metrics within {tolerance:g})")
    click.echo(dim(f"everything lies in {place}"))
    ctx.exit(OK if done.agrees else FAILED)


def _shown(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:.6g}" if isinstance(value, float) else str(value)[:12]
