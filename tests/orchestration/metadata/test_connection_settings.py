# SPDX-License-Identifier: Apache-2.0
"""The setting that names a store: read, shown without secrets, turned into messages."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from penstock.orchestration.metadata.connection_messages import client_config, database_config
from penstock.orchestration.metadata.connection_settings import Backend, MetadataConfig
from penstock.orchestration.metadata.library import library
from penstock.utils.errors import MetadataError

SECRET = "s3cr3t/with@signs"


@pytest.mark.parametrize(
    ("setting", "path"),
    [
        ("sqlite:///runs/metadata.sqlite", "runs/metadata.sqlite"),
        ("sqlite:////var/metadata.sqlite", "/var/metadata.sqlite"),
        ("runs/metadata.sqlite", "runs/metadata.sqlite"),
        ("/var/metadata.sqlite", "/var/metadata.sqlite"),
        ("sqlite:///a%3Fb%25.sqlite", "a?b%.sqlite"),
    ],
)
def test_sqlite_setting_becomes_absolute_path(setting: str, path: str) -> None:
    """Fails if a path is taken from another folder than the one that the user is in."""
    config = MetadataConfig.parse(setting)
    assert config.backend is Backend.SQLITE
    assert config.path == os.path.abspath(path)
    assert MetadataConfig.parse(config.url) == config


@pytest.mark.parametrize(
    "setting",
    [
        "sqlite:////x/m.sqlite?journal=delete",
        "mysql://root@db.example:3307/mlmd",
        "mysql://root:${DB_PASSWORD}@db.example:3306/mlmd?ssl_ca=%2Fca.pem",
        "postgresql://penstock@[::1]:5432/meta%20data?sslmode=verify-full",
        "grpc://metadata.kubeflow:8080",
        "grpcs://metadata.example:443?timeout=5",
    ],
)
def test_setting_round_trips_as_text(setting: str) -> None:
    """Fails if a node's own process would open another store than the run's."""
    config = MetadataConfig.parse(setting)
    assert MetadataConfig.parse(config.url) == config
    assert MetadataConfig.parse(str(config)) == config


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("sqlit:///x", "did you mean:.* sqlite"),
        ("sqlite://x/y", "three slashes"),
        ("sqlite:///", "names no file"),
        ("mysql://root@db.example", "lacks its host or database"),
        ("postgresql:///db", "lacks its host or database"),
        ("grpc://", "lacks its host"),
        ("mysql://u@h:port/db", "number for the port"),
        ("postgresql://u@h/db?ssl=1", "no option 'ssl'"),
        ("sqlite:///x?journl=wal", "did you mean:.* journal"),
    ],
)
def test_wrong_setting_is_explained(setting: str, said: str) -> None:
    """Fails if a misspelt setting is taken for something else, or not explained."""
    with pytest.raises(MetadataError, match=f"(?s){said}"):
        MetadataConfig.parse(setting)


@pytest.mark.parametrize(
    "setting",
    [
        f"mysql://root:{SECRET}@db/mlmd",
        f"mysql://root:{SECRET}@db",
        f"mysqll://root:{SECRET}@db/mlmd",
        f"postgresql://u:{SECRET}@h:x/db",
        f"postgresql://u:{SECRET}@h/db?nope=1",
    ],
)
def test_password_in_setting_is_refused_and_not_repeated(setting: str) -> None:
    """Fails if a password would reach a terminal or a log through an error."""
    with pytest.raises(MetadataError) as caught:
        MetadataConfig.parse(setting)
    for part in ("s3cr3t", "signs"):
        assert part not in str(caught.value) + repr(caught.value.__dict__)
        assert caught.value.__cause__ is None


def test_password_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails if the password is not found, or shown with the setting."""
    monkeypatch.setenv("DB_PASSWORD", SECRET)
    named = MetadataConfig.parse("mysql://root:${DB_PASSWORD}@db/mlmd")
    assert named.password() == SECRET
    assert SECRET not in repr(named) + named.url
    monkeypatch.setenv("PENSTOCK_METADATA_PASSWORD", "other")
    assert MetadataConfig.parse("mysql://root@db/mlmd").password() == "other"
    monkeypatch.delenv("DB_PASSWORD")
    with pytest.raises(MetadataError, match="DB_PASSWORD is not set"):
        named.password()


def test_mysql_message_has_the_fields_of_the_proto(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails if a setting of MySQL is dropped or lands in another field."""
    monkeypatch.setenv("PENSTOCK_METADATA_PASSWORD", "pw")
    config = MetadataConfig.parse(
        "mysql://root@db.example:3307/mlmd"
        "?ssl_ca=/ca.pem&ssl_key=/key.pem&verify_server_cert=true&skip_db_creation=1"
    )
    mysql = database_config(config, library().protos).mysql
    assert (mysql.host, mysql.port, mysql.database) == ("db.example", 3307, "mlmd")
    assert (mysql.user, mysql.password) == ("root", "pw")
    assert (mysql.ssl_options.ca, mysql.ssl_options.key) == ("/ca.pem", "/key.pem")
    assert mysql.ssl_options.verify_server_cert and mysql.skip_db_creation
    by_socket = MetadataConfig.parse("mysql://root@localhost/mlmd?socket=/run/mysqld.sock")
    mysql = database_config(by_socket, library().protos).mysql
    assert (mysql.socket, mysql.host) == ("/run/mysqld.sock", "")


def test_postgresql_message_has_the_fields_of_the_proto(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails if a setting of PostgreSQL is dropped; its port is text there."""
    monkeypatch.delenv("PENSTOCK_METADATA_PASSWORD", raising=False)
    config = MetadataConfig.parse(
        "postgresql://me@db/mlmd?sslmode=verify-full&sslrootcert=/ca.pem&passfile=/pass"
    )
    postgresql = database_config(config, library().protos).postgresql
    assert (postgresql.host, postgresql.port, postgresql.dbname) == ("db", "5432", "mlmd")
    assert (postgresql.user, postgresql.passfile) == ("me", "/pass")
    assert not postgresql.HasField("password")
    assert postgresql.ssloption.sslmode == "verify-full"
    assert postgresql.ssloption.sslrootcert == "/ca.pem"


def test_grpc_message_holds_contents_of_certificates(tmp_path: Path) -> None:
    """Fails if TLS is not used when asked for, or gets paths instead of certificates."""
    (tmp_path / "ca.pem").write_text("CERTIFICATE")
    protos = library().protos
    plain = client_config(MetadataConfig.parse("grpc://meta:9000"), protos)
    assert (plain.host, plain.port) == ("meta", 9000)
    assert not plain.HasField("ssl_config")
    secure = client_config(
        MetadataConfig.parse(f"grpcs://meta:443?ca={tmp_path}/ca.pem&timeout=2.5"), protos
    )
    assert secure.ssl_config.custom_ca == "CERTIFICATE"
    assert secure.client_timeout_sec == 2.5
    assert client_config(MetadataConfig.parse("grpcs://meta"), protos).HasField("ssl_config")
    with pytest.raises(MetadataError, match="'ca' cannot be read"):
        client_config(MetadataConfig.parse("grpcs://meta?ca=/nope.pem"), protos)
