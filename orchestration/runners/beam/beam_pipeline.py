# SPDX-License-Identifier: Apache-2.0
"""A Beam pipeline under way, in a thread of its own, so that whoever waits can be woken."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Sequence
from typing import Any

from ....utils.logs import get_logger
from ....utils.quiet_loading import quiet_loading

_log = get_logger(__name__)


class BeamPipeline:
    """Builds a Beam pipeline, runs it and waits for it, all in the background.

    Some of Beam's runners work within the call that submits a pipeline, others elsewhere; and
    none of them can be interrupted in any other way than by its own means.

    Args:
        args: Flags of the pipeline.
        add_steps: Adds its steps.

    Attributes:
        error: What went wrong with it.
    """

    def __init__(self, args: Sequence[str], add_steps: Callable[[Any], None]) -> None:
        self.error: Exception | None = None
        self._args = list(args)
        self._add_steps = add_steps
        self._submitted: Any = None
        # Not waited for when this process ends: nothing here has to be saved.
        self._thread = threading.Thread(target=self._run, name="beam pipeline", daemon=True)

    def start(self) -> None:
        """Starts it; returns at once."""
        self._thread.start()

    def wait(self, seconds: float) -> bool:
        """Waits for its end for some time; whether it has ended."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def cancel(self) -> None:
        """Asks the Beam runner to end it, where that can be asked."""
        if self._submitted is not None:
            # A runner may not know how, and the pipeline may have ended meanwhile.
            with contextlib.suppress(Exception):
                self._submitted.cancel()

    def _run(self) -> None:
        try:
            with quiet_loading():
                import apache_beam as beam

            from ....components.transform.beam_runner import pipeline_options

            options = pipeline_options(self._args)
            _log.info("runs on Beam's %s", options.get_all_options()["runner"])
            pipeline = beam.Pipeline(options=options)
            self._add_steps(pipeline)
            self._submitted = pipeline.run()
            self._submitted.wait_until_finish()
        except Exception as error:
            self.error = error
