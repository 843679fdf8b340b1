# SPDX-License-Identifier: Apache-2.0
"""What Penstock says when something is wrong.

Every error a user can cause derives from :class:`PenstockError` and carries the
parts a reader needs to mend it, so that a terminal, a notebook and an outside
engine can each lay them out in their own way.

    PenstockError
    ├── WiringError       a component was built with arguments that do not fit
    ├── GraphError        a pipeline does not compile
    ├── ParameterError    a parameter's value or override is not acceptable
    ├── IRError           a compiled pipeline cannot be read
    ├── CodeError         user code cannot be found, read or loaded
    ├── StorageError      a file or folder cannot be read or written
    ├── MetadataError     the metadata store cannot be reached, or lacks a record
    ├── FingerprintError  something that must be hashed cannot be
    ├── DataError         input data is not what it should be
    ├── GateError         a gate (validation, blessing) refused to let something pass
    ├── ApprovalPending   a node waits for somebody's decision
    └── ExecutionError    a node failed while running
        ├── UserCodeError     in code that the user wrote
        ├── NodeTimeout       by running longer than it may
        ├── WorkerDied        because its process ended
        └── Cancelled         because the run was told to stop
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar


def nearest(name: str, candidates: Iterable[str]) -> str | None:
    """The candidate most like `name`, or None where none is close."""
    # Imported here, because every start of the command line would wait for it.
    import difflib

    pool = list(candidates)
    lowered = {candidate.lower(): candidate for candidate in pool}
    found = difflib.get_close_matches(name.lower(), list(lowered), n=1, cutoff=0.6)
    return lowered[found[0]] if found else None


class PenstockError(Exception):
    """An error whose message says what, where and how to mend it.

    Args:
        what: One sentence, without a full stop, that states the problem.
        node: Id of the node concerned, if any.
        expected: What would have been acceptable.
        got: What was there instead.
        suggestion: The nearest acceptable name, shown as "did you mean".
        location: `file:line` where the user wrote it.
        fix: The command or change that mends it.
    """

    #: Lines that a notebook shows of an error; a notebook's own modules put a better one here.
    cell_lines: ClassVar[Callable[[PenstockError], list[str]]] = staticmethod(
        lambda error: [f"{type(error).__name__}: {error}"]
    )

    def __init__(
        self,
        what: str,
        *,
        node: str | None = None,
        expected: object = None,
        got: object = None,
        suggestion: str | None = None,
        location: str | None = None,
        fix: str | None = None,
    ) -> None:
        self.what = what
        self.node = node
        self.expected = None if expected is None else str(expected)
        self.got = None if got is None else str(got)
        self.suggestion = suggestion
        self.location = location
        self.fix = fix
        super().__init__(what)

    def __str__(self) -> str:
        head = f"{self.node}: {self.what}" if self.node else self.what
        rows = [
            ("expected", self.expected),
            ("got", self.got),
            ("did you mean", self.suggestion),
            ("at", self.location),
            ("to mend it", self.fix),
        ]
        lines = [f"  {label + ':':<14}{text}" for label, text in rows if text]
        return "\n".join([head, *lines])

    def _render_traceback_(self) -> list[str]:
        """What IPython shows of the error in a notebook: what to mend, not our own lines."""
        return PenstockError.cell_lines(self)

    def to_dict(self) -> dict[str, str]:
        """The parts that are set, by name, with the error's class as `kind`."""
        parts = {
            "kind": type(self).__name__,
            "what": self.what,
            "node": self.node,
            "expected": self.expected,
            "got": self.got,
            "suggestion": self.suggestion,
            "location": self.location,
            "fix": self.fix,
        }
        return {key: value for key, value in parts.items() if value is not None}

    def __reduce__(self) -> tuple[Any, ...]:
        # Errors cross process boundaries; the default would lose the keyword parts.
        return (_rebuild, (type(self), self.__dict__))


def _rebuild(kind: type[PenstockError], state: dict[str, Any]) -> PenstockError:
    error = kind.__new__(kind)
    error.__dict__.update(state)
    error.args = (state["what"],)
    return error


class WiringError(PenstockError):
    """A component was built with arguments that do not fit its declaration."""


class GraphError(PenstockError):
    """A pipeline does not compile."""


class ParameterError(PenstockError):
    """A parameter's value, or an override of it, is not acceptable."""


class IRError(PenstockError):
    """A compiled pipeline cannot be read or is not valid."""


class CodeError(PenstockError):
    """User code cannot be found, read or loaded."""


class StorageError(PenstockError):
    """A file or folder cannot be read or written."""


class MetadataError(PenstockError):
    """The metadata store cannot be reached, or does not hold what was asked for."""


class FingerprintError(PenstockError):
    """Something that takes part in a cache key cannot be hashed."""


class DataError(PenstockError):
    """Input data is not what it should be."""


class GateError(PenstockError):
    """A gate refused to let an artifact pass."""


class ApprovalPending(PenstockError):
    """A node waits for somebody's decision, and nothing waits for the node meanwhile."""


class ExecutionError(PenstockError):
    """A node failed while running."""


class UserCodeError(ExecutionError):
    """Code that the user wrote raised.

    `frames` lists the traceback's entries in user code as `file:line in function`.
    """

    def __init__(self, what: str, *, frames: Iterable[str] = (), **parts: Any) -> None:
        super().__init__(what, **parts)
        self.frames = tuple(frames)

    def __str__(self) -> str:
        text = super().__str__()
        if not self.frames:
            return text
        return "\n".join([text, "  in your code:", *(f"    {frame}" for frame in self.frames)])


class NodeTimeout(ExecutionError):
    """A node ran longer than its timeout."""


class WorkerDied(ExecutionError):
    """The process that ran a node ended without an answer."""


class Cancelled(ExecutionError):
    """The run was told to stop."""
