# SPDX-License-Identifier: Apache-2.0
"""What was measured with, and on what."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from importlib import metadata
from typing import Any

_PACKAGES = ("penstock", "tensorflow-cpu", "ml-metadata", "pyarrow", "apache-beam")
_TFX_PACKAGES = ("tfx", "tensorflow", "ml-metadata", "pyarrow", "apache-beam")


def machine() -> dict[str, Any]:
    """Its size, and how busy it is."""
    found: dict[str, Any] = {
        "system": platform.platform(terse=True),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "load_before": round(os.getloadavg()[0], 2),
    }
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            lines = [line.partition(":")[2] for line in file if line.startswith("model name")]
        found["processor"] = lines[0].strip()
    except (OSError, IndexError):
        found["processor"] = platform.machine()
    return found


def versions(tfx_python: str | None) -> dict[str, dict[str, str]]:
    """Versions of what matters on each side."""
    found = {"Penstock": {"python": platform.python_version()}}
    for name in _PACKAGES:
        try:
            found["Penstock"][name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    if tfx_python:
        code = (
            "import json, platform\nfrom importlib.metadata import version\n"
            f"found = {{name: version(name) for name in {_TFX_PACKAGES!r}}}\n"
            "print(json.dumps({'python': platform.python_version(), **found}))"
        )
        answer = subprocess.run([tfx_python, "-c", code], capture_output=True, check=True)
        found["TFX"] = json.loads(answer.stdout)
    return found
