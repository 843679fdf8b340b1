# SPDX-License-Identifier: Apache-2.0
"""One process's connection to a metadata store: opened safely, shared by threads, retried."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from ...utils.errors import MetadataError
from ...utils.readable import size
from ...utils.storage_errors import free_bytes, mount_point
from .backslashes import refuse_backslashes
from .codec import Sidecar
from .connection_messages import client_config, database_config
from .connection_settings import Backend, MetadataConfig
from .gate import FileGate, Gate, OpenGate
from .library import library
from .retry import RetryPolicy, retrying
from .sqlite_file import has_log, make_file

#: The command that brings the schema of a store to the version of the installed library.
UPGRADE_COMMAND = "python -m penstock.orchestration.metadata.upgrade"

#: What the databases say where waiting for them would not help.
_HOPELESS = ("denied", "authentication", "unknown host", "not initialized", "could not translate")
_UNREACHABLE = ("mysql_real_connect", "connection pointer is null", "connect to remote host")

#: Bytes that a transaction may well need on the disk.
_SCANT = 1 << 20


class Connection:
    """A connection that several threads of one process share.

    Args:
        config: Which store.
        create: Whether to make the store where there is none. Else a store in a place that
            cannot be written is opened for reading.
        upgrade: Whether to bring the schema of an older store up to date.
        retries: How long to go on where others are writing.

    Raises:
        MetadataError: The store cannot be opened, or is of another version.
    """

    def __init__(
        self,
        config: MetadataConfig,
        *,
        create: bool = True,
        upgrade: bool = False,
        retries: RetryPolicy | None = None,
    ) -> None:
        self.config = config
        self._retries = retries or RetryPolicy()
        self._upgrade = upgrade
        self._lock = threading.RLock()
        self._depth = 0
        self._writing = False
        self._read_only = False
        self._has_log = False
        self._gate: Gate = OpenGate()
        if config.backend is Backend.SQLITE and not config.in_memory:
            self._open_file(create)
        self._process = os.getpid()
        self._store: Any = None
        self._closed = False
        self._broken = False
        with self.holding(writing=not self._read_only):
            if isinstance(self._gate, FileGate):
                make_file(config.path, config.options.get("journal", ""))
            self._store = self._connect()
        #: Whether readers need no gate.
        self._has_log = bool(config.path) and has_log(config.path)

    def _open_file(self, create: bool) -> None:
        path = self.config.path
        exists = os.path.exists(path)
        if not create and not exists:
            raise MetadataError(
                "there is no metadata store here yet",
                got=path,
                fix="check the path, or run a pipeline first",
            )
        if os.path.isdir(path):
            raise MetadataError(
                "a metadata store is a file, not a folder",
                got=path,
                fix=f"name a file in it, as {os.path.join(path, 'metadata.sqlite')}",
            )
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            if exists and not os.access(path, os.W_OK):
                raise PermissionError(f"no permission to write {path}")
            self._gate = FileGate(path + ".lock")
        except OSError as error:
            if create or not os.access(path, os.R_OK):
                raise MetadataError(
                    "the metadata store cannot be written",
                    got=str(error),
                    location=path,
                    fix="choose a path in a folder that you may write to",
                ) from error
            self._read_only = True

    def _connect(self) -> Any:
        lib = library()
        config = self.config
        if config.backend is Backend.GRPC:
            store = lib.mlmd.MetadataStore(client_config(config, lib.protos))
            # This client takes its number of retries from no setting; ours are jittered
            # and bounded, so it must hand errors on at once.
            store._max_num_retries = 1
            # Connecting waits for the first call; a wrong address should not look like one
            # that was there and is gone for a while.
            patience = replace(self._retries, deadline_s=min(5.0, self._retries.deadline_s))
            try:
                retrying(store.get_context_types, _is_unavailable, patience)
            except lib.errors.StatusError as error:
                raise self._failed("the first call", error) from error
            return store
        message = database_config(config, lib.protos, read_only=self._read_only)
        message.retry_options.max_num_retries = 1

        def attempt() -> Any:
            return lib.mlmd.MetadataStore(message, enable_upgrade_migration=self._upgrade)

        # The first processes to reach an empty server collide while they make its tables;
        # all but one fail, once, with whatever the database says.
        patience = RetryPolicy(deadline_s=15.0, first_delay_s=0.2, max_delay_s=2.0)
        try:
            return retrying(attempt, self._collided_at_creation, patience)
        except (RuntimeError, lib.errors.StatusError) as error:
            raise self._cannot_open(str(error)) from error

    def _collided_at_creation(self, error: Exception) -> bool:
        text = str(error).lower()
        if "database version" in text or any(word in text for word in _HOPELESS + _UNREACHABLE):
            return False
        return self.config.backend is not Backend.SQLITE or "locked" in text or "retries" in text

    def _cannot_open(self, said: str) -> MetadataError:
        where = self.config.url
        if "is older than library version" in said:
            return MetadataError(
                "the metadata store was made by an older version of ML Metadata",
                got=said.split(". ", 1)[0],
                location=where,
                fix=f"back the store up, then run: {UPGRADE_COMMAND} '{where}'",
            )
        if "is greater than library version" in said:
            return MetadataError(
                "the metadata store was made by a newer version of ML Metadata",
                got=said.split(". ", 1)[0],
                location=where,
                fix="pip install --upgrade ml-metadata, or use another store",
            )
        if "not a database" in said:
            return MetadataError(
                "the file is not a metadata store",
                expected="an SQLite database",
                got=self.config.path,
                fix="choose another path; the file was left as it is",
            )
        disk = self._disk_trouble(said)
        if disk is not None:
            return disk
        fix = "see that the server runs, and check address, user, password and database"
        if self.config.backend is Backend.SQLITE:
            fix = "check that the path and its folder can be read and written"
        return MetadataError(
            "the metadata store cannot be opened", got=_brief(said), location=where, fix=fix
        )

    @contextlib.contextmanager
    def holding(self, *, writing: bool) -> Iterator[None]:
        """Keeps other threads out and, for a file, other writers, over several calls."""
        with self._lock:
            if self._depth and (self._writing or not writing):
                yield
                return
            if self._depth:
                raise RuntimeError("a metadata query must not turn into a write half-way")
            gate = OpenGate() if self._has_log and not writing else self._gate
            with gate.admit(writing=writing):
                self._depth, self._writing = 1, writing
                try:
                    yield
                finally:
                    self._depth, self._writing = 0, False

    def read(self, method: str, *arguments: Any, **options: Any) -> Any:
        """Calls a method of ML Metadata's `MetadataStore` that changes nothing.

        Raises:
            MetadataError: The store cannot be reached, or stayed locked.
        """
        return self._call(method, arguments, options, writing=False)

    def by_external_ids(self, kind: str, keys: list[str]) -> list[Any]:
        """The `artifacts`, `contexts` or `executions` that have one of these external ids."""
        try:
            found: list[Any] = self.read(f"get_{kind}_by_external_ids", keys)
        except library().errors.NotFoundError:
            return []
        return found

    def write(self, method: str, *arguments: Any, **options: Any) -> Any:
        """Calls a method of ML Metadata's `MetadataStore` that changes the store.

        Raises:
            MetadataError: The store cannot be reached or written, or stayed locked.
            AlreadyExistsError: ML Metadata's own, for a name that is taken.
        """
        if self._read_only:
            raise MetadataError(
                "the metadata store was opened for reading only",
                location=self.config.path,
                fix="get permission to write the file and its folder",
            )
        return self._call(method, arguments, options, writing=True)

    def _call(
        self, method: str, arguments: tuple[Any, ...], options: dict[str, Any], *, writing: bool
    ) -> Any:
        errors = library().errors

        def is_transient(error: Exception) -> bool:
            if _number_taken(error):
                return False
            if isinstance(error, errors.UnavailableError):
                # A write may have reached the server unless it was never sent.
                return not writing or "failed to connect" in str(error).lower()
            return isinstance(error, errors.AbortedError) or "is locked" in str(error)

        if self.config.backend is Backend.POSTGRESQL:
            refuse_backslashes(arguments)
        with self.holding(writing=writing):
            function = getattr(self._usable_store(), method)
            try:
                return retrying(
                    lambda: function(*arguments, **options), is_transient, self._retries
                )
            except (errors.AlreadyExistsError, errors.NotFoundError):
                raise
            except errors.StatusError as error:
                if _number_taken(error):
                    raise errors.AlreadyExistsError(str(error)) from error
                # A database that fails ends its transaction itself. ML Metadata does not
                # notice and would refuse every call from then on: begin afresh.
                self._broken = self.config.backend is not Backend.GRPC
                raise self._failed(method, error) from error

    def _usable_store(self) -> Any:
        if self._closed:
            raise MetadataError("the metadata store was closed", location=self.config.url)
        if self._process != os.getpid():
            raise MetadataError(
                "a connection to the metadata store cannot cross into a child process",
                location=self.config.url,
                fix="open the store again in the child",
            )
        if self._broken and not self.config.in_memory:
            self._store = None
            self._store = self._connect()
            self._broken = False
        return self._store

    def _failed(self, method: str, error: Any) -> MetadataError:
        errors = library().errors
        what, fix = f"the metadata store refused {method}", None
        if isinstance(error, errors.AbortedError):
            what = f"the metadata store stayed locked for {self._retries.deadline_s:g} s"
            fix = "see which other process writes to it; then resume the run"
        elif isinstance(error, (errors.UnavailableError, errors.DeadlineExceededError)):
            what = "the metadata store cannot be reached"
            fix = "see that the server runs, then resume the run"
        elif "readonly database" in str(error):
            what = "the metadata store cannot be written"
            fix = "get permission to write the file and its folder"
        disk = self._disk_trouble(str(error))
        if disk is not None:
            return disk
        return MetadataError(what, got=_brief(str(error)), location=self.config.url, fix=fix)

    def _disk_trouble(self, said: str) -> MetadataError | None:
        """The error where the trouble is with the disk that holds the file."""
        if not self.config.path or not ("disk is full" in said or "disk I/O" in said):
            return None
        # SQLite also calls it an I/O error where there is no room for the files beside its own.
        free = free_bytes(self.config.path)
        return MetadataError(
            f"the metadata store's disk is full{'' if free < _SCANT else ' or failing'}",
            got=f"{_brief(said)}; {size(free)} free at {mount_point(self.config.path)}",
            location=self.config.url,
            fix="make room on it, then run it again",
        )

    def sidecar(self) -> Sidecar:
        """For the values of one message that this database cannot hold exactly."""
        return Sidecar(
            self.config.longest_text,
            short_integers=self.config.short_integers,
            backslashes=self.config.backend is not Backend.POSTGRESQL,
        )

    def close(self) -> None:
        """Ends the connection; it may be closed twice."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._store = None
                self._gate.close()


def _is_unavailable(error: Exception) -> bool:
    return isinstance(error, library().errors.UnavailableError)


def _number_taken(error: Exception) -> bool:
    """Whether a context is refused because another process took its number in a series.

    ML Metadata asks to try again, which helps only where it was the name that was taken.
    """
    return (
        isinstance(error, library().errors.AbortedError)
        and "Concurrent creation" in str(error)
        and 'external_id: "' in str(error)
    )


def _brief(said: str) -> str:
    """The part of ML Metadata's message that a person can use."""
    text = said.removeprefix("Error when executing query:")
    # What follows is the SQL with every value in it.
    return text.partition(" query:")[0].strip().partition("\n")[0][:300]
