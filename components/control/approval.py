# SPDX-License-Identifier: Apache-2.0
"""Approval: a gate that a person opens."""

from __future__ import annotations

from ..base.annotations import OptionalInput, Output, Parameter, output
from ..base.artifact_types import (
    ApprovalRecord,
    ExampleAnomalies,
    Examples,
    ExampleStatistics,
    InfraBlessing,
    Model,
    ModelBlessing,
    ModelEvaluation,
    Schema,
)
from ..base.component import Component


class Approval(Component):
    """Waits until somebody has approved what it is shown.

    The run parks there: nodes that need the approval are not run, no process waits, and the
    command line shows what to type. `penstock approve RUN NODE` records the decision and the
    run goes on; `penstock reject RUN NODE` makes the node refuse. A decision holds for exactly
    the content that was shown: a later run that brings the same, digest by digest, is not
    asked again::

        approval = Approval(
            model=trainer.outputs["model"], evaluation=evaluator.outputs["evaluation"]
        )
        Pusher(model=trainer.outputs["model"], approval=approval.outputs["approval"], ...)

    Any other node can be made to wait for it by `node.add_upstream_node(approval)`.

    Args:
        model: The model to decide on.
        evaluation: How good it is.
        model_blessing: The Evaluator's verdict on it. Without a blessing nobody is asked: the
            node refuses.
        infra_blessing: The verdict on whether it can be served. The same holds.
        examples: Data to decide on.
        statistics: Their statistics.
        schema: A schema to decide on.
        anomalies: What is wrong with the data.
        approvers: Who may decide; anybody by default. Names are taken at their word: whoever
            can write the metadata store can decide.
        instructions: What to look at, shown to whoever decides.

    Outputs:
        approval: Who approved, when, and what they noted.
    """

    kind = "approval"
    executor = "penstock.components.control.approval_executor:ApprovalExecutor"

    model: OptionalInput[Model] = None
    evaluation: OptionalInput[ModelEvaluation] = None
    model_blessing: OptionalInput[ModelBlessing] = None
    infra_blessing: OptionalInput[InfraBlessing] = None
    examples: OptionalInput[Examples] = None
    statistics: OptionalInput[ExampleStatistics] = None
    schema: OptionalInput[Schema] = None
    anomalies: OptionalInput[ExampleAnomalies] = None
    approvers: Parameter[list[str]] = []
    instructions: Parameter[str] = ""
    approval: Output[ApprovalRecord] = output()
