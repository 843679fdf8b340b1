# SPDX-License-Identifier: Apache-2.0
"""Addresses of databases, whose secrets stand in environment variables only.

An address is one of SQLAlchemy's (https://docs.sqlalchemy.org/en/21/core/engines.html), in
which `${NAME}` stands for the value of an environment variable:
`postgresql+psycopg://reader:${DB_PASSWORD}@db.example.org/sales`.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ...utils.errors import DataError, ParameterError
from ...utils.hashing import digest_bytes
from .source_files import ExternalInputs

if TYPE_CHECKING:
    from sqlalchemy import Connection

#: Parameter in which the launcher passes on what state the database was found in.
RESOLVED_STATE = "resolved_state"

_VARIABLE = re.compile(r"\$\{(\w+)\}")
_PASSWORD = re.compile(r"://[^/@:]*:(?P<secret>[^@/]+)@")
_OPTION = re.compile(r"[?&](?:pass\w*|pwd|token|secret\w*|\w*key)=(?P<secret>[^&]+)", re.IGNORECASE)


def check_address(address: str, location: str | None = None) -> None:
    """Checks that no secret stands in an address itself.

    Raises:
        ParameterError: One does; the message does not repeat it.
    """
    for pattern in (_PASSWORD, _OPTION):
        found = pattern.search(address)
        if found and not _VARIABLE.fullmatch(found.group("secret")):
            raise ParameterError(
                "parameter 'connection' holds a secret",
                expected="a reference to an environment variable, such as ${DB_PASSWORD}",
                got="the secret itself, which would be written into the compiled pipeline",
                location=location,
                fix="put it into an environment variable of the process that runs the node",
            )


def external_inputs(parameters: Mapping[str, Any]) -> ExternalInputs:
    """What state the database is in, as far as can be told.

    Of SQLite it is the file. Elsewhere it is what `version_query` answers; without that
    query nobody knows, and the node runs every time.

    Raises:
        DataError: The database cannot be asked.
        ParameterError: An environment variable is not set.
    """
    address = str(parameters["connection"])
    check_address(address)
    question = parameters.get("version_query")
    if question:
        from sqlalchemy import text

        with connected(address) as connection:
            rows = connection.execute(text(question)).fetchall()
        return ExternalInputs([], {RESOLVED_STATE: digest_bytes(repr(rows).encode())})
    path = _sqlite_file(_expanded(address)[0])
    if path is not None:
        files = [path, f"{path}-wal"]
        return ExternalInputs([name for name in files if os.path.isfile(name)])
    return ExternalInputs([], {RESOLVED_STATE: f"not known: {secrets.token_hex(16)}"})


def _sqlite_file(address: str) -> str | None:
    """Path of the file of an SQLite database."""
    scheme, _, rest = address.partition("://")
    path = rest.partition("?")[0].removeprefix("/")
    if scheme.partition("+")[0] != "sqlite" or not path or path.startswith((":memory:", "file:")):
        return None
    path = os.path.abspath(path)
    if not os.path.isfile(path):
        raise DataError("there is no such database", expected="an SQLite file", location=path)
    return path


@contextmanager
def connected(address: str) -> Iterator[Connection]:
    """A connection that is closed at the end of the block.

    Raises:
        DataError: The database cannot be reached, or does not answer a query in the block.
        ParameterError: The address is wrong, or an environment variable is not set.
    """
    import sqlalchemy
    from sqlalchemy.exc import ArgumentError, SQLAlchemyError

    full, hidden = _expanded(address)
    try:
        engine = sqlalchemy.create_engine(full, poolclass=sqlalchemy.NullPool)
    except ModuleNotFoundError as error:
        raise DataError(
            f"the driver for {address.partition(':')[0]} is not installed",
            got=str(error),
            location=address,
            fix=f"pip install {error.name}",
        ) from None
    except (ArgumentError, SQLAlchemyError, ValueError):
        raise ParameterError(
            "parameter 'connection' is no address of a database",
            expected="dialect+driver://user:${PASSWORD}@host/database",
            got=address,
        ) from None
    try:
        with engine.connect() as connection:
            yield connection
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or error).strip()
        for secret in hidden:
            reason = reason.replace(secret, "…")
        raise DataError(
            "the database does not answer",
            got=f"{type(error).__name__}: {reason[:400]}",
            location=address,
            fix="check the query, the address, and that the database is up",
        ) from None
    finally:
        engine.dispose()


def _expanded(address: str) -> tuple[str, list[str]]:
    """(the address with variables put in, their values)."""
    values: list[str] = []

    def value(found: re.Match[str]) -> str:
        name = found.group(1)
        if name not in os.environ:
            raise ParameterError(
                f"environment variable {name} is not set",
                expected=f"the part of the database's address that ${{{name}}} stands for",
                fix=f"export {name}=… where the node runs",
            )
        values.append(os.environ[name])
        # A password may hold any character; a whole address in a variable stays as it is.
        return values[-1] if found.group() == address else quote(values[-1], safe="/")

    full = _VARIABLE.sub(value, address)
    return full, [secret for secret in values if secret]
