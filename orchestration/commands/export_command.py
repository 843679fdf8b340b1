# SPDX-License-Identifier: Apache-2.0
"""The command that writes a pipeline in another form: YAML."""

from __future__ import annotations

from typing import Any

import click

from .program import HelpfulCommand
from .shared_options import SHOW, load_with_settings, option, setting_options, target_argument


@click.command(
    cls=HelpfulCommand,
    examples=[
        ("export --yaml train.py -o train.yaml", "a pipeline in Python, as YAML"),
        ("export --schema -o penstock.schema.json", "what editors check YAML pipelines by"),
    ],
)
@target_argument
@setting_options
@option("--yaml", "as_yaml", is_flag=True, heading=SHOW, help="Write YAML (the default).")
@option(
    "--schema", is_flag=True, heading=SHOW,
    help="Write the JSON schema of YAML pipelines instead, for editors.",
)  # fmt: skip
@option(
    "-o", "--output", default="-", metavar="FILE", heading=SHOW,
    help="Write to this file instead of standard output. Modules that the pipeline uses are "
    "named as seen from its folder.",
)  # fmt: skip
def export(
    target: str, settings: Any, configs: Any, as_yaml: bool, schema: bool, output: str
) -> None:
    """Write a pipeline as YAML, from which an equal one is built.

    What was written is read again and compiled: if it did not compile to the same as the
    original, you are told where, and nothing is written.
    """
    if as_yaml and schema:
        raise click.UsageError("--yaml and --schema contradict each other.")
    _write(_schema() if schema else _yaml(target, settings, configs, output), output)


def _schema() -> str:
    from ..yaml_form.json_schema import yaml_schema

    return yaml_schema()


def _yaml(target: str, settings: Any, configs: Any, output: str) -> str:
    from ...utils.errors import GraphError
    from ..pipeline import Pipeline
    from ..yaml_form.writer import yaml_text

    pipeline = load_with_settings(target, settings, configs)
    if not isinstance(pipeline, Pipeline):
        raise GraphError(
            "a compiled pipeline cannot be written as YAML: it no longer knows its components",
            expected="a pipeline in Python, or in YAML",
            got=target,
        )
    return yaml_text(pipeline, "pipeline.yaml" if output == "-" else output)


def _write(text: str, output: str) -> None:
    from ...utils import storage

    if output == "-":
        click.echo(text, nl=False)
    else:
        storage.write_bytes_atomic(output, text.encode())
