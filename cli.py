# SPDX-License-Identifier: Apache-2.0
"""The command line, `penstock`: what commands there are, and how they are grouped."""

from __future__ import annotations

from collections.abc import Sequence

import click

from .orchestration.commands.anomalies_commands import anomalies_group
from .orchestration.commands.approval_commands import approvals, approve, reject
from .orchestration.commands.artifact_commands import artifacts_group, lineage
from .orchestration.commands.cache_commands import cache_group, gc
from .orchestration.commands.card_command import card
from .orchestration.commands.compile_command import compile_command
from .orchestration.commands.completion import completion
from .orchestration.commands.data_commands import data_group
from .orchestration.commands.export_command import export
from .orchestration.commands.image_commands import image_group
from .orchestration.commands.init_command import init
from .orchestration.commands.migrate_command import migrate
from .orchestration.commands.model_stage_commands import models_group
from .orchestration.commands.node_commands import node_group
from .orchestration.commands.plan_command import plan
from .orchestration.commands.program import EXIT_CODES, HelpfulCommand, Program
from .orchestration.commands.report_command import report
from .orchestration.commands.reproduce_command import reproduce
from .orchestration.commands.run_command import run
from .orchestration.commands.runs_commands import runs_group
from .orchestration.commands.serve_command import serve
from .orchestration.commands.show_command import show
from .orchestration.commands.tune_command import tune
from .orchestration.commands.watch_command import watch


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
