# SPDX-License-Identifier: Apache-2.0
"""The command that runs a pipeline whenever there is a reason to."""

from __future__ import annotations

import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import click

from .program import FAILED, OK, REFUSED, STOPPED, HelpfulCommand
from .shared_options import (
    HOW,
    SHOW,
    Loaded,
    cache_options,
    load_given,
    max_workers_option,
    option,
    place_options,
    target_argument,
    value_options,
)

if TYPE_CHECKING:
    from ..metadata.store import MetadataStore
    from ..runners.run_result import RunResult
    from ..runners.watch.triggers import Trigger

WHEN = "When to run"


@click.command(
    cls=HelpfulCommand,
    examples=[
        ("watch", "whenever a new span, or changed data, is there"),
        ("watch train.py --cron '0 6 * * 1-5' --timezone Europe/Berlin", "on weekdays at six"),
        ("watch train.py --every 1h --on-new-data", "each hour, and when there is new data"),
        ("watch train.py --on-alarm monitoring", "when the pipeline `monitoring` finds drift"),
        ("watch train.py --once --dry-run", "is anything due?"),
    ],
)
@target_argument
@option(
    "--on-new-data", is_flag=True, heading=WHEN,
    help="When the nodes that read from outside have new spans, versions or changed files. "
    "The default, unless another reason is given.",
)  # fmt: skip
@option(
    "--node", "nodes", multiple=True, metavar="NODE", heading=WHEN,
    help="With --on-new-data: look at this node only. Repeatable.",
)  # fmt: skip
@option(
    "--settled", metavar="DURATION", heading=WHEN,
    help="With --on-new-data: take no file that changed within this time, which may not be "
    "whole yet.",
)  # fmt: skip
@option(
    "--on-alarm", "alarms", multiple=True, metavar="PIPELINE", heading=WHEN,
    help="When this pipeline (or any) records anomalies, drift or skew, or a gate refuses "
    "its run. Repeatable.",
)  # fmt: skip
@option(
    "--on-artifact", "types", multiple=True, metavar="TYPE", heading=WHEN,
    help="When an artifact of this type appears in the store. Repeatable.",
)  # fmt: skip
@option("--every", metavar="DURATION", heading=WHEN, help="At intervals: 15m, 1h, 1d.")
@option("--cron", metavar="EXPR", heading=WHEN, help="At the moments of a cron expression.")
@option(
    "--timezone", metavar="ZONE", heading=WHEN,
    help="The time zone of --cron [default: UTC].",
)  # fmt: skip
@option(
    "--poll", default="60s", show_default=True, metavar="DURATION", heading=HOW,
    help="Time between two looks.",
)  # fmt: skip
@option(
    "--rest", default="1m", show_default=True, metavar="DURATION", heading=HOW,
    help="Time after which a run that failed is begun again; doubled after each failure.",
)  # fmt: skip
@option(
    "--longest-rest", default="1h", show_default=True, metavar="DURATION", heading=HOW,
    help="The longest such time.",
)  # fmt: skip
@option("--once", is_flag=True, heading=HOW, help="Look once, run if it is due, and stop.")
@option("--dry-run", is_flag=True, heading=HOW, help="With --once: only say what is due.")
@max_workers_option
@value_options
@cache_options
@place_options
@option("-q", "--quiet", is_flag=True, heading=SHOW, help="Do not show how runs go.")
@click.pass_context
def watch(ctx: click.Context, /, **options: Any) -> None:
    """Run a pipeline whenever there is a reason to: new data, an alarm, a moment.

    One run goes at a time. What was seen and when the next run is due is kept in the metadata
    store, so a watcher that was stopped goes on where it was: moments that passed meanwhile
    are made up for by one run. A second watcher of the pipeline stands by, and takes over
    when the first ends. Ctrl-C or SIGTERM stops it.
    """
    from ..metadata.store import MetadataStore
    from ..runners.run_lifecycle import open_store
    from ..runners.stop_signals import stopped_by_signals
    from ..runners.watch.triggers import read_duration
    from ..runners.watch.watcher import Step, Watcher

    if options["dry_run"] and not options["once"]:
        raise click.UsageError("--dry-run goes with --once.")
    if options["timezone"] and not options["cron"]:
        raise click.UsageError("--timezone goes with --cron.")
    loaded = load_given(options)
    with open_store(loaded.run, loaded.metadata) as store:
        assert isinstance(store, MetadataStore)
        watcher = Watcher(
            loaded.ir.name,
            store,
            _triggers(options, loaded, store),
            lambda: _run(loaded, options),
            say=_say,
            poll_s=read_duration(options["poll"]),
            first_rest_s=read_duration(options["rest"]),
            longest_rest_s=read_duration(options["longest_rest"]),
        )
        if options["dry_run"]:
            due = watcher.due()
            for each in due:
                _say(f"due: {each.reason}")
            if not due:
                _say("nothing is due")
            return
        if options["once"]:
            step = watcher.once()
            if step in (Step.QUIET, Step.STANDING_BY):
                _say(step.value)
            codes = {Step.FAILED: FAILED, Step.REFUSED: REFUSED, Step.STOPPED: STOPPED}
            ctx.exit(codes.get(step, OK))
        stop = threading.Event()
        with stopped_by_signals(stop):
            watcher.watch(stop)


def _triggers(options: dict[str, Any], loaded: Loaded, store: MetadataStore) -> list[Trigger]:
    from ..runners.watch.alarm_trigger import Alarms
    from ..runners.watch.span_trigger import NewSpans
    from ..runners.watch.triggers import Cron, Every, read_duration

    found: list[Trigger] = []
    if options["every"]:
        found.append(Every(read_duration(options["every"])))
    if options["cron"]:
        found.append(Cron(options["cron"], options["timezone"] or "UTC"))
    alarms: list[Alarms] = []
    if options["alarms"]:
        named = () if "any" in options["alarms"] else options["alarms"]
        alarms.append(Alarms(store, named, own=loaded.ir.name))
    if options["types"]:
        alarms.append(Alarms(store, types=options["types"], own=loaded.ir.name))
    for each in alarms:
        for note in each.notes():
            _say(f"note: {note}")
    found += alarms
    if options["on_new_data"] or options["nodes"] or options["settled"] or not found:
        settled = read_duration(options["settled"]) if options["settled"] else 0.0
        found.append(NewSpans(loaded.ir, loaded.run, options["nodes"], settled_s=settled))
    return found


def _run(loaded: Loaded, options: dict[str, Any]) -> RunResult:
    from ..runners.local.local_runner import LocalRunner
    from ..runners.local.progress import progress_for

    progress = progress_for(sys.stdout, loaded.ir.name, quiet=options["quiet"])
    runner = LocalRunner(
        metadata=loaded.metadata, max_workers=options["max_workers"], observer=progress
    )
    try:
        return runner.run(
            loaded.ir,
            parameters=loaded.run.parameters,
            root=loaded.run.root,
            cache=loaded.run.cache,
        )
    finally:
        progress.close()


def _say(line: str) -> None:
    click.echo(f"{time.strftime('%Y-%m-%d %H:%M:%S')}  {line}")
    sys.stdout.flush()
