# SPDX-License-Identifier: Apache-2.0
"""The command line as a newcomer meets it: help, mistakes, exit codes, start-up."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from penstock.cli import cli, main
from penstock.utils.errors import Cancelled, GateError, GraphError

_BEYOND_HELP = {
    "rich",
    "pydantic",
    "ml_metadata",
    "yaml",
    "fsspec",
    "tensorflow",
    "multiprocessing",
}


def _commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, command in group.commands.items():
        yield (*path, name)
        if isinstance(command, click.Group):
            yield from _commands(command, (*path, name))


COMMANDS = list(_commands(cli))


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_each_command_has_help_that_fits_and_teaches(path: tuple[str, ...]) -> None:
    """If it fails, a command has no help, or help that runs out of a terminal."""
    answer = CliRunner().invoke(cli, [*path, "--help"], terminal_width=80)
    assert answer.exit_code == 0
    assert answer.output.startswith("Usage:")
    command: click.Command = cli
    for name in path:
        assert isinstance(command, click.Group)
        command = command.commands[name]
    assert "Examples:" in answer.output
    assert " ".join(path) in answer.output.partition("Examples:")[2]
    # A docstring that was not cleaned stands further to the right than its first line.
    usage = answer.output.partition("Examples:")[0]
    assert command.help and "\n      " not in usage.partition("\n\n")[2].partition("Commands:")[0]
    text = [line for line in answer.output.splitlines() if not line.lstrip().startswith("cli ")]
    assert max(map(len, text)) <= 100


def test_root_help_lists_every_command_under_a_heading_and_the_exit_codes() -> None:
    """If it fails, a command cannot be found by reading the help."""
    output = CliRunner().invoke(cli, ["--help"]).output
    for name in cli.commands:
        assert f"\n  {name} " in output
    assert "Pipelines:" in output and "Exit codes:" in output
    assert "\n  130 " in output


def test_help_imports_nothing_that_takes_time() -> None:
    """If it fails, `penstock --help` waits for libraries that it does not need."""
    code = (
        "import json, sys\n"
        "from penstock.cli import main\n"
        "main(['--help'])\n"
        "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stdout.splitlines()[-1]))
    assert not loaded & _BEYOND_HELP


@pytest.mark.timing
def test_help_comes_at_once() -> None:
    """If it fails, the command line feels slow before it does anything."""

    def seconds() -> float:
        began = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "penstock", "--help"], check=True, stdout=subprocess.DEVNULL
        )
        return time.perf_counter() - began

    assert min(seconds() for _ in range(5)) < 0.2


def test_misspelt_command_names_the_nearest() -> None:
    """If it fails, a typing mistake costs a look at the help."""
    answer = CliRunner().invoke(cli, ["plna"])
    assert answer.exit_code == 2
    assert "Did you mean 'plan'?" in answer.stderr


def test_misspelt_option_is_a_usage_error() -> None:
    """If it fails, scripts cannot tell a wrong command line from a failed node."""
    answer = CliRunner().invoke(cli, ["run", "--qiet"])
    assert answer.exit_code == 2
    assert answer.stderr.startswith("error: No such option")
    assert "run --help" in answer.stderr


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (GraphError("the graph is bad", fix="mend it"), 2, "error: the graph is bad\n"),
        (GateError("not blessed"), 3, "error: not blessed\n"),
        (Cancelled("stopped"), 130, "stopped\n"),
        (KeyboardInterrupt(), 130, "stopped\n"),
        (KeyError("x"), 70, "error: Penstock itself failed: KeyError: 'x'\n"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_errors_become_messages_and_exit_codes(
    error: BaseException, code: int, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If it fails, an error shows a traceback, or scripts cannot tell what happened."""

    def fail(*args: object, **kwargs: object) -> None:
        raise error

    monkeypatch.setattr(cli.commands["plan"], "callback", fail)
    answer = CliRunner().invoke(cli, ["plan"])
    assert answer.exit_code == code
    assert said in answer.stderr
    assert "Traceback" not in answer.stderr
    assert answer.stdout == ""


def test_defect_keeps_its_traceback_and_debug_shows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """If it fails, a defect cannot be reported in a way that helps to mend it."""

    def fail(*args: object, **kwargs: object) -> None:
        raise RuntimeError("unexpected")

    monkeypatch.setattr(cli.commands["plan"], "callback", fail)
    quiet = CliRunner().invoke(cli, ["plan"]).stderr
    (path,) = [word for word in quiet.split() if word.endswith(".traceback;")]
    with open(path.rstrip(";"), encoding="utf-8") as file:
        assert "RuntimeError: unexpected" in file.read()
    assert "Traceback" in CliRunner().invoke(cli, ["plan", "--debug"]).stderr


def test_main_returns_the_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    """If it fails, programs that call the command line cannot tell how it went."""
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("penstock ")
    assert main(["no-such-command"]) == 2


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script(shell: str) -> None:
    """If it fails, a shell cannot be taught to complete."""
    answer = CliRunner().invoke(cli, ["completion", shell])
    assert answer.exit_code == 0
    assert "_PENSTOCK_COMPLETE" in answer.output


def test_reader_that_goes_away_is_no_error() -> None:
    """If it fails, `penstock … | head` ends with a traceback."""
    code = (
        "import sys\n"
        "from penstock.cli import cli, main\n"
        "import click\n"
        "def talk(**options):\n"
        "    for _ in range(999): click.echo('x' * 999)\n"
        "cli.commands['plan'].callback = talk\n"
        "sys.exit(main(['plan']))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.read(10)
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 141
