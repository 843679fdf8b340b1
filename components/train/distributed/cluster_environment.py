# SPDX-License-Identifier: Apache-2.0
"""What a worker's environment says of the cluster it belongs to: `TF_CONFIG`, or torchrun's.

See https://www.tensorflow.org/guide/distributed_training#TF_CONFIG and
https://docs.pytorch.org/docs/stable/elastic/run.html.
"""

from __future__ import annotations

import ipaddress
from typing import Any

from ...base.executor import WorkerGroup
from .distribution import Distribution

#: Where TensorFlow looks for the cluster.
TF_CONFIG = "TF_CONFIG"


def tf_config(distribution: Distribution, group: WorkerGroup) -> dict[str, Any]:
    """What `TF_CONFIG` says to one worker of a group: the cluster, and who it is."""
    addresses = list(group.addresses)
    if distribution.strategy != "parameter_server":
        # The worker with index 0 is the chief where none is named.
        return {
            "cluster": {"worker": addresses},
            "task": {"type": "worker", "index": group.rank},
        }
    first_server = len(addresses) - distribution.parameter_servers
    cluster = {
        "chief": addresses[:1],
        "worker": addresses[1:first_server],
        "ps": addresses[first_server:],
    }
    if group.rank == 0:
        task = ("chief", 0)
    elif group.rank < first_server:
        task = ("worker", group.rank - 1)
    else:
        task = ("ps", group.rank - first_server)
    return {"cluster": cluster, "task": {"type": task[0], "index": task[1]}}


def torchrun_variables(group: WorkerGroup) -> dict[str, str]:
    """The variables that `torchrun` would set for this worker.

    Args:
        group: The worker's group; it has addresses.
    """
    host, _, port = group.addresses[0].rpartition(":")
    host = host.strip("[]")
    found = {
        "MASTER_ADDR": host,
        "MASTER_PORT": port,
        "RANK": str(group.rank),
        "WORLD_SIZE": str(group.size),
        "LOCAL_RANK": "0",
        "LOCAL_WORLD_SIZE": "1",
    }
    if _is_loopback(host):
        # gloo would look the machine's name up, which may lead anywhere or nowhere.
        found["GLOO_SOCKET_IFNAME"] = "lo"
    return found


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
