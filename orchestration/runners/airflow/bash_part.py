# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# ruff: noqa: F821
"""The part of a DAG file, as text, by which tasks are processes on Airflow's workers."""

from __future__ import annotations

# --- imports ---
try:  # Airflow 3, or Airflow 2 with the standard provider
    from airflow.providers.standard.operators.bash import BashOperator
    from airflow.providers.standard.sensors.bash import BashSensor
except ImportError:
    from airflow.operators.bash import BashOperator
    from airflow.sensors.bash import BashSensor

# --- code ---


class NodeTask(Approvable, BashOperator):
    """Runs one node by `penstock node run`, in Penstock's own environment."""

    operator_extra_links = LINKS

    def __init__(self, *, node_retries=0, **settings):
        super().__init__(**settings)
        self.node_retries = node_retries
        self.artifact_uri = None

    def execute(self, context):
        """Waits for the process, then ends as the node ended."""
        failure = None
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "outcome.json")
            self.env = {**(self.env or {}), "PENSTOCK_OUTCOME": path}
            try:
                super().execute(context)
            except AirflowException as error:
                failure = error
            said = None
            if os.path.exists(path):
                with open(path, encoding="utf-8") as file:
                    said = file.read()
        return conclude(self, context, find_outcome(said), failure)


class DataSensor(BashSensor):
    """Looks for data that no run has seen; holds no worker between two looks."""

    def __init__(self, *, deferrable=False, **settings):
        super().__init__(**settings)
        self.deferrable = deferrable

    def execute(self, context):
        """Looks until there is data: again and again by the scheduler, or by the triggerer."""
        return self.look(context) if self.deferrable else super().execute(context)

    def look(self, context, event=None, since=None):
        """Looks once; without news, has the triggerer wait until the next look."""
        since = since or datetime.now(timezone.utc).timestamp()
        if self.poke(context):
            return
        if datetime.now(timezone.utc).timestamp() - since > self.timeout:
            raise AirflowFailException(f"no new data within {self.timeout:g} seconds")
        wait(self, self.poke_interval, "look", since=since)

    def poke(self, context):
        """Whether there is any. What `penstock plan` complains of is in the log."""
        self.env = {**os.environ, **(self.env or {})}
        return super().poke(context)


def look_command(command):
    """The arguments by which the sensor looks: a plan has something to run, or has not."""
    looked = f'{command} | grep \'"action": "run"\''
    folder = PLACE.get("cwd")
    return {"bash_command": f"cd {quote(folder)} && {looked}" if folder else looked, "env": ENV}


def node_command(command):
    """The arguments by which an operator runs a node; its outcome goes to a file."""
    return plain_command(f'{command} --with-parent > "${{PENSTOCK_OUTCOME:-/dev/stdout}}"')


def plain_command(command):
    """The arguments by which an operator runs any command."""
    return {"bash_command": command, "env": ENV, "append_env": True, **PLACE}


PlainTask = BashOperator
