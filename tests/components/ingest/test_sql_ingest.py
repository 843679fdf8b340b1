# SPDX-License-Identifier: Apache-2.0
"""`SqlExampleGen` on SQLite, and on a PostgreSQL server that lives as long as the tests."""

from __future__ import annotations

import contextlib
import datetime
import os
import shutil
import socket
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from penstock.components.ingest.examples_reader import examples_schema, read_table
from penstock.components.ingest.sql_connection import connected, external_inputs
from penstock.components.ingest.sql_example_gen import SqlExampleGen
from penstock.utils.errors import DataError, ParameterError

pytest.importorskip("sqlalchemy")

ONE = {"split_config": {"splits": [{"name": "all", "hash_buckets": 1}]}}
PASSWORD = "p@ss/w:rd%"


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """An SQLite file with one table."""
    path = tmp_path / "data.sqlite"
    with contextlib.closing(sqlite3.connect(path)) as opened, opened:
        opened.execute("create table t (n integer, x real, s text, b blob, m)")
        opened.executemany(
            "insert into t values (?, ?, ?, ?, ?)",
            [(n, n / 2, f"s{n}" if n % 3 else None, b"\xff", n if n % 2 else "x")
             for n in range(20_000)],
        )  # fmt: skip
    return path


def test_sqlite(database: Path, node_runner: Any) -> None:
    """Rows are lost, or types are wrong."""
    node = SqlExampleGen(
        connection=f"sqlite:///{database}",
        query="select n, x, s, b, m from t where n >= :span order by n",
        span=10_000,
    )
    found = node_runner(node)
    assert found.rows == 10_000
    assert found.examples.splits == ["train", "eval"]
    kinds = {field.name: str(field.type) for field in examples_schema(found.examples)}
    assert kinds == {"n": "int64", "x": "double", "s": "string", "b": "binary", "m": "string"}
    first = read_table(found.examples, "train").to_pylist()[0]
    assert first["x"] == first["n"] / 2
    assert first["m"] == (str(first["n"]) if first["n"] % 2 else "x")
    assert found.examples.span == 10_000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"query": "select nope from t"}, "does not answer"),
        ({"query": "select n from t where n < 0"}, "holds no records"),
        ({"query": "select n, n from t"}, "missing or ambiguous"),
        ({"query": "delete from t"}, "returns no rows"),
        ({"query": "select m from t", "column_types": {"m": "int"}}, "not of the column's type"),
        ({"query": "select n from t", "column_types": {"mm": "int"}}, "no column"),
    ],
)
def test_faults_are_explained(
    database: Path, node_runner: Any, arguments: Any, message: str
) -> None:
    """A query that cannot work ends in a traceback of SQLAlchemy's."""
    with pytest.raises(DataError, match=message):
        node_runner(SqlExampleGen(connection=f"sqlite:///{database}", **arguments))


def test_secrets_stay_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """A password is written into the compiled pipeline, or into an error."""
    for address in ("postgresql://me:hunter2@host/db", "mysql://host/db?password=hunter2"):
        with pytest.raises(ParameterError, match="holds a secret") as raised:
            SqlExampleGen(connection=address, query="select 1")
        assert "hunter2" not in str(raised.value)
    node = SqlExampleGen(connection="postgresql+psycopg://me:${NO_SUCH}@h/db", query="select 1")
    with pytest.raises(ParameterError, match="NO_SUCH is not set"):
        external_inputs(node.parameters)


def test_unchanged_databases_are_known(database: Path) -> None:
    """A changed database is taken for the old one, or an unchanged one is asked again."""
    address = f"sqlite:///{database}"
    assert external_inputs({"connection": address}).files == [str(database)]
    question = {"connection": address, "version_query": "select max(n) from t"}
    state = external_inputs(question).parameters
    assert external_inputs(question).parameters == state
    with contextlib.closing(sqlite3.connect(database)) as opened, opened:
        opened.execute("insert into t (n) values (99999)")
    assert external_inputs(question).parameters != state


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """Address of a server of our own; its password is in `PENSTOCK_TEST_PASSWORD`."""
    pytest.importorskip("psycopg")
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        pytest.skip("PostgreSQL is not installed")
    as_user: list[str] = []
    if os.getuid() == 0:
        if (
            not shutil.which("runuser")
            or subprocess.run(["id", "postgres"], capture_output=True, check=False).returncode
        ):
            pytest.skip("there is no user postgres to run the server as")
        as_user = ["runuser", "-u", "postgres", "--"]
    programs = found[-1].parent
    # A socket's path must be short, and the server's user must get there.
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    data = folder / "data"
    if as_user:
        shutil.chown(folder, "postgres")
    (folder / "password").write_text(PASSWORD)
    os.chmod(folder / "password", 0o644)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def do(*command: str) -> None:
        done = subprocess.run(
            [*as_user, *command], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, cwd="/", check=False, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr

    try:
        do(str(programs / "initdb"), "-D", str(data), "-U", "reader", "-A", "scram-sha-256",
           "--pwfile", str(folder / "password"), "--no-sync", "-E", "UTF8",
           "--locale", "C")  # fmt: skip
        options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        do(str(programs / "pg_ctl"), "-D", str(data), "-w", "-o", options, "-l",
           str(folder / "log"), "start")  # fmt: skip
        os.environ["PENSTOCK_TEST_PASSWORD"] = PASSWORD
        yield (f"postgresql+psycopg://reader:${{PENSTOCK_TEST_PASSWORD}}@127.0.0.1:{port}/postgres")
    finally:
        os.environ.pop("PENSTOCK_TEST_PASSWORD", None)
        if (data / "postmaster.pid").exists():
            do(str(programs / "pg_ctl"), "-D", str(data), "-m", "immediate", "-w", "stop")
        shutil.rmtree(folder, ignore_errors=True)


def test_postgresql(postgres: str, node_runner: Any) -> None:
    """What a real server answers is not understood."""
    import sqlalchemy

    with connected(postgres) as connection:
        connection.execute(
            sqlalchemy.text(
                "create table sales as select n, n * 1.25 as price, 'é' || n as name, "
                "n % 2 = 0 as even, date '2024-01-01' + n as day, "
                "timestamptz '2024-01-01 00:00:00+00' as seen, "
                "array[n, n + 1] as pair, json_build_object('k', n) as extra, "
                "md5(n::text)::uuid as id from generate_series(0, 9999) n"
            )
        )
        connection.commit()
    node = SqlExampleGen(
        connection=postgres,
        query="select * from sales order by n",
        output_config=ONE,
        version_query="select count(*) from sales",
    )
    found = node_runner(node)
    kinds = {field.name: str(field.type) for field in examples_schema(found.examples)}
    assert kinds == {
        "n": "int64", "price": "double", "name": "string", "even": "bool",
        "day": "date32[day]", "seen": "timestamp[us, tz=UTC]", "pair": "list<item: int64>",
        "extra": "string", "id": "string",
    }  # fmt: skip
    table = read_table(found.examples, "all")
    assert table.num_rows == 10_000
    row = table.slice(3, 1).to_pylist()[0]
    assert (row["n"], row["price"], row["name"], row["even"]) == (3, 3.75, "é3", False)
    assert (row["day"], row["pair"], row["extra"]) == (
        datetime.date(2024, 1, 4), [3, 4], '{"k":3}',
    )  # fmt: skip
    assert external_inputs(node.parameters) == external_inputs(node.parameters)
    nobody_knows = {"connection": postgres}
    assert external_inputs(nobody_knows) != external_inputs(nobody_knows)


def test_postgresql_refuses(
    postgres: str, node_runner: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong password ends in a traceback, or is shown."""
    monkeypatch.setenv("PENSTOCK_TEST_PASSWORD", "wrong-secret")
    with pytest.raises(DataError, match="does not answer") as raised:
        node_runner(SqlExampleGen(connection=postgres, query="select 1 as x"))
    assert "wrong-secret" not in str(raised.value)
    assert "password" in str(raised.value)
