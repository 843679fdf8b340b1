# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# ruff: noqa: F401, F821
"""A part of every DAG file, as text: what Penstock says of a node becomes what Airflow shows.

Nothing imports this module; the constants that it uses are written above it in the DAG file.
"""

from __future__ import annotations

# --- imports ---
import hashlib
import json
import os
import re
import shlex
import tempfile
from datetime import datetime, timedelta, timezone

try:  # Airflow 3
    from airflow.sdk import DAG, BaseOperatorLink, Param, TaskGroup

    AIRFLOW_3 = True
except ImportError:  # Airflow 2
    from airflow import DAG
    from airflow.models.baseoperatorlink import BaseOperatorLink
    from airflow.models.param import Param
    from airflow.utils.task_group import TaskGroup

    AIRFLOW_3 = False
try:  # the newest Airflow 3
    from airflow.sdk.exceptions import (
        AirflowException,
        AirflowFailException,
        AirflowSkipException,
    )
except ImportError:
    from airflow.exceptions import AirflowException, AirflowFailException, AirflowSkipException
from airflow.timetables.interval import CronDataIntervalTimetable

# --- code ---


def safe_run_id(run_id):
    """The id of the run in Penstock's store, where ids are unique and parts of paths."""
    text = f"{DAG_ID}-{run_id}"
    readable = re.sub(r"[^A-Za-z0-9_-]+", "_", text)[:110].lstrip("_-")
    return f"{readable}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def quote(value):
    """One word of a shell command, whatever was typed into the trigger form."""
    return shlex.quote(str(value))


def find_outcome(said):
    """The outcome in what `penstock node run --json` printed; None where it said none."""
    if isinstance(said, dict):
        return said if "state" in said else None
    lines = said if isinstance(said, (list, tuple)) else str(said or "").splitlines()
    for line in reversed([str(line).strip() for line in lines]):
        if line.startswith('{"node"'):
            return json.loads(line)
    return None


def error_text(outcome):
    """The error of the node itself, as Penstock tells it."""
    error = outcome["error"] or {"what": outcome["reason"]}
    places = reversed(error.get("frames") or [error.get("location")])
    rows = [("at", place) for place in places]
    rows += [("expected", error.get("expected")), ("got", error.get("got"))]
    rows += [("to mend it", error.get("fix")), ("log", outcome["log"])]
    lines = [f"  {label}: {text}" for label, text in rows if text]
    return "\n".join([f"{outcome['node']}: {error['what']}", *lines])


def conclude(task, context, outcome, failure):
    """Ends a task as its node ended; what it returns is the task's XCom."""
    ti = context["ti"]
    if outcome is None or outcome["state"] == "cancelled":
        # The process was killed, or could not start: Airflow tries as often as it may.
        why = failure or "penstock did not say how the node ended"
        raise AirflowException(f"{task.task_id}: {why} The lines above say more.")
    if outcome["state"] == "parked":
        task.log.info("%s", error_text(outcome))
        wait(task, APPROVAL_EVERY_S, "look_again")
    if outcome["state"] == "failed":
        # What the node itself does wrong is tried again as its policy says, not more often.
        attempt = ti.try_number - max(0, ti.max_tries - task.retries)
        again = attempt <= task.node_retries
        raise (AirflowException if again else AirflowFailException)(error_text(outcome))
    if outcome["state"] == "skipped":
        raise AirflowSkipException(f"{outcome['node']} is skipped: {outcome['reason']}")
    task.log.info("%s: %s: %s", outcome["node"], outcome["state"].upper(), outcome["reason"])
    told = {key: outcome[key] for key in ("node", "state", "reason", "execution", "log")}
    told["outputs"] = {}
    for name, artifacts in outcome["outputs"].items():
        uris = [artifact["uri"] for artifact in artifacts]
        told["outputs"][name] = uris
        if uris:
            ti.xcom_push(key=f"artifact {name}", value=uris[0])
            task.artifact_uri = task.artifact_uri or uris[0]
    ti.xcom_push(key="state", value=outcome["state"])
    return told


def wait(task, seconds, method, **kwargs):
    """Gives the worker back; Airflow's triggerer has the task go on with a method later."""
    try:  # Imported now, as few tasks need it; the triggerer has it, as a part of Airflow.
        from airflow.providers.standard.triggers.temporal import TimeDeltaTrigger
    except ImportError:
        from airflow.triggers.temporal import TimeDeltaTrigger
    trigger = TimeDeltaTrigger(timedelta(seconds=seconds))
    task.defer(trigger=trigger, method_name=method, kwargs=kwargs)


class Approvable:
    """A task whose node may have to wait for somebody's approval."""

    def look_again(self, context, event=None):
        """Runs the node again, which goes on if somebody has approved meanwhile."""
        return self.execute(context)


class ArtifactLink(BaseOperatorLink):
    """A button that shows a task's first artifact in a browser."""

    name = "Artifact"

    def get_link(self, operator, *, ti_key):
        """The address, once the task has run."""
        uri = getattr(operator, "artifact_uri", None)
        return ARTIFACT_LINK.replace("{uri}", uri) if uri else ""


#: Airflow 2 knows links of plugins only.
LINKS = (ArtifactLink(),) if ARTIFACT_LINK and AIRFLOW_3 else ()
