# SPDX-License-Identifier: Apache-2.0
r"""Records that are left out, kept as lines of JSON with the place and the reason.

    {"file": …, "line": 7, "reason": "too_few_cells", "detail": "2 cells instead of 3",
     "raw": "1,2"}

`raw` is the text as it stood in the file, without its line end; bytes that are no text of
the file's encoding are written `\xNN`.
"""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType

from typing_extensions import Self

from ..base.artifact_types import RejectedExamples

#: Name of the one file of the artifact.
REJECTED_FILE = "rejected-00000-of-00001.jsonl"
#: Custom properties of the artifact.
REJECTED_ROWS = "rows"
REJECTED_REASONS = "reasons"


@dataclass(frozen=True)
class RejectedRow:
    """One record that was left out.

    Attributes:
        line: Number of the line at which it begins (of the record where files have no
            lines), from 1.
        reason: One word for the kind of fault.
        detail: What exactly is wrong.
        raw: The record as it stood in the file.
    """

    line: int
    reason: str
    detail: str
    raw: str


@dataclass(frozen=True)
class Rejects:
    """The rejected records of one source file.

    Attributes:
        path: File with their lines of JSON; empty where there are none.
        reasons: How many there are of each reason.
    """

    path: str = ""
    reasons: dict[str, int] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """How many there are."""
        return sum(self.reasons.values())


class RejectWriter:
    """Writes the rejected records of one source file. Use as a context manager.

    Args:
        path: The file to write.
        source: The source file, as its users know it.
    """

    def __init__(self, path: str, source: str) -> None:
        self._path = path
        self._source = source
        self._file = open(path, "w", encoding="utf-8")  # noqa: SIM115 - closed on exit
        self._reasons: Counter[str] = Counter()

    def write(self, row: RejectedRow) -> None:
        """Appends one."""
        self._reasons[row.reason] += 1
        document = {
            "file": self._source,
            "line": row.line,
            "reason": row.reason,
            "detail": row.detail,
            "raw": row.raw,
        }
        self._file.write(json.dumps(document, ensure_ascii=False) + "\n")

    @property
    def rejects(self) -> Rejects:
        """What was written."""
        reasons = dict(sorted(self._reasons.items()))
        return Rejects(self._path, reasons) if reasons else Rejects()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()


def write_rejects(artifact: RejectedExamples, rejects: Sequence[Rejects]) -> int:
    """Puts the rejected records of all files together, in order; returns their number."""
    reasons: Counter[str] = Counter()
    with open(os.path.join(artifact.uri, REJECTED_FILE), "wb") as target:
        for part in rejects:
            reasons.update(part.reasons)
            if part.path:
                with open(part.path, "rb") as source:
                    shutil.copyfileobj(source, target, 1 << 20)
    rows = sum(reasons.values())
    artifact.custom_properties[REJECTED_ROWS] = rows
    artifact.custom_properties[REJECTED_REASONS] = json.dumps(dict(sorted(reasons.items())))
    return rows
