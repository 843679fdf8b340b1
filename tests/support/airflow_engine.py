# SPDX-License-Identifier: Apache-2.0
"""Real Airflow in environments of its own, with everything on loopback and below one folder."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]

#: States in which a DAG run stays.
_ENDED = ("success", "failed")


def environment(release: str) -> Path:
    """An environment with Airflow 3 or 2, made beside `.venv` where it is missing.

    Skips the test where the environment cannot be made here, with what the script says.
    """
    folder = CHECKOUT / f".venv-airflow-{release}"
    python = next((found for found in map(shutil.which, ("python3.11",)) if found), "python3.11")
    made = subprocess.run(
        ["/bin/sh", str(CHECKOUT / "constraints" / "airflow.sh"), str(folder), release, python],
        capture_output=True,
        text=True,
    )
    if made.returncode != 0:
        said = made.stderr.strip().splitlines() or ["it did not say why"]
        pytest.skip(f"no environment with Airflow {release}: {said[-1]}")
    return folder


class AirflowHome:
    """Airflow's files below one folder, and its command line.

    Args:
        venv: An environment with Airflow.
        folder: Where everything is kept.
    """

    def __init__(self, venv: Path, folder: Path) -> None:
        self.venv, self.folder = venv, folder
        self.dags = folder / "dags"
        self.dags.mkdir(parents=True)
        kept = ("PATH", "HOME", "LANG", "TMPDIR")
        self.environ = {name: os.environ[name] for name in kept if name in os.environ}
        self.environ |= {
            "AIRFLOW_HOME": str(folder),
            "AIRFLOW__CORE__DAGS_FOLDER": str(self.dags),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{folder / 'airflow.db'}",
        }

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Runs `airflow …` and waits for it."""
        return self.run(str(self.venv / "bin" / "airflow"), *words)

    def python(self, script: str, *words: str) -> str:
        """What a script prints that runs in Airflow's environment."""
        done = self.run(str(self.venv / "bin" / "python"), "-c", script, *words)
        assert done.returncode == 0, done.stderr[-4000:]
        return done.stdout

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Runs a program with Airflow's settings."""
        return subprocess.run(
            words, env=self.environ, cwd=self.folder, capture_output=True, text=True, timeout=600
        )


class AirflowServer(AirflowHome):
    """Airflow 3 running: API server, scheduler with LocalExecutor, DAG processor; SQLite."""

    def __init__(self, venv: Path, folder: Path) -> None:
        super().__init__(venv, folder)
        self.port = _free_port()
        url = f"http://127.0.0.1:{self.port}"
        passwords = folder / "passwords.json"
        passwords.write_text(json.dumps({"admin": "for the test"}))
        self.environ |= {
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__PARALLELISM": "4",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(self.port),
            "AIRFLOW__API__BASE_URL": url,
            "AIRFLOW__API__SECRET_KEY": "for-the-test-only-and-long-enough-for-a-key",
            "AIRFLOW__API_AUTH__JWT_SECRET": "for-the-test-only-and-long-enough-for-a-key",
            "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "1",
            "AIRFLOW__DAG_PROCESSOR__BUNDLE_REFRESH_CHECK_INTERVAL": "1",
            "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.2",
            # What is written by a task whose process is gone is given up after so long.
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "15",
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "2",
            "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        }
        self._processes: list[subprocess.Popen[bytes]] = []
        self._token = ""

    @contextlib.contextmanager
    def running(self) -> Iterator[AirflowServer]:
        """Starts everything, and stops it by process id."""
        try:
            self._start()
            yield self
        finally:
            self._stop()

    def _start(self) -> None:
        made = self.command("db", "migrate")
        assert made.returncode == 0, made.stderr[-4000:]
        for words in (
            ["api-server", "--workers", "1"],
            ["scheduler", "--skip-serve-logs"],
            ["dag-processor"],
        ):
            log = open(self.folder / f"{words[0]}.log", "wb")  # noqa: SIM115
            with log:
                self._processes.append(
                    subprocess.Popen(
                        [str(self.venv / "bin" / "airflow"), *words],
                        env=self.environ,
                        cwd=self.folder,
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=log,
                        start_new_session=True,
                    )
                )
        self.wait_for(self._answers, "the API server answers", 120)
        told = self._request(
            "POST", "/auth/token", {"username": "admin", "password": "for the test"}
        )
        self._token = told["access_token"]

    @contextlib.contextmanager
    def triggerer(self) -> Iterator[None]:
        """Airflow's triggerer, for as long as a test needs it."""
        with open(self.folder / "triggerer.log", "wb") as log:
            process = subprocess.Popen(
                [str(self.venv / "bin" / "airflow"), "triggerer", "--skip-serve-logs"],
                env=self.environ, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, start_new_session=True,
            )  # fmt: skip
        try:
            yield
        finally:
            for sent in (signal.SIGTERM, signal.SIGKILL):
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, sent)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(20)

    def _answers(self) -> bool:
        for process in self._processes:
            assert process.poll() is None, f"{process.args} ended: see {self.folder}"
        try:
            self._request("GET", "/api/v2/monitor/health")
        except OSError:
            return False
        return True

    def _stop(self) -> None:
        # Each leads a session, so that its group holds what it has started.
        for sent, patience in ((signal.SIGTERM, 20.0), (signal.SIGKILL, 10.0)):
            for process in self._processes:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, sent)
            deadline = time.monotonic() + patience
            for process in self._processes:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(max(0.1, deadline - time.monotonic()))

    def _request(self, method: str, path: str, body: Any = None) -> Any:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json", "Authorization": f"Bearer {self._token}"},
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            error.msg = f"{error.msg}: {error.read().decode()[:1000]}"
            raise

    def api(self, method: str, path: str, body: Any = None) -> Any:
        """What Airflow's REST API answers."""
        return self._request(method, f"/api/v2/{path}", body)

    def wait_for(self, true: Callable[[], Any], what: str, seconds: float = 90) -> Any:
        """Waits until something is true, and returns it."""
        deadline = time.monotonic() + seconds
        while not (found := true()):
            assert time.monotonic() < deadline, f"{what}: not after {seconds} s ({self.folder})"
            time.sleep(0.3)
        return found

    def wait_for_dag(self, dag_id: str) -> dict[str, Any]:
        """Waits until Airflow has read a DAG file."""

        def known() -> Any:
            faults = self.api("GET", "importErrors")["import_errors"]
            assert not faults, faults[0]["stack_trace"]
            try:
                return self.api("GET", f"dags/{dag_id}/details")
            except urllib.error.HTTPError as error:
                if error.code != 404:
                    raise
                return None

        found: dict[str, Any] = self.wait_for(known, f"DAG {dag_id} is known")
        return found

    def trigger(self, dag_id: str, conf: Mapping[str, Any] | None = None) -> str:
        """Starts a run as the trigger form does; its id."""
        self.wait_for_dag(dag_id)
        body = {"logical_date": None, "conf": dict(conf or {})}
        return str(self.api("POST", f"dags/{dag_id}/dagRuns", body)["dag_run_id"])

    def wait_for_run(self, dag_id: str, run_id: str, seconds: float = 180) -> str:
        """How a run ended."""

        def ended() -> str:
            state = str(self.api("GET", f"dags/{dag_id}/dagRuns/{run_id}")["state"])
            return state if state in _ENDED else ""

        return str(self.wait_for(ended, f"run {run_id} of {dag_id} ends", seconds))

    def tasks(self, dag_id: str, run_id: str) -> dict[str, dict[str, Any]]:
        """The tasks of a run, by id."""
        found = self.api("GET", f"dags/{dag_id}/dagRuns/{run_id}/taskInstances")
        return {each["task_id"]: each for each in found["task_instances"]}

    def xcom(self, dag_id: str, run_id: str, task_id: str, key: str = "return_value") -> Any:
        """What a task has pushed."""
        path = f"dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/xcomEntries/{key}"
        value = self.api("GET", f"{path}?deserialize=false")["value"]
        try:
            return json.loads(value)
        except (TypeError, ValueError):
            return value

    def log(self, dag_id: str, run_id: str, task_id: str, attempt: int) -> str:
        """The log of one attempt of a task."""
        folder = self.folder / "logs" / f"dag_id={dag_id}" / f"run_id={run_id}"
        path = folder / f"task_id={task_id}" / f"attempt={attempt}.log"
        return path.read_text(encoding="utf-8")

    def clear_failed(self, dag_id: str, run_id: str) -> None:
        """What "Clear failed" does: the tasks that failed, and those after them, run again."""
        self.api(
            "POST",
            f"dags/{dag_id}/clearTaskInstances",
            {
                "dag_run_id": run_id,
                "only_failed": True,
                "include_downstream": True,
                "reset_dag_runs": True,
                "dry_run": False,
            },
        )


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
