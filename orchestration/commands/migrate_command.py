# SPDX-License-Identifier: Apache-2.0
"""`penstock migrate`: a project's imports of TFX rewritten, and what else needs a hand."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from .output import dim, heading, print_json
from .program import HelpfulCommand
from .shared_options import HOW, SHOW, json_option, option

if TYPE_CHECKING:
    from ...utils.tfx_migration.migration import FileMigration


@click.command(
    cls=HelpfulCommand,
    examples=[
        ("migrate my_project", "what would change, and what needs a hand; changes nothing"),
        ("migrate my_project --write", "change it"),
        ("migrate pipeline.py taxi.ipynb --write --diff", "some files, showing what changed"),
    ],
)
@click.argument("paths", metavar="[PATH]…", nargs=-1, type=click.Path())
@option(
    "--write", is_flag=True, heading=HOW,
    help="Change the files. What is under version control can be changed back; commit first.",
)  # fmt: skip
@option("--diff", "show", is_flag=True, heading=SHOW, help="With --write: show the changes too.")
@json_option
def migrate(paths: tuple[str, ...], write: bool, show: bool, as_json: bool) -> None:
    """Move a project from TFX: rewrite its imports, and list what else needs a hand.

    Of Python files and notebooks, imports of `tfx` become imports of Penstock's face; all else
    stays as it is, to the character. Without --write nothing is changed: the changes are shown
    as a diff. A file that does not parse is never touched. PATH is a file or a folder, by
    default this folder. Hidden, built and installed folders are passed over.
    """
    from ...utils.tfx_migration.migration import migrate as moved_files

    moved = list(moved_files(paths or (".",), _absence))
    if write:
        for each in moved:
            each.write()
    if as_json:
        print_json([_document(each, write) for each in moved])
        return
    if show or not write:
        for each in moved:
            if each.changed:
                click.echo(_coloured(each.diff()), nl=False)
    _print_findings(moved)
    _print_summary(moved, write, paths)


def _absence(name: str) -> tuple[str, str] | None:
    """Why Penstock's face lacks a name of TFX, and what to do instead; None where it has it.

    Reads the face's tables and imports none of its objects.
    """
    from ...components.tfx_face.absent_names import absence
    from ...components.tfx_face.face_modules import is_module, names_in

    parts = name.split(".")[1:]
    inner = next(n for n in range(len(parts), -1, -1) if n == 0 or is_module(".".join(parts[:n])))
    rest = parts[inner:]
    # What follows the name of a class is the class's own affair.
    if not rest or rest[0].startswith("__") or rest[0] in names_in(".".join(parts[:inner])):
        return None
    told = absence(".".join(parts))
    return told or ("not a name of Penstock's face", "see the table in docs/from-tfx.md")


def _document(moved: FileMigration, written: bool) -> dict[str, Any]:
    return {
        "file": moved.path,
        "changed": moved.changed,
        "written": written and moved.changed,
        "diff": moved.diff(),
        "refused": moved.refused or None,
        "findings": [
            {
                "line": each.line,
                "cell": each.cell or None,
                "what": each.what,
                "instead": each.instead,
            }
            for each in moved.findings
        ],
    }


def _coloured(diff: str) -> str:
    from ...utils.terminal import Paint

    paint = Paint(sys.stdout)
    styles = {"+": "green", "-": "red", "@": "cyan"}
    lines = []
    for line in diff.splitlines(keepends=True):
        style = styles.get(line[:1])
        body = line.rstrip("\n")
        plain = style is None or line.startswith(("+++", "---"))
        lines.append(line if plain else paint(body, style or "") + line[len(body) :])
    return "".join(lines)


def _print_findings(moved: list[FileMigration]) -> None:
    if not any(each.findings or each.refused for each in moved):
        return
    click.echo(heading("\nneeds a hand"))
    for each in moved:
        if each.refused:
            click.echo(f"{each.path}: left as it is: {each.refused}")
        for finding in each.findings:
            cell = f" cell {finding.cell}," if finding.cell else ""
            place = (
                f"{each.path}:{cell} line {finding.line}"
                if cell
                else (f"{each.path}:{finding.line}")
            )
            click.echo(f"{place}: {finding.what}")
            click.echo(f"    {dim('instead:')} {finding.instead}")


def _print_summary(moved: list[FileMigration], write: bool, paths: tuple[str, ...]) -> None:
    changed = sum(each.changed for each in moved)
    hands = sum(len(each.findings) for each in moved)
    files = f"{changed} file" + ("" if changed == 1 else "s")
    places = f"{hands} place" + (" needs" if hands == 1 else "s need") + " a hand"
    if not changed and not hands:
        click.echo("there is nothing to move", err=True)
    elif write:
        click.echo(f"\n{files} changed, {places}", err=True)
    else:
        click.echo(f"\n{files} would change, {places}; nothing was written", err=True)
        if changed:
            click.echo(f"to change: penstock migrate {' '.join(paths) or '.'} --write", err=True)
