# SPDX-License-Identifier: Apache-2.0
"""Which metadata store to use, as one line of text.

    sqlite:///metadata.sqlite                 a file, relative to the working folder
    sqlite:////var/lib/penstock/metadata.db   a file, absolute
    runs/metadata.sqlite                      the same, as a plain path
    sqlite:///:memory:                        gone with the process: for tests
    mysql://user@host:3306/database
    postgresql://user@host:5432/database
    grpc://host:8080   grpcs://host:8080      an ML Metadata server, plain or with TLS

The option of SQLite is `?journal=delete` or `wal`; see `sqlite_file`.

A password is never part of the line. It comes from the environment: from the variable
named in its place (`mysql://user:${DB_PASSWORD}@host/db`), else from
`PENSTOCK_METADATA_PASSWORD` where that is set. Options follow as a query
(`?sslmode=verify-full`); `OPTIONS` lists them.
"""

from __future__ import annotations

import enum
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from ...utils.errors import MetadataError, nearest

#: Holds the password where the setting names no other variable.
PASSWORD_VARIABLE = "PENSTOCK_METADATA_PASSWORD"

_MEMORY = ":memory:"
_ENVIRONMENT_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_SCHEME = re.compile(r"([a-z][a-z0-9+]*)://")


class Backend(enum.Enum):
    """What keeps the records."""

    SQLITE = "sqlite"
    MYSQL = "mysql"
    POSTGRESQL = "postgresql"
    GRPC = "grpc"


#: Names of the options by backend, as ML Metadata's connection messages call them.
OPTIONS: Mapping[Backend, frozenset[str]] = {
    Backend.SQLITE: frozenset({"journal"}),
    Backend.MYSQL: frozenset(
        {"socket", "ssl_key", "ssl_cert", "ssl_ca", "ssl_capath", "ssl_cipher",
         "verify_server_cert", "skip_db_creation"}
    ),
    Backend.POSTGRESQL: frozenset(
        {"hostaddr", "passfile", "sslmode", "sslcert", "sslkey", "sslrootcert",
         "skip_db_creation"}
    ),
    Backend.GRPC: frozenset({"ca", "client_key", "client_cert", "timeout"}),
}  # fmt: skip

_SCHEMES: Mapping[str, Backend] = {
    "sqlite": Backend.SQLITE,
    "mysql": Backend.MYSQL,
    "mariadb": Backend.MYSQL,
    "postgresql": Backend.POSTGRESQL,
    "postgres": Backend.POSTGRESQL,
    "grpc": Backend.GRPC,
    "grpcs": Backend.GRPC,
}
_PORTS: Mapping[Backend, int] = {
    Backend.MYSQL: 3306,
    Backend.POSTGRESQL: 5432,
    Backend.GRPC: 8080,
}


@dataclass(frozen=True)
class MetadataConfig:
    """Which metadata store to use. Holds no secret, so it can be shown and written down.

    Attributes:
        backend: What keeps the records.
        path: Absolute path of the database file (SQLite), or `:memory:`.
        host: Host name or address of the server.
        port: Port of the server.
        database: Name of the database.
        user: Who connects.
        password_variable: Environment variable that holds the password.
        tls: Whether a gRPC connection is encrypted.
        options: See `OPTIONS`.
    """

    backend: Backend
    path: str = ""
    host: str = ""
    port: int = 0
    database: str = ""
    user: str = ""
    password_variable: str = ""
    tls: bool = False
    options: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, setting: str) -> MetadataConfig:
        """Reads a setting such as `sqlite:///metadata.sqlite`; see this module.

        Raises:
            MetadataError: It cannot be read, names no known kind of store, or holds a
                password.
        """
        scheme = _SCHEME.match(setting)
        if scheme is None:
            return cls(Backend.SQLITE, path=_sqlite_path(setting, setting))
        backend = _SCHEMES.get(scheme[1])
        if backend is None:
            raise MetadataError(
                f"{scheme[1]!r} is not a kind of metadata store",
                expected=", ".join(sorted(_SCHEMES)),
                got=_without_password(setting),
                suggestion=nearest(scheme[1], _SCHEMES),
            )
        if backend is Backend.SQLITE:
            location, _, query = setting.partition("?")
            path = _sqlite_path(unquote(location[len("sqlite:///") :]), setting)
            return cls(backend, path=path, options=_options(backend, query, setting))
        return _parse_server(backend, setting, tls=scheme[1] == "grpcs")

    @property
    def in_memory(self) -> bool:
        """Whether the store lives and dies with the process."""
        return self.path == _MEMORY

    @property
    def longest_text(self) -> int:
        """Longest text that a property can hold, in bytes; 0 where that is no concern."""
        # PostgreSQL has an index on whole values, whose rows hold 2,704 bytes with the name.
        return 2000 if self.backend is Backend.POSTGRESQL else 0

    @property
    def short_integers(self) -> bool:
        """Whether a property holds integers of 32 bits only.

        So ML Metadata makes the tables of MySQL and PostgreSQL, either of which may be behind
        a server too.
        """
        return self.backend is not Backend.SQLITE

    @property
    def url(self) -> str:
        """The setting as text, which `parse` reads back."""
        query = f"?{urlencode(self.options)}" if self.options else ""
        if self.backend is Backend.SQLITE:
            path = self.path.replace("%", "%25").replace("?", "%3F")
            return f"sqlite:///{path}{query}"
        scheme = "grpcs" if self.tls else self.backend.value
        secret = f":${{{self.password_variable}}}" if self.password_variable else ""
        user = f"{quote(self.user, safe='')}{secret}@" if self.user or secret else ""
        host = f"[{self.host}]" if ":" in self.host else self.host
        address = f"{scheme}://{user}{host}:{self.port}"
        database = f"/{quote(self.database, safe='')}" if self.database else ""
        return address + database + query

    def __str__(self) -> str:
        return self.url

    def password(self) -> str | None:
        """The password from the environment, or None where the setting needs none.

        Raises:
            MetadataError: The variable that the setting names is not set.
        """
        if self.password_variable:
            found = os.environ.get(self.password_variable)
            if found is None:
                raise MetadataError(
                    f"the environment variable {self.password_variable} is not set",
                    expected=f"the password of {self.user or 'the user'} at {self.host}",
                    location=self.url,
                    fix=f"export {self.password_variable}=...",
                )
            return found
        return os.environ.get(PASSWORD_VARIABLE)


def _sqlite_path(raw: str, setting: str) -> str:
    if setting.startswith("sqlite://") and not setting.startswith("sqlite:///"):
        raise MetadataError(
            "the path of an SQLite store follows three slashes, or four where it is absolute",
            expected="sqlite:///relative/path or sqlite:////absolute/path",
            got=setting,
        )
    if not raw:
        raise MetadataError(
            "the setting of the metadata store names no file",
            expected="a path or a URL",
            got=repr(setting),
            fix="use for example sqlite:///metadata.sqlite",
        )
    if raw == _MEMORY:
        return raw
    return os.path.abspath(os.path.expanduser(raw))


def _parse_server(backend: Backend, setting: str, *, tls: bool) -> MetadataConfig:
    try:
        parts = urlsplit(setting)
        port = parts.port
    except ValueError:
        # What urlsplit says may quote a part of the password.
        raise MetadataError(
            "the setting of the metadata store cannot be read",
            expected=f"{backend.value}://host:port, with a number for the port",
            got=_without_password(setting),
        ) from None
    database = unquote(parts.path.lstrip("/"))
    if not parts.hostname or (backend is not Backend.GRPC and not database):
        raise MetadataError(
            "the setting of the metadata store lacks its host or database",
            expected=f"{backend.value}://"
            + ("host:port" if backend is Backend.GRPC else "user@host:port/database"),
            got=_without_password(setting),
        )
    return MetadataConfig(
        backend,
        host=parts.hostname,
        port=port or _PORTS[backend],
        database=database,
        user=unquote(parts.username or ""),
        password_variable=_password_variable(parts.password, setting),
        tls=tls,
        options=_options(backend, parts.query, setting),
    )


def _options(backend: Backend, query: str, setting: str) -> dict[str, str]:
    options = dict(parse_qsl(query, keep_blank_values=True))
    for name in options:
        if name not in OPTIONS[backend]:
            raise MetadataError(
                f"{backend.value} has no option {name!r}",
                expected=", ".join(sorted(OPTIONS[backend])),
                suggestion=nearest(name, OPTIONS[backend]),
                location=_without_password(setting),
            )
    return options


def _password_variable(password: str | None, setting: str) -> str:
    if not password:
        return ""
    reference = _ENVIRONMENT_REFERENCE.fullmatch(unquote(password))
    if reference is None:
        raise MetadataError(
            "a password must not be part of the setting, where logs and files would show it",
            expected="user:${NAME_OF_A_VARIABLE}@host",
            got=_without_password(setting),
            fix=f"export {PASSWORD_VARIABLE}=... and leave the password out",
        )
    return reference[1]


def _without_password(setting: str) -> str:
    """A setting as it may be shown."""
    return re.sub(r"(://[^/@:]*):.*@", r"\1:...@", setting)
