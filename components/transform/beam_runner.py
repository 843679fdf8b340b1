# SPDX-License-Identifier: Apache-2.0
"""Which Beam runner an analysis uses, and with which options."""

from __future__ import annotations

from collections.abc import Sequence

from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions

#: Runs a pipeline inside this process, without a server and without starting others.
IN_PROCESS = "FnApiRunner"

_LOCAL = frozenset({"directrunner", "fnapirunner", "switchingdirectrunner"})


def pipeline_options(beam_pipeline_args: Sequence[str]) -> PipelineOptions:
    """Options for a pipeline, in this process unless `--runner` says otherwise.

    Beam's `DirectRunner` first tries to start a server of its own, which it may have to
    download; what it falls back to is named here directly.
    """
    options = PipelineOptions(list(beam_pipeline_args))
    standard = options.view_as(StandardOptions)
    if standard.runner is None or standard.runner.rpartition(".")[2].lower() in _LOCAL:
        standard.runner = IN_PROCESS
    return options


def is_in_process(options: PipelineOptions) -> bool:
    """Whether the pipeline's functions run in this process, so that it can share objects."""
    mode = options.get_all_options().get("direct_running_mode") or "in_memory"
    return options.view_as(StandardOptions).runner == IN_PROCESS and mode != "multi_processing"
