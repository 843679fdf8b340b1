# SPDX-License-Identifier: Apache-2.0
"""The registry on real MariaDB and PostgreSQL servers, whose conflicts no lock of ours prevents.

Skipped where their programs are absent; see `test_store_on_servers`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from support.database_servers import Server, mariadb, postgresql

from penstock.orchestration.metadata.connection_settings import PASSWORD_VARIABLE
from penstock.orchestration.metadata.models import Registration
from penstock.orchestration.metadata.records import NodeKey
from penstock.orchestration.metadata.store import MetadataStore
from penstock.orchestration.registry.registry import ModelRegistry


@pytest.fixture(scope="module", params=[postgresql, mariadb], ids=["postgresql", "mariadb"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server; its password is in the environment."""
    with request.param() as running, pytest.MonkeyPatch.context() as patch:
        patch.setenv(PASSWORD_VARIABLE, running.password)
        yield running


@pytest.mark.slow
def test_number_taken_by_another_process_is_tried_again(server: Server) -> None:
    """A push would wait a minute for what cannot come, and then fail."""
    place = server.setting("conflict")
    MetadataStore(place).close()
    with MetadataStore(place) as store, MetadataStore(place) as other:
        store.begin_run("p", "r")
        key = NodeKey("p", "r", "n", "T")
        execution = store.register_execution(key, {}, {})
        asked: list[int] = []

        def event(number: int) -> tuple[str, Mapping[str, Any]]:
            asked.append(number)
            if len(asked) == 1:
                other.add_model_event("m", lambda n: ("push", {"version": "1.0.0", "latest": n}))
            # What databases have trouble with: quotes, backslashes, other scripts, length.
            facts = {"reason": 'say "\\→" ' + "x" * 70_000}
            return "push", {"version": f"1.0.{number}", "latest": number, **facts}

        store.publish_execution(key, execution, {}, registration=Registration("m", event))
        assert asked == [1, 2]
        versions = ModelRegistry(other).versions("m")
        assert [each.version for each in versions] == ["1.0.0", "1.0.2"]
        assert versions[1].reason == 'say "\\→" ' + "x" * 70_000
