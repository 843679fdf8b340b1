# SPDX-License-Identifier: Apache-2.0
"""How every command of the command line looks and fails: help, errors, exit codes.

Nothing here, nor in any other `cli` module, imports more than click at its top: the help
must come at once. What a command needs it imports when it runs.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

import click

from ...utils.errors import Cancelled, GateError, PenstockError
from ...utils.terminal import CurrentStderr, Paint

#: Exit codes, as the help tells them.
OK, FAILED, USAGE, REFUSED, PARKED, BUG, STOPPED, PIPE_CLOSED = 0, 1, 2, 3, 4, 70, 130, 141

EXIT_CODES = (
    (str(OK), "all went well"),
    (str(FAILED), "a node failed"),
    (str(USAGE), "the command, a setting, the pipeline or its graph is wrong; nothing ran"),
    (str(REFUSED), "a gate (validation, blessing) refused to let something pass"),
    (str(PARKED), "a node waits for somebody's approval; the run goes on once it has it"),
    (str(BUG), "a defect of Penstock itself"),
    (str(STOPPED), "stopped by Ctrl-C or SIGTERM"),
)

_DEBUG = "penstock.debug"


class HelpfulOption(click.Option):
    """An option that knows under which heading the help lists it."""

    def __init__(self, *args: Any, heading: str = "Options", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.heading = heading


class HelpfulCommand(click.Command):
    """A command whose help shows examples first, and options under headings.

    Args:
        examples: Pairs of a command line, without the program's name, and what it does.
    """

    def __init__(self, *args: Any, examples: Sequence[tuple[str, str]] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = examples
        self.params += [
            HelpfulOption(
                ["-v", "--verbose"],
                count=True,
                heading="Any command",
                expose_value=False,
                callback=_verbose,
                help="Say more; twice for everything.",
            ),
            HelpfulOption(
                ["--debug"],
                is_flag=True,
                heading="Any command",
                expose_value=False,
                callback=_debug,
                help="Show the traceback of an error.",
            ),
        ]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the examples, then the options by heading."""
        write_examples(ctx, formatter, self.examples)
        headings: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None and isinstance(parameter, click.Option):
                heading = getattr(parameter, "heading", "Any command")
                headings.setdefault(heading, []).append(record)
        for heading in sorted(headings, key="Any command".__eq__):
            with formatter.section(heading):
                formatter.write_dl(headings[heading], col_max=28)


class HelpfulGroup(click.Group):
    """A group whose help shows examples, and commands under headings.

    Args:
        examples: As of a command; by default the first example of each of its commands.
    """

    command_class = HelpfulCommand

    def __init__(self, *args: Any, examples: Sequence[tuple[str, str]] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = examples
        self.headings: dict[str, str] = {}

    def add(self, heading: str, *commands: click.Command) -> None:
        """Adds commands under a heading of the help."""
        for command in commands:
            self.add_command(command)
            self.headings[command.name or ""] = heading

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in the order in which they were added."""
        return list(self.commands)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that the first argument names.

        Raises:
            click.UsageError: There is none; the message names the nearest.
        """
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            from ...utils.errors import nearest

            close = nearest(args[0], self.commands)
            hint = f" Did you mean {close!r}?" if close else ""
            ctx.fail(f"There is no command {args[0]!r}.{hint}")
        return super().resolve_command(ctx, args)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the examples, then the commands by heading, then the options."""
        of_commands = [getattr(command, "examples", ()) for command in self.commands.values()]
        own = self.examples or [examples[0] for examples in of_commands if examples]
        write_examples(ctx, formatter, own)
        headings: dict[str, list[tuple[str, str]]] = {}
        for name in self.list_commands(ctx):
            text = self.commands[name].get_short_help_str(100)
            headings.setdefault(self.headings.get(name, "Commands"), []).append((name, text))
        # One width for all, so that the columns stand below each other.
        longest = max(map(len, self.commands))
        for heading, rows in headings.items():
            with formatter.section(heading):
                formatter.write_dl([(name.ljust(longest), text) for name, text in rows])
        records = [parameter.get_help_record(ctx) for parameter in self.get_params(ctx)]
        with formatter.section("Options"):
            formatter.write_dl([record for record in records if record is not None])


def write_examples(
    ctx: click.Context, formatter: click.HelpFormatter, examples: Sequence[tuple[str, str]]
) -> None:
    """Writes examples as lines that can be copied; each follows what it does."""
    if not examples:
        return
    program = ctx.find_root().info_name or "penstock"
    with formatter.section("Examples"):
        indent = " " * formatter.current_indent
        for line, what in examples:
            formatter.write(f"{indent}# {what}\n{indent}{program} {line}\n")


class Program(HelpfulGroup):
    """The whole command line: the one place where errors become messages and exit codes."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Runs the command line and ends the process (or raises, unless standalone)."""

        def run() -> Any:
            return super(Program, self).main(
                args, prog_name, complete_var, standalone_mode=False, **extra
            )

        if not standalone_mode:
            return run()
        code = _guarded(run)
        try:
            sys.stdout.flush()
        except BrokenPipeError:
            drop_output()
        sys.exit(code)

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command; a reader that went away (`| head`) is no error."""
        color = Paint(sys.stdout).enabled
        ctx.color = True if color and os.environ.get("FORCE_COLOR") else None if color else False
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            drop_output()
            ctx.exit(PIPE_CLOSED)


def drop_output() -> None:
    """Sends what standard output still holds, and gets, nowhere: its reader went away.

    Otherwise the interpreter tries to write it once more when it ends, and complains.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _guarded(run: Callable[[], Any]) -> int:
    try:
        code = run()
        return code if isinstance(code, int) else OK
    except click.ClickException as error:
        if type(error).__name__ == "NoArgsIsHelpError":  # since click 8.2
            error.show()
            return USAGE
        context = getattr(error, "ctx", None)
        say_error(error.format_message())
        if context is not None:
            click.echo(f"  try: {context.command_path} --help", err=True)
        return USAGE
    except (click.Abort, KeyboardInterrupt, Cancelled):
        click.echo("stopped", err=True)
        return STOPPED
    except PenstockError as error:
        _trace_if_asked()
        say_error(str(error))
        return REFUSED if isinstance(error, GateError) else USAGE
    except Exception as error:
        say_error(_defect(error))
        return BUG


def say_error(text: str) -> None:
    """Prints an error to standard error, where scripts and people look for it."""
    paint = Paint(sys.stderr)
    head, _, rest = text.partition("\n")
    click.echo(
        f"{paint('error:', 'red', 'bold')} {head}" + (f"\n{rest}" if rest else ""),
        err=True,
        color=paint.enabled or None,
    )


def _defect(error: Exception) -> str:
    what = f"Penstock itself failed: {type(error).__name__}: {error}"
    if _trace_if_asked():
        return what
    import tempfile
    import traceback

    from ...utils.logs import redact

    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="penstock-", suffix=".traceback", delete=False, encoding="utf-8"
        ) as file:
            file.write(redact(traceback.format_exc()))
    except OSError:
        return f"{what}\n  run it again with --debug to see the traceback"
    return f"{what}\n  the traceback is in {file.name}; --debug shows it here"


def _trace_if_asked() -> bool:
    """Prints the traceback of the error at hand, if `--debug` was given."""
    asked = bool(os.environ.get("PENSTOCK_DEBUG")) or _DEBUG in _asked
    if asked:
        import traceback

        traceback.print_exc()
    return asked


#: What was asked for, kept apart from contexts: those are gone when an error is shown.
_asked: set[str] = set()


def _debug(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
    _asked.discard(_DEBUG)
    if value:
        _asked.add(_DEBUG)


def _verbose(ctx: click.Context, parameter: click.Parameter, value: int) -> None:
    from ...utils.logs import configure

    configure(value, stream=CurrentStderr())  # type: ignore[arg-type]
