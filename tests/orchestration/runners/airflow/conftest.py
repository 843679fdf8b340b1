# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.airflow_engine import AirflowHome, AirflowServer, environment


@pytest.fixture(scope="session")
def airflow_3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AirflowServer]:
    """Airflow 3 with a real scheduler."""
    server = AirflowServer(environment("3"), tmp_path_factory.mktemp("airflow-3") / "home")
    with server.running():
        yield server


@pytest.fixture(scope="session")
def airflow_2(tmp_path_factory: pytest.TempPathFactory) -> AirflowHome:
    """Airflow 2.11, for its command line."""
    home = AirflowHome(environment("2"), tmp_path_factory.mktemp("airflow-2") / "home")
    made = home.command("db", "migrate")
    assert made.returncode == 0, made.stderr[-4000:]
    return home
