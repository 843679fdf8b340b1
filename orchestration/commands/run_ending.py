# SPDX-License-Identifier: Apache-2.0
"""How commands that run pipelines tell how it ended: in words, and by the exit code."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from ...utils.errors import GateError
from .output import print_json
from .program import FAILED, OK, PARKED, REFUSED, drop_output

if TYPE_CHECKING:
    from ..ir import PipelineIR
    from ..runners.run_result import RunResult


def tell_ending(
    result: RunResult,
    ir: PipelineIR,
    seconds: float,
    again: str,
    *,
    stopped: bool = False,
    quiet: bool = False,
    as_json: bool = False,
) -> None:
    """Says how a run ended: what went well on standard output, all else on standard error.

    Args:
        result: What became of it.
        ir: The compiled pipeline.
        seconds: How long it took.
        again: The command line that goes on with it.
        stopped: Whether somebody stopped it.
        quiet: Whether to say nothing where it went well.
        as_json: Whether to print a JSON object as well.
    """
    from ..runners.local import summary

    try:
        if as_json:
            print_json(summary.run_document(result, seconds, again, stopped=stopped))
        elif result.succeeded and not (stopped or quiet):
            click.echo(summary.success_text(result, ir, seconds, sys.stdout))
        sys.stdout.flush()
    except BrokenPipeError:
        # The exit code tells how the run ended, whoever reads what was said of it.
        drop_output()
    if result.parked and not (result.failed or stopped):
        click.echo(summary.parked_text(result, seconds, again, sys.stderr), err=True)
    elif stopped or not result.succeeded:
        text = summary.failure_text(result, seconds, again, sys.stderr, stopped=stopped)
        click.echo(text, err=True)


def exit_code(result: RunResult) -> int:
    """What the process says of a run."""
    if result.succeeded:
        return OK
    failed = result.failed
    if result.parked and not failed:
        return PARKED
    refused = bool(failed) and all(isinstance(each.error, GateError) for each in failed)
    return REFUSED if refused else FAILED
