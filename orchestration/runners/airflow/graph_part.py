# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# ruff: noqa: F821
"""The part of a DAG file, as text, that makes tasks and groups of tasks."""

from __future__ import annotations

# --- imports ---
# --- code ---
GROUPS = {}
TASKS = {}


def task_group(path):
    """The group of an inner pipeline; None for the outermost."""
    if path and path not in GROUPS:
        outer, _, label = path.rpartition(".")
        GROUPS[path] = TaskGroup(label, parent_group=task_group(outer))
    return GROUPS.get(path)


def node(node_id, *, group="", after=(), **settings):
    """Adds the task of one node. Penstock itself skips what cannot run for a skipped node."""
    TASKS[node_id] = NodeTask(
        task_id=node_id[len(group) + 1 :] if group else node_id,
        task_group=task_group(group),
        **{"trigger_rule": "none_failed", **settings},
        **node_command(f"{PENSTOCK} node run --node {node_id} {RUN_NODE} --json"),
    )
    TASKS[node_id].set_upstream([TASKS[each] for each in after])


def new_data(task_id, *, reads, before, **settings):
    """Adds a sensor that lets the run begin when there is data that no run has seen."""
    only = " ".join(f"--only {each}" for each in reads)
    command = f"{PENSTOCK} plan {quote(IR)} {only} {OPTIONS} --json"
    sensor = DataSensor(task_id=task_id, mode="reschedule", **look_command(command), **settings)
    sensor.set_downstream([TASKS[each] for each in before])


def end_of_run(task_id, *, after, **settings):
    """Adds the task that ends the run in Penstock's store; it fails if the run did."""
    task = PlainTask(task_id=task_id, **plain_command(f"{PENSTOCK} node finish {RUN}"), **settings)
    task.set_upstream([TASKS[each] for each in after])
    # A teardown also runs where somebody marks the run as failed.
    task.as_teardown(on_failure_fail_dagrun=True)
