# SPDX-License-Identifier: Apache-2.0
"""What the fork server does before it serves: import heavy modules, and tell how it went.

The standard library's fork server can be given modules to import and nothing else, so this
module acts when it is imported; but only in a process that was started for it.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import shutil
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any

#: Holds, as JSON, what the server is told: the keys of `_set_up`'s argument.
PRELOAD_VARIABLE = "PENSTOCK_PRELOAD"
PID_FILE = "pid"
REPORT_FILE = "report.json"
LOG_FILE = "preload.log"

#: What every worker needs, whatever it will run; pydantic to read structured parameters.
_WORKER_MODULES = (f"{__package__}.worker_main", "pydantic.main", "pydantic.type_adapter")


def write_whole(path: str, text: str) -> None:
    """Writes a file that nobody ever sees half written."""
    with open(path + ".new", "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(path + ".new", path)


def _watch(folder: str, parent: int, done: threading.Event) -> None:
    # The server listens to its parent only when it serves, which may be 10 seconds away.
    while not done.wait(0.1):
        if os.getppid() != parent:
            shutil.rmtree(folder, ignore_errors=True)
            os._exit(1)


def _clean_up(folder: str, server: int) -> None:
    # Processes forked from the server inherit this, and may end by way of `sys.exit`.
    if os.getpid() == server:
        shutil.rmtree(folder, ignore_errors=True)


def _import_all(modules: Sequence[str]) -> dict[str, str]:
    failed = {}
    for module in modules:
        try:
            importlib.import_module(module)
        except Exception as error:  # a broken library concerns only the nodes that need it
            failed[module] = f"{type(error).__name__}: {error}"
    return failed


def _set_up(told: dict[str, Any]) -> None:
    from .process_start import ignore_interrupts
    from .redirect import send_output_to

    started = time.perf_counter()
    folder = str(told["folder"])
    atexit.register(_clean_up, folder, os.getpid())
    os.setsid()
    ignore_interrupts()
    send_output_to(os.path.join(folder, LOG_FILE))
    sys.path[:] = told["sys_path"]
    write_whole(os.path.join(folder, PID_FILE), str(os.getpid()))
    done = threading.Event()
    watcher = threading.Thread(target=_watch, args=(folder, told["parent"], done), daemon=True)
    watcher.start()
    # Modules are there to stay: looking for garbage among them takes a third of the time.
    gc.disable()
    failed = _import_all([*_WORKER_MODULES, *told["modules"]])
    done.set()
    # No thread may be left: a fork copies only the one that forks.
    watcher.join()
    # Collections in children would copy the pages of all that is there now.
    gc.freeze()
    gc.enable()
    report = {"seconds": time.perf_counter() - started, "failed": failed}
    write_whole(os.path.join(folder, REPORT_FILE), json.dumps(report))


_told = os.environ.pop(PRELOAD_VARIABLE, None)
if _told is not None:
    _set_up(json.loads(_told))
