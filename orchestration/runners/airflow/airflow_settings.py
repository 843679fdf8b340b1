# SPDX-License-Identifier: Apache-2.0
"""How a pipeline stands in Airflow: its schedule, where its tasks run, and their settings."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from ....utils import storage
from ....utils.errors import ParameterError, nearest
from ....utils.plain_yaml import read_yaml

#: What Airflow accepts as the id of a DAG.
_DAG_ID = re.compile(r"[A-Za-z0-9_.-]{1,200}\Z")

#: Schedules that are not cron expressions, and have no data interval of their own.
WITHOUT_INTERVAL = frozenset({"@once", "@continuous"})


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TaskSettings(_Settings):
    """Where Airflow queues a task. What is not set is Airflow's default."""

    pool: str | None = None
    pool_slots: Annotated[int, Field(ge=1)] | None = None
    queue: str | None = None
    priority_weight: int | None = None
    weight_rule: Literal["downstream", "upstream", "absolute"] | None = None


class BashTasks(_Settings):
    """Tasks are processes on Airflow's workers, in an environment of their own.

    Attributes:
        folder: Where they work, from which relative paths are seen. By default the folder in
            which the pipeline is compiled; where `penstock` is set, Airflow's temporary folder.
    """

    kind: Literal["bash"] = "bash"
    folder: str | None = None


class DockerTasks(_Settings):
    """Tasks are containers; needs `apache-airflow-providers-docker` beside Airflow.

    Attributes:
        image: The image, which holds Penstock and what the pipeline needs.
        mounts: Folders of the Docker host by the path at which containers see them: the
            pipeline's root, its data.
        network_mode: Docker's network.
        docker_url: Where Docker listens.
        gpus: Whether containers of nodes that declare GPUs get them.
    """

    kind: Literal["docker"] = "docker"
    image: str
    mounts: dict[str, str] = Field(default_factory=dict)
    network_mode: str | None = None
    docker_url: str | None = None
    gpus: bool = True


class KubernetesTasks(_Settings):
    """Tasks are pods; needs `apache-airflow-providers-cncf-kubernetes` beside Airflow.

    Attributes:
        image: The image, which holds Penstock, what the pipeline needs, and `sh`.
        namespace: Where the pods are made.
        service_account_name: As whom they run.
        image_pull_policy: When the image is pulled.
        kubernetes_conn_id: The connection to the cluster; by default the one that Airflow
            itself runs in.
        env_from_secrets: Secrets whose keys become environment variables.
        volume_claims: Persistent volume claims by the path at which pods see them.
        node_selector: Labels of the machines that may run them.
        tolerations: Taints that they tolerate, as in a pod's manifest.
    """

    kind: Literal["kubernetes"] = "kubernetes"
    image: str
    namespace: str = "default"
    service_account_name: str | None = None
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] | None = None
    kubernetes_conn_id: str | None = None
    env_from_secrets: list[str] = Field(default_factory=list)
    volume_claims: dict[str, str] = Field(default_factory=dict)
    node_selector: dict[str, str] = Field(default_factory=dict)
    tolerations: list[dict[str, Any]] = Field(default_factory=list)


class WaitForData(_Settings):
    """A first task that waits until `penstock plan` finds new input data.

    It is looked for by a sensor that takes no worker between two looks: in reschedule mode, or
    deferred to Airflow's triggerer.

    Attributes:
        nodes: The nodes that read the data; by default those that read files and follow no
            other node.
        every_s: Seconds between two looks.
        timeout_s: After so many seconds the run fails.
        deferrable: Whether the triggerer, which then has to be running, waits for the next
            look instead of the scheduler.
    """

    nodes: list[str] = Field(default_factory=list)
    every_s: Annotated[float, Field(gt=0)] = 300.0
    timeout_s: Annotated[float, Field(gt=0)] = 7 * 24 * 3600.0
    deferrable: bool = False


class AirflowSettings(_Settings):
    """How a pipeline stands in Airflow.

    Attributes:
        dag_id: Id of the DAG, and name of its file; by default the pipeline's name.
        schedule: A cron expression or a preset such as `@daily`; None for a DAG that is only
            triggered. Each run covers the interval between two of its moments.
        timezone: Time zone of the schedule, and of dates without one.
        start_date: Begin of the first interval; must be set where there is a schedule.
        end_date: No interval begins after it.
        catchup: Whether intervals that passed unobserved are run too, one after the other.
        max_active_runs: How many runs may be under way at once.
        max_active_tasks: How many tasks of a run may be.
        interval_parameters: Runtime parameters that a run takes from its data interval, as
            Jinja templates: `{"month": "{{ data_interval_start.strftime('%Y-%m') }}"}`.
            Somebody who triggers a run may still give another value.
        tasks_run_in: Where tasks run: `BashTasks`, `DockerTasks` or `KubernetesTasks`.
        penstock: The command that starts Penstock there; by default, for Bash, the one of
            the environment that compiles.
        ir: File or URL where tasks read the compiled pipeline; by default it lies beside
            the DAG file. Has to be set for Kubernetes.
        root: Replaces the pipeline's root.
        metadata: Replaces the pipeline's metadata store.
        env: Environment variables of the tasks; Jinja templates, so that Airflow's
            connections and variables may serve: `{"PGPASSWORD": "{{ conn.ml.password }}"}`.
        cache: Replaces every node's cache policy.
        retries_when_killed: How often a node whose process was killed is tried again at
            least. Failures of the node itself are tried again as its policy says.
        wait_for_data: Lets a run wait for new input data.
        approval_every_s: Seconds between two looks whether somebody has approved what a node
            waits for; Airflow's triggerer, which then has to be running, waits meanwhile.
        artifact_link: Where a browser shows an artifact, with `{uri}` in place of its URI.
            Tasks get a button in Airflow 3.
        owner: Whom Airflow shows as the owner.
        tags: Tags of the DAG.
        task: Settings of all tasks.
        tasks: Settings of single tasks, by node id.
    """

    dag_id: str | None = None
    schedule: str | None = None
    timezone: str = "UTC"
    start_date: datetime | None = None
    end_date: datetime | None = None
    catchup: bool = False
    max_active_runs: Annotated[int, Field(ge=1)] = 1
    max_active_tasks: Annotated[int, Field(ge=1)] | None = None
    interval_parameters: dict[str, str] = Field(default_factory=dict)
    tasks_run_in: Annotated[
        BashTasks | DockerTasks | KubernetesTasks, Field(discriminator="kind")
    ] = BashTasks()
    penstock: str | None = None
    ir: str | None = None
    root: str | None = None
    metadata: str | None = None
    env: dict[str, str] = Field(default_factory=dict)
    cache: Literal["on", "off", "read_only"] | None = None
    retries_when_killed: Annotated[int, Field(ge=0)] = 1
    wait_for_data: WaitForData | None = None
    approval_every_s: Annotated[float, Field(gt=0)] = 60.0
    artifact_link: str | None = None
    owner: str = "penstock"
    tags: list[str] = Field(default_factory=lambda: ["penstock"])
    task: TaskSettings = TaskSettings()
    tasks: dict[str, TaskSettings] = Field(default_factory=dict)

    @field_validator("dag_id")
    @classmethod
    def _check_dag_id(cls, value: str | None) -> str | None:
        if value is not None and not _DAG_ID.match(value):
            raise ValueError("letters, digits, '_', '-' and '.' only")
        return value

    @field_validator("timezone")
    @classmethod
    def _check_timezone(cls, value: str) -> str:
        _zone(value)
        return value

    def moment(self, value: datetime) -> str:
        """A date of the settings in UTC; without a zone of its own it is of `timezone`."""
        told = value if value.tzinfo else value.replace(tzinfo=_zone(self.timezone))
        return told.astimezone(timezone.utc).isoformat()

    def of_task(self, node_id: str) -> dict[str, Any]:
        """The settings of one task that are not Airflow's defaults."""
        own = self.tasks.get(node_id, TaskSettings())
        return {
            **self.task.model_dump(exclude_none=True),
            **own.model_dump(exclude_none=True),
        }


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("there is no such time zone; for instance: Europe/Berlin") from None


def read_settings(
    raw: Any, *, source: str = "the settings of the Airflow runner"
) -> AirflowSettings:
    """Settings from plain data.

    Raises:
        ParameterError: They are not acceptable.
    """
    if isinstance(raw, AirflowSettings):
        return raw
    try:
        return AirflowSettings.model_validate(raw or {})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "they"
        known = list(AirflowSettings.model_fields)
        unknown = first["type"] == "extra_forbidden" and len(first["loc"]) == 1
        raise ParameterError(
            f"{source}: there is no setting {where!r}"
            if unknown
            else f"{source}: {where}: {first['msg']}",
            expected="one of " + ", ".join(known) if unknown else None,
            got=repr(first.get("input"))[:200],
            suggestion=nearest(where, known) if unknown else None,
        ) from None


def load_settings(path: str) -> AirflowSettings:
    """Settings from a YAML file.

    Raises:
        StorageError: It cannot be read.
        ParameterError: It is not acceptable.
    """
    return read_settings(read_yaml(storage.read_text(path), source=path), source=path)
