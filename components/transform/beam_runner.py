# SPDX-License-Identifier: Apache-2.0
"""Which Beam runner an analysis uses, and with which options."""

from __future__ import annotations

from collections.abc import Sequence

from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions

#: Runs a pipeline inside this process, without a server and without starting others.
IN_PROCESS = "FnApiRunner"
#: The same at half the speed, for what the other cannot run (see `is_stuck`).
IN_PROCESS_FALLBACK = "BundleBasedDirectRunner"

_LOCAL = frozenset({"directrunner", "fnapirunner", "switchingdirectrunner"})


def pipeline_options(
    beam_pipeline_args: Sequence[str], in_process: str = IN_PROCESS
) -> PipelineOptions:
    """Options for a pipeline, in this process unless `--runner` says otherwise.

    Beam's `DirectRunner` first tries to start a server of its own, which it may have to
    download; what it falls back to is named here directly.

    Args:
        beam_pipeline_args: Flags of the pipeline.
        in_process: The runner that stands for a local one.
    """
    options = PipelineOptions(list(beam_pipeline_args))
    standard = options.view_as(StandardOptions)
    if standard.runner is None or standard.runner.rpartition(".")[2].lower() in _LOCAL:
        standard.runner = in_process
    return options


def is_stuck(error: BaseException) -> bool:
    """Whether `FnApiRunner` gave up on a pipeline that others can run.

    Since Beam 2.39 it waits for itself where side inputs depend on each other over three
    stages (https://github.com/apache/beam/issues/26190), as three analyzers do of which
    each needs the result of the one before.
    """
    return isinstance(error, AssertionError) and "bundles did not execute" in str(error)


def runs_here(beam_pipeline_args: Sequence[str]) -> bool:
    """Whether pipelines with these flags run in this process (see `is_in_process`)."""
    # Without flags it is known, and parsing them takes Beam a tenth of a second.
    return not beam_pipeline_args or is_in_process(pipeline_options(beam_pipeline_args))


def is_in_process(options: PipelineOptions) -> bool:
    """Whether the pipeline's functions run in this process, so that it can share objects."""
    mode = options.get_all_options().get("direct_running_mode") or "in_memory"
    runner = options.view_as(StandardOptions).runner
    return runner in (IN_PROCESS, IN_PROCESS_FALLBACK) and mode != "multi_processing"
