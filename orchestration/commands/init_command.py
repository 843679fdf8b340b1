# SPDX-License-Identifier: Apache-2.0
"""`penstock init`: a small working project to start from."""

from __future__ import annotations

import os
import shutil

import click

from .output import heading
from .program import HelpfulCommand

#: The example that is copied, below `pipelines/`.
_EXAMPLE = "consumer_complaints"
#: Parts of it that make no sense in a copy.
_LEFT_OUT = shutil.ignore_patterns("__pycache__", "demo.py", ".penstock")


@click.command(
    cls=HelpfulCommand,
    examples=[("init my_project", "a folder my_project, ready to run")],
)
@click.argument("folder", metavar="[DIR]", default=_EXAMPLE, type=click.Path(file_okay=False))
def init(folder: str) -> None:
    """Start from a small working project: a complete pipeline with real data.

    It trains a model that tells which consumers will dispute a company's answer to their
    complaint. DIR must be new or empty; its name becomes a Python package's.
    """
    files = copy_example(folder)
    shown = os.path.relpath(folder)
    click.echo(f"{heading(shown)}: a pipeline with real data, {files} files")
    click.echo("\nnow try:")
    for command in ("plan", "run"):
        click.echo(f"  penstock {command} {shown}")
    click.echo(f"\nthen change a line of {os.path.join(shown, 'features.py')}, and plan again")


def copy_example(folder: str) -> int:
    """Copies the example to a folder that is new or empty. How many files it has.

    Raises:
        ParameterError: The folder's name cannot be that of a package.
        StorageError: The folder holds something already, or cannot be written.
    """
    from ... import __file__ as package
    from ...utils.errors import ParameterError, StorageError
    from ...utils.storage_errors import storage_errors

    target = os.path.abspath(folder)
    name = os.path.basename(target)
    if not name.isidentifier():
        raise ParameterError(
            f"{name!r} cannot be the name of a Python package",
            expected="letters, digits and '_', not beginning with a digit",
            got=folder,
            suggestion="".join(c if c.isalnum() else "_" for c in name).lstrip("0123456789")
            or None,
        )
    if os.path.isdir(target) and os.listdir(target):
        raise StorageError(
            f"the folder {folder} holds something already",
            got=", ".join(sorted(os.listdir(target))[:6]),
            fix="name another folder: penstock init my_project",
        )
    source = os.path.join(os.path.dirname(os.path.abspath(package)), "pipelines", _EXAMPLE)
    with storage_errors(target, "write"):
        shutil.copytree(source, target, ignore=_LEFT_OUT, dirs_exist_ok=True)
        for file in ("pipeline.py", "config.yaml"):
            # What it says of how to run it is true of the copy.
            path = os.path.join(target, file)
            with open(path, encoding="utf-8") as opened:
                text = opened.read()
            with open(path, "w", encoding="utf-8") as opened:
                opened.write(text.replace(f"penstock.pipelines.{_EXAMPLE}.pipeline", name))
    return sum(len(files) for _, _, files in os.walk(target))
