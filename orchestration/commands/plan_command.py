# SPDX-License-Identifier: Apache-2.0
"""The command that tells what a run would do."""

from __future__ import annotations

from collections import Counter
from typing import Any

import click

from .output import dim, print_json, print_table
from .program import HelpfulCommand
from .shared_options import (
    cache_options,
    json_option,
    load_given,
    place_options,
    selection,
    selection_options,
    target_argument,
    value_options,
)
from .store_option import store_for_reading

#: How `plan` puts what would become of a node.
_WILL = {"run": "run", "reuse": "reuse", "skip": "skip", "after": "may run"}


@click.command(
    cls=HelpfulCommand,
    examples=[
        ("plan", "the pipeline.py of this folder"),
        ("plan train.py --set Trainer.train_args.num_steps=100", "what would that change?"),
        ("plan --json | jq -r '.nodes[] | select(.action==\"run\").node'", "for scripts"),
    ],
)
@target_argument
@value_options
@selection_options
@cache_options
@place_options
@json_option
def plan(as_json: bool, **options: Any) -> None:
    """Show what a run would do, and why, without running anything.

    Each node would run, be reused, be skipped, or "may run": it follows a node that runs,
    and runs too unless that node writes exactly what it wrote before.
    """
    from ...utils.readable import counted
    from ..launch.plan import forecast

    loaded = load_given(options)
    chosen = selection(options["from_nodes"], options["to_nodes"], options["only"])
    with store_for_reading(loaded) as store:
        found = forecast(loaded.ir, loaded.run, store, chosen.chosen(loaded.ir))
    if as_json:
        nodes = [{"node": f.node_id, "action": f.action, "reason": f.reason} for f in found]
        print_json({"pipeline": loaded.ir.name, "nodes": nodes})
        return
    print_table(
        ["node", "will", "because"], [(f.node_id, _WILL[f.action], f.reason) for f in found]
    )
    tally = Counter(_WILL[each.action] for each in found)
    said = ", ".join(f"{tally[word]} {word}" for word in _WILL.values() if tally[word])
    click.echo(dim(f"\n{counted(len(found), 'node')}: {said}"))
