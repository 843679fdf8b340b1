# SPDX-License-Identifier: Apache-2.0
"""The command that compiles a pipeline: to the IR, or for another engine."""

from __future__ import annotations

from typing import Any

import click

from .program import HelpfulCommand
from .shared_options import SHOW, load_with_settings, option, setting_options, target_argument


@click.command(
    "compile",
    cls=HelpfulCommand,
    examples=[
        ("compile -o pipeline.json", "to a file"),
        ("compile train.py | jq '.nodes[].id'", "to standard output"),
        ("compile --runner airflow -o dags", "a DAG file for Airflow"),
        (
            "compile --runner kubeflow --runner-config kubeflow.yaml -o pipeline.yaml",
            "for Kubeflow Pipelines",
        ),
    ],
)
@target_argument
@setting_options
@option(
    "-o", "--output", default="-", metavar="FILE", heading=SHOW,
    help="Write to this file or URL instead of standard output.",
)  # fmt: skip
@option(
    "--runner", type=click.Choice(["ir", "airflow", "kubeflow"]), default="ir",
    show_default=True, heading=SHOW,
    help="What to compile for: ir is what `penstock run` and `penstock node run` read; airflow "
    "is a DAG file with the pipeline beside it, for which --output is a folder; kubeflow is "
    "YAML that Kubeflow Pipelines takes.",
)  # fmt: skip
@option(
    "--runner-config", metavar="FILE", heading=SHOW,
    help="Settings of the runner, as YAML: schedule, where tasks run, ...",
)  # fmt: skip
def compile_command(
    target: str,
    settings: Any,
    configs: Any,
    output: str,
    runner: str,
    runner_config: str | None,
) -> None:
    """Compile a pipeline to JSON: its graph, parameters and the user's code.

    The graph is checked; nothing is run. The result runs on any machine that has Penstock,
    by `penstock run pipeline.json`.
    """
    from ..pipeline import Pipeline

    pipeline = load_with_settings(target, settings, configs)
    if runner == "airflow":
        from ..runners.airflow.airflow_dag_runner import AirflowDagRunner
        from ..runners.airflow.airflow_settings import load_settings

        chosen = load_settings(runner_config) if runner_config else None
        click.echo(AirflowDagRunner(chosen).compile(pipeline, "." if output == "-" else output))
        return
    if runner == "kubeflow":
        _compile_for_kubeflow(pipeline, output, runner_config)
        return
    ir = pipeline.compile() if isinstance(pipeline, Pipeline) else pipeline
    if output == "-":
        click.echo(ir.to_json(), nl=False)
    else:
        ir.save(output)


def _compile_for_kubeflow(pipeline: Any, output: str, runner_config: str | None) -> None:
    from ..runners.kubeflow.kubeflow_dag_runner import KubeflowDagRunner

    if runner_config is None:
        raise click.UsageError(
            "--runner kubeflow needs --runner-config, a YAML file that names the image and the "
            "metadata store: see docs/kubeflow.md."
        )
    path = "pipeline.yaml" if output == "-" else output
    click.echo(KubeflowDagRunner.from_file(runner_config).compile(pipeline, path, upload=True))
