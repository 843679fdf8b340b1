# SPDX-License-Identifier: Apache-2.0
"""Commands for container images."""

from __future__ import annotations

import shlex

import click

from .program import HelpfulCommand, HelpfulGroup
from .shared_options import HOW, WHERE, option


@click.group("image", cls=HelpfulGroup)
def image_group() -> None:
    """Make the container image in which nodes run elsewhere."""


@image_group.command(
    "build",
    cls=HelpfulCommand,
    examples=[
        ("image build my_project --tag registry/my-project:1", "with the project's code"),
        ("image build my_project --context-only image", "only write the Dockerfile and its files"),
    ],
)
@click.argument("project", required=False, default="", metavar="[PROJECT]")
@option("--tag", metavar="NAME", heading=WHERE, help="What the image is called.")
@option("--python", default="", metavar="X.Y", heading=HOW, help="Version of Python.")
@option("--base", default="", metavar="IMAGE", heading=HOW, help="The image to start from.")
@option(
    "--requirement", "requirements", multiple=True, metavar="PACKAGE", heading=HOW,
    help="A further package, such as s3fs. Repeatable.",
)  # fmt: skip
@option(
    "--system-package", "system_packages", multiple=True, metavar="PACKAGE", heading=HOW,
    help="A package of Debian's. Repeatable.",
)  # fmt: skip
@option("--ir", default="", metavar="FILE", heading=HOW, help="A compiled pipeline to put in.")
@option("--engine", default="", metavar="PROGRAM", heading=HOW, help="docker, podman or the like.")
@option(
    "--engine-option", "engine_options", multiple=True, metavar="OPTION", heading=HOW,
    help="A further option of the engine's build. Repeatable.",
)  # fmt: skip
@option(
    "--context-only", metavar="FOLDER", heading=WHERE,
    help="Only write the Dockerfile and what it copies to this folder.",
)  # fmt: skip
def image_build(
    project: str,
    tag: str | None,
    python: str,
    base: str,
    requirements: tuple[str, ...],
    system_packages: tuple[str, ...],
    ir: str,
    engine: str,
    engine_options: tuple[str, ...],
    context_only: str | None,
) -> None:
    """Build an image with the pinned environment and PROJECT's code.

    PROJECT is the folder of your code; without one the image holds Penstock alone.
    """
    import tempfile

    from ..runners.kubeflow.image import ImageSettings, build_image, write_context

    settings = ImageSettings(
        project=project,
        python=python,
        base=base,
        requirements=requirements,
        system_packages=system_packages,
        ir=ir,
    )
    if context_only:
        write_context(settings, context_only)
        click.echo(context_only)
        return
    if not tag:
        raise click.UsageError("Name the image: --tag registry/my-project:1")
    with tempfile.TemporaryDirectory(prefix="penstock-image-") as folder:
        command = build_image(settings, tag, folder, engine=engine, options=engine_options)
    click.echo(shlex.join(command))
