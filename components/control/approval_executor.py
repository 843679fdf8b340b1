# SPDX-License-Identifier: Apache-2.0
"""Writes down who approved; runs only once somebody has."""

from __future__ import annotations

import json

from ...utils import storage
from ..base.artifact import PropertyValue
from ..base.artifact_types import ApprovalRecord
from ..base.executor import Task

#: The parameter in which the launcher hands over what was decided.
DECISION = "decision"


class ApprovalExecutor:
    """Executor of `Approval`."""

    def execute(self, task: Task) -> dict[str, PropertyValue]:
        """Writes `approval.json`, and says the same in properties."""
        told = task.parameter(DECISION, dict[str, str])
        kept = {name: told[name] for name in ("by", "note", "decided_at")}
        record = task.output("approval", ApprovalRecord)
        storage.write_text_atomic(
            storage.join(record.uri, "approval.json"), json.dumps(kept, indent=2) + "\n"
        )
        record.custom_properties.update(kept)
        return dict(kept)
