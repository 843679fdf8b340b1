# SPDX-License-Identifier: Apache-2.0
"""Database servers of a test's own: in a folder below /tmp, on loopback, stopped by process id."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

#: Where Debian keeps server programs that ordinary users' PATH does not name.
_PLACES = ("/usr/sbin", "/usr/local/sbin", "/usr/bin", "/usr/lib/postgresql/*/bin")


@dataclass(frozen=True)
class Server:
    """A running server.

    Attributes:
        address: `scheme://user@host:port`, to which a database's name is added.
        password: The user's password.
    """

    address: str
    password: str

    def setting(self, database: str) -> str:
        """The setting of a metadata store in a database of its own, made when it is opened."""
        return f"{self.address}/{database}"


@contextlib.contextmanager
def postgresql() -> Iterator[Server]:
    """A PostgreSQL server; skips the test where its programs are absent."""
    initdb, postgres = _program("initdb"), _program("postgres")
    with _folder("postgres") as (folder, as_user):
        data, password, port = folder / "data", "p@ss/w:rd%", _free_port()
        (folder / "password").write_text(password)
        (folder / "password").chmod(0o644)
        _do(as_user, initdb, "-D", data, "-U", "keeper", "-A", "scram-sha-256",
            "--pwfile", folder / "password", "--no-sync", "-E", "UTF8",
            "--locale", "C")  # fmt: skip
        command = [postgres, "-D", data, "-p", str(port), "-k", folder,
                   "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"]  # fmt: skip
        # SIGINT is PostgreSQL's "fast" shutdown.
        with _running(as_user, command, port, folder / "log", signal.SIGINT):
            yield Server(f"postgresql://keeper@127.0.0.1:{port}", password)


@contextlib.contextmanager
def mariadb() -> Iterator[Server]:
    """A MariaDB server; skips the test where its programs are absent."""
    install, mariadbd = _program("mariadb-install-db"), _program("mariadbd")
    with _folder("nobody") as (folder, as_user):
        data, password, port = folder / "data", "p@ss/w:rd%", _free_port()
        first = folder / "first.sql"
        first.write_text(
            f"create user keeper@'127.0.0.1' identified by '{password}';\n"
            "grant all on *.* to keeper@'127.0.0.1';\n"
        )
        first.chmod(0o644)
        _do(as_user, install, "--no-defaults", f"--datadir={data}", "--skip-test-db",
            "--auth-root-authentication-method=normal")  # fmt: skip
        command = [mariadbd, "--no-defaults", f"--datadir={data}", f"--port={port}",
                   "--bind-address=127.0.0.1", f"--socket={folder}/socket",
                   f"--pid-file={folder}/pid", f"--init-file={first}", "--skip-name-resolve",
                   "--innodb-flush-log-at-trx-commit=0"]  # fmt: skip
        with _running(as_user, command, port, folder / "log", signal.SIGTERM):
            yield Server(f"mysql://keeper@127.0.0.1:{port}", password)


def _program(name: str) -> str:
    path = os.environ.get("PATH", "")
    for place in _PLACES:
        for folder in sorted(Path("/").glob(place.lstrip("/"))):
            path += os.pathsep + str(folder)
    found = shutil.which(name, path=path)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


@contextlib.contextmanager
def _folder(user: str) -> Iterator[tuple[Path, list[str]]]:
    """A folder for a server, and the words that run a command as a user other than root."""
    as_user: list[str] = []
    if os.getuid() == 0:
        if not shutil.which("runuser") or subprocess.run(["id", user], capture_output=True).stderr:
            pytest.skip(f"there is no user {user} to run the server as")
        as_user = ["runuser", "-u", user, "--"]
    # A socket's path must be short, and the server's user must get there.
    folder = Path(tempfile.mkdtemp(prefix="db-", dir="/tmp"))
    try:
        if as_user:
            shutil.chown(folder, user)
        yield folder, as_user
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _do(as_user: list[str], *command: object) -> None:
    done = subprocess.run(
        [*as_user, *map(str, command)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, cwd="/", text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


@contextlib.contextmanager
def _running(
    as_user: list[str], command: list[object], port: int, log: Path, ends: signal.Signals
) -> Iterator[None]:
    with open(log, "wb") as said:
        process = subprocess.Popen(
            # `setpriv` becomes the server itself, so that the id at hand is the server's.
            [*_becoming(as_user), *map(str, command)],
            stdin=subprocess.DEVNULL, stdout=said, stderr=said, cwd="/", start_new_session=True,
        )  # fmt: skip
    try:
        end = time.monotonic() + 60
        while not _listens(port):
            assert process.poll() is None, log.read_text(errors="replace")
            assert time.monotonic() < end, f"no answer on port {port}: {log.read_text()}"
            time.sleep(0.05)
        yield
    finally:
        for sent, patience in ((ends, 30), (signal.SIGKILL, 10)):
            if process.poll() is None:
                process.send_signal(sent)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(patience)


def _becoming(as_user: list[str]) -> list[str]:
    if not as_user:
        return []
    return ["setpriv", f"--reuid={as_user[2]}", "--clear-groups", "--"]


def _listens(port: int) -> bool:
    with socket.socket() as tried:
        tried.settimeout(1)
        return tried.connect_ex(("127.0.0.1", port)) == 0


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
