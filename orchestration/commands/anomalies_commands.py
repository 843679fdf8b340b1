# SPDX-License-Identifier: Apache-2.0
"""Commands that show what validations found."""

from __future__ import annotations

import contextlib
import io
import os
from typing import TYPE_CHECKING

import click

from .output import heading, print_table
from .program import HelpfulGroup
from .shared_options import SHOW, json_option, option
from .store_option import store_option

if TYPE_CHECKING:
    from ...components.validate.anomaly_report import AnomalyReport
    from ..metadata.records import ExecutionRecord
    from ..metadata.store import MetadataStore

_HEADINGS = ("severity", "split", "feature", "anomaly", "description")


@click.group("anomalies", cls=HelpfulGroup)
def anomalies_group() -> None:
    """Look at what validations found in the data."""


@anomalies_group.command(
    "show",
    examples=[
        ("anomalies show", "the newest that were recorded"),
        ("anomalies show 12 --html report.html", "those of an artifact, as a page with charts"),
        ("anomalies show last", "those that stopped the newest run"),
    ],
)
@click.argument("which", metavar="[ARTIFACT|RUN]", default="ExampleAnomalies")
@option("--html", metavar="FILE", heading=SHOW, help="Write a page with the distributions.")
@option("--png", metavar="FILE", heading=SHOW, help="Draw the distributions (needs matplotlib).")
@store_option
@json_option
def anomalies_show(
    which: str, html: str | None, png: str | None, metadata: str | None, as_json: bool
) -> None:
    """Show anomalies as a table, and the distributions that have some as charts.

    ARTIFACT is an id, a URI or a type (the newest of it). RUN is a run's id or `last`: where
    a validation stopped it, nothing was recorded, and the validation is done once more.
    """
    from .record_lookup import open_store

    with open_store(metadata) as store:
        report = _report(store, which)
    if as_json:
        click.echo(report.to_json())
    else:
        from ...components.validate.anomaly_table import headline, table_rows

        click.echo(heading(report.title))
        click.echo(headline(report.anomalies))
        if report.anomalies:
            click.echo()
            print_table(_HEADINGS, table_rows(report.anomalies))
    if html:
        from ...components.validate.report_html import render_html

        with open(html, "w", encoding="utf-8") as file:
            file.write(render_html(report))
    if png:
        from ...components.validate.report_png import write_png

        write_png(report, png)
    for path in (html, png):
        if path:
            click.echo(f"written: {os.path.abspath(path)}", err=True)


def _report(store: MetadataStore, which: str) -> AnomalyReport:
    from ...components.validate.anomaly_report import read_report
    from ...utils.errors import MetadataError
    from .record_lookup import find_artifact, find_run

    try:
        artifact = None if which == "last" else find_artifact(store, which).artifact
    except MetadataError:
        artifact = None
        if which.isdecimal() or os.sep in which or which == "ExampleAnomalies":
            raise
    if artifact is not None:
        return read_report(artifact)
    run = find_run(store, which)
    executions = store.run_executions(run.id, with_artifacts=True)
    for execution in reversed(executions):
        if execution.state.value == "failed" and is_validation(execution):
            return validate_again(execution)
    for execution in reversed(executions):
        if execution.outputs.get("anomalies"):
            return read_report(execution.outputs["anomalies"][0])
    raise MetadataError(
        f"run {run.id} validated no data",
        expected="a run in which an ExampleValidator or a DistributionValidator worked",
        got=", ".join(dict.fromkeys(each.node_id for each in executions)) or "no nodes",
    )


def is_validation(execution: ExecutionRecord) -> bool:
    """Whether an execution is one of a node that validates data."""
    return execution.type_name.endswith((".ExampleValidator", ".DistributionValidator"))


def validate_again(execution: ExecutionRecord) -> AnomalyReport:
    """What a validation finds that stopped a run: from the same inputs, this time to look."""
    import tempfile

    from ...components.base.artifact_types import ExampleAnomalies
    from ...components.base.executor import Task
    from ...components.validate.anomaly_report import read_report
    from ...components.validate.distribution_validator import DistributionValidator
    from ...components.validate.example_validator import ExampleValidator
    from ...utils.module_loading import load_object
    from ...utils.quiet_loading import quiet_loading

    component = next(
        each
        for each in (ExampleValidator, DistributionValidator)
        if each.type_name == execution.type_name
    )
    with tempfile.TemporaryDirectory() as folder:
        made = ExampleAnomalies(folder)
        task = Task(
            inputs=execution.inputs,
            outputs={"anomalies": [made]},
            parameters={**execution.parameters, "fail_on": "never"},
            node_id=execution.node_id,
            run_id=execution.run_id,
            work_dir=folder,
        )
        # What a validation logs is going to be shown.
        with quiet_loading(), contextlib.redirect_stderr(io.StringIO()):
            load_object(component.executor)().execute(task)
        return read_report(made)
