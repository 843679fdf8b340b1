# SPDX-License-Identifier: Apache-2.0
"""Executors that the worker tests run: each does one thing worth watching."""

from __future__ import annotations

import ctypes
import errno
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor

from penstock.utils.errors import DataError


class Nothing:
    """Does nothing."""

    def execute(self, task):
        """Returns nothing."""


class Writer:
    """Writes its parameter to its output and says something in every way there is."""

    def execute(self, task):
        """Returns facts about the process."""
        with open(task.outputs["out"][0].path("data"), "w", encoding="utf-8") as file:
            file.write(task.parameters["text"])
        task.outputs["out"][0].custom_properties["length"] = len(task.parameters["text"])
        print("from print")
        sys.stderr.write("from stderr\n")
        os.write(1, b"from descriptor 1\n")
        ctypes.CDLL(None).printf(b"from C\n")
        subprocess.run(["echo", "from a child"], check=True)
        return {"pid": os.getpid(), "hash_seed": os.environ["PYTHONHASHSEED"]}


class Reporter:
    """Reports progress."""

    def execute(self, task):
        """Three steps, slow enough to be told apart."""
        for step in range(1, 4):
            task.report_progress(step, 3, f"step {step}")
            time.sleep(0.12)


class Messy:
    """Leaves everything it can reach in disorder."""

    def execute(self, task):
        """Returns what it found and then changes it."""
        found = {
            "argv": sys.argv[-1],
            "cwd": os.getcwd(),
            "leak": os.environ.get("LEAK", ""),
            "path": "/leak" in sys.path,
            "interrupt": signal.getsignal(signal.SIGTERM) is signal.SIG_DFL,
            "extra": os.environ.get("EXTRA", ""),
        }
        sys.argv[:] = ["leak"]
        sys.path.append("/leak")
        sys.stdout = None
        os.chdir("/")
        os.environ["LEAK"] = "yes"
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        return found


class Leftover:
    """Leaves a thread at work."""

    def execute(self, task):
        """Starts a thread that works on for a while."""
        threading.Thread(target=time.sleep, args=(30,)).start()
        return {"pid": os.getpid()}


class Sleeper:
    """Waits, with a child process that waits too."""

    def execute(self, task):
        """Writes both process ids to the file named by a parameter."""
        child = subprocess.Popen(["sleep", "60"])
        path = task.parameters["pids"]
        with open(path + ".new", "w", encoding="utf-8") as file:
            file.write(f"{os.getpid()} {child.pid}")
        os.rename(path + ".new", path)
        print("sleeping now", flush=True)
        if task.parameters.get("hold_lock"):
            ctypes.PyDLL(None).sleep(60)
        time.sleep(60)


class Spreader:
    """Waits in processes of the standard library's process pool."""

    def execute(self, task):
        """Writes the ids of its processes to the file named by a parameter."""
        context = multiprocessing.get_context(task.parameters.get("method"))
        with ProcessPoolExecutor(2, mp_context=context) as pool:
            pids = [pool.submit(os.getpid).result()]
            path = task.parameters["pids"]
            with open(path + ".new", "w", encoding="utf-8") as file:
                file.write(" ".join(map(str, [os.getpid(), *pids])))
            os.rename(path + ".new", path)
            pool.submit(time.sleep, task.parameters["seconds"]).result()


class Killer:
    """Ends its own process in the way a parameter says."""

    def execute(self, task):
        """Says a last word and is gone."""
        print("last words")
        sys.stdout.flush()
        how = task.parameters["how"]
        if how == "exit":
            os._exit(7)
        if how == "crash":
            ctypes.string_at(0)
        os.kill(os.getpid(), how)
        time.sleep(60)


class Raiser:
    """Raises what a parameter says."""

    def execute(self, task):
        """Raises."""
        kind = task.parameters["kind"]
        if kind == "penstock":
            raise DataError("row 7 is ragged", got="3 fields", suggestion="x")
        if kind == "subclass":
            raise OwnError("mine", fix="do something")
        if kind == "value":
            raise ValueError(task.parameters.get("text", "no such thing"))
        if kind == "memory":
            raise MemoryError
        if kind == "disk":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), task.parameters["path"])
        if kind == "wrapped disk":
            try:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            except OSError as error:
                raise RuntimeError("could not save") from error
        if kind == "exit":
            sys.exit(3)
        if kind == "bad str":
            raise BadText
        raise AssertionError(kind)


class OwnError(DataError):
    """Known to this file only."""


class BadText(Exception):
    """Cannot be printed."""

    def __str__(self):
        """Fails."""
        raise RuntimeError("no text")


class BadAnswer:
    """Returns what cannot be recorded."""

    def execute(self, task):
        """Returns a set."""
        return {"value": {1, 2}}


class Scalar:
    """Returns something like a NumPy scalar, and sets a digest itself."""

    def execute(self, task):
        """Returns a value with `item`."""
        task.outputs["out"][0].content_digest = "canonical"

        class Number:
            def item(self):
                return 2.5

        return {"value": Number()}


class Modules:
    """Tells whether a module was there before anything asked for it."""

    def execute(self, task):
        """Returns facts about the process."""
        return {
            "loaded": task.parameters["module"] in sys.modules,
            "main": str(getattr(sys.modules["__main__"], "__file__", None)),
            "pid": os.getpid(),
            "method": multiprocessing.get_start_method(),
        }


class TensorFlowSum:
    """Works with TensorFlow, eagerly and in a graph."""

    def execute(self, task):
        """Returns a sum."""
        import tensorflow as tf

        total = sum(int(x) for x in tf.data.Dataset.range(10).map(lambda x: x * 2))
        return {"sum": total + int(tf.function(lambda x: x + 1)(tf.constant(1)))}


class Caller:
    """Calls the user's function."""

    def execute(self, task):
        """Returns what the function returns, and the process id."""
        return {"answer": task.user_function("function")(), "pid": os.getpid()}


class TypeOfInput:
    """Tells of what type its input is."""

    def execute(self, task):
        """Returns the class's module and whether it has the declared property."""
        (artifact,) = task.inputs["found"]
        return {"module": type(artifact).__module__, "count": artifact.count}
