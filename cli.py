# SPDX-License-Identifier: Apache-2.0
"""The command line, `penstock`: what commands there are, and how they are grouped."""

from __future__ import annotations

from collections.abc import Sequence

import click

from .cli_anomalies import anomalies_group
from .cli_approve import approvals, approve, reject
from .cli_artifacts import artifacts_group, lineage
from .cli_cache import cache_group, gc
from .cli_card import card
from .cli_commands import EXIT_CODES, HelpfulCommand, Program
from .cli_compile import compile_command
from .cli_completion import completion
from .cli_data import data_group
from .cli_export import export
from .cli_image import image_group
from .cli_init import init
from .cli_migrate import migrate
from .cli_model_stages import models_group
from .cli_node import node_group
from .cli_plan import plan
from .cli_report import report
from .cli_reproduce import reproduce
from .cli_run import run
from .cli_runs import runs_group
from .cli_serve import serve
from .cli_show import show
from .cli_tune import tune
from .cli_watch import watch


class _Root(Program):
    """The root command; its help ends with the exit codes."""

    command_class = HelpfulCommand

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes what the exit codes mean."""
        with formatter.section("Exit codes"):
            formatter.write_dl(EXIT_CODES)


def _version(ctx: click.Context, parameter: click.Parameter, asked: bool) -> None:
    if asked and not ctx.resilient_parsing:
        from . import __version__

        click.echo(f"penstock {__version__}")
        ctx.exit()


@click.group(
    cls=_Root,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    examples=[
        ("init my_project", "a small working project, with data"),
        ("plan my_project", "what would run, and why"),
        ("run my_project", "run it"),
        ("runs show", "what happened in the newest run"),
        ("lineage PushedModel", "where the newest pushed model came from"),
    ],
)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version,
    help="Show the version.",
)  # fmt: skip
def cli() -> None:
    """Machine-learning pipelines: run them, reuse what did not change, see what happened.

    `penstock COMMAND --help` tells more about each command.
    """


cli.add("Pipelines", run, watch, plan, tune, compile_command, export, node_group, image_group)
cli.add(
    "What happened",
    runs_group,
    show,
    report,
    artifacts_group,
    anomalies_group,
    data_group,
    lineage,
    cache_group,
)
cli.add("Gates", approvals, approve, reject)
cli.add("Models", models_group, card, reproduce, serve)
cli.add("Housekeeping", gc, init, migrate, completion)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command line, by default that of this process, and returns its exit code."""
    try:
        cli.main(arguments)
    except SystemExit as ending:
        return ending.code if isinstance(ending.code, int) else 1
    return 0
