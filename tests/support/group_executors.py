# SPDX-License-Identifier: Apache-2.0
"""Executors for the tests of worker groups; nothing heavy is imported."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from typing import Any

from penstock.components.base.executor import Task
from penstock.utils.errors import DataError


class Group:
    """Does, at each rank, what the parameter `do` says for it; else ends as others do."""

    def execute(self, task: Task) -> dict[str, Any]:
        """Writes `rank.txt`, and answers with what it was told of its group."""
        group = task.group
        (out,) = task.outputs["out"]
        with open(os.path.join(out.uri, "rank.txt"), "w", encoding="utf-8") as file:
            file.write(str(group.rank))
        task.report_progress(group.rank, 10.0, f"rank {group.rank}")
        print(f"rank {group.rank} was here", flush=True)
        do = task.parameters.get("do", {}).get(str(group.rank), "end")
        if do == "fail":
            raise DataError("the data are bad", node=task.node_id)
        if do == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if do == "miss":
            # As a collective operation does some time after its partner is gone.
            time.sleep(0.3)
            raise RuntimeError("connection reset by peer")
        if do == "serve":
            time.sleep(600)
        if do == "meet":
            _meet(group.rank, group.addresses)
        return {
            "rank": group.rank,
            "size": group.size,
            "addresses": json.dumps(group.addresses),
            "pid": os.getpid(),
        }


def _meet(rank: int, addresses: tuple[str, ...]) -> None:
    """Every rank but the first calls the first."""
    host, _, port = addresses[0].partition(":")
    if rank == 0:
        with socket.create_server((host, int(port))) as server:
            server.settimeout(30)
            for _ in addresses[1:]:
                server.accept()[0].close()
        return
    until = time.monotonic() + 30
    while True:
        try:
            socket.create_connection((host, int(port)), 5).close()
            return
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
