# SPDX-License-Identifier: Apache-2.0
"""A setting as the messages with which ML Metadata is told what to connect to.

The field names are those of `ml_metadata/proto/metadata_store.proto`.
"""

from __future__ import annotations

from typing import Any

from ...utils.errors import MetadataError
from .connection_settings import Backend, MetadataConfig
from .sqlite_file import read_only_uri

_TRUE = ("1", "true", "yes")


def database_config(config: MetadataConfig, protos: Any, *, read_only: bool = False) -> Any:
    """The `ConnectionConfig` of a database that this process connects to itself.

    Raises:
        MetadataError: The password's environment variable is not set.
    """
    message = protos.ConnectionConfig()
    if config.backend is Backend.SQLITE:
        if config.in_memory:
            message.fake_database.SetInParent()
        else:
            modes = protos.SqliteMetadataSourceConfig
            if read_only:
                message.sqlite.filename_uri = read_only_uri(config.path)
                message.sqlite.connection_mode = modes.READONLY
            else:
                message.sqlite.filename_uri = config.path
                message.sqlite.connection_mode = modes.READWRITE_OPENCREATE
    elif config.backend is Backend.MYSQL:
        _fill_mysql(config, message.mysql)
    else:
        _fill_postgresql(config, message.postgresql)
    return message


def _fill_mysql(config: MetadataConfig, mysql: Any) -> None:
    options = config.options
    mysql.database, mysql.user = config.database, config.user
    if "socket" in options:
        mysql.socket = options["socket"]
    else:
        mysql.host, mysql.port = config.host, config.port
    password = config.password()
    if password is not None:
        mysql.password = password
    if "skip_db_creation" in options:
        mysql.skip_db_creation = options["skip_db_creation"].lower() in _TRUE
    for name in ("key", "cert", "ca", "capath", "cipher"):
        if f"ssl_{name}" in options:
            setattr(mysql.ssl_options, name, options[f"ssl_{name}"])
    if "verify_server_cert" in options:
        verify = options["verify_server_cert"].lower() in _TRUE
        mysql.ssl_options.verify_server_cert = verify


def _fill_postgresql(config: MetadataConfig, postgresql: Any) -> None:
    options = config.options
    postgresql.host, postgresql.port = config.host, str(config.port)
    postgresql.dbname, postgresql.user = config.database, config.user
    password = config.password()
    if password is not None:
        postgresql.password = password
    for name in ("hostaddr", "passfile"):
        if name in options:
            setattr(postgresql, name, options[name])
    if "skip_db_creation" in options:
        postgresql.skip_db_creation = options["skip_db_creation"].lower() in _TRUE
    for name in ("sslmode", "sslcert", "sslkey", "sslrootcert"):
        if name in options:
            setattr(postgresql.ssloption, name, options[name])


def client_config(config: MetadataConfig, protos: Any) -> Any:
    """The `MetadataStoreClientConfig` of an ML Metadata server.

    Raises:
        MetadataError: A certificate cannot be read, or the timeout is not a number.
    """
    message = protos.MetadataStoreClientConfig(host=config.host, port=config.port)
    options = config.options
    # A run of many nodes is read back whole, which goes beyond gRPC's default of 4 MiB.
    message.channel_arguments.max_receive_message_length = 256 * 1024 * 1024
    if "timeout" in options:
        try:
            message.client_timeout_sec = float(options["timeout"])
        except ValueError:
            raise MetadataError(
                "the option 'timeout' is a number of seconds",
                got=options["timeout"],
                location=config.url,
            ) from None
    if config.tls:
        message.ssl_config.SetInParent()
        fields = {"ca": "custom_ca", "client_key": "client_key", "client_cert": "server_cert"}
        for option, field in fields.items():
            if option in options:
                setattr(message.ssl_config, field, _pem(options[option], option, config))
    return message


def _pem(path: str, option: str, config: MetadataConfig) -> str:
    """Text of a certificate or key: the message holds contents, not paths."""
    try:
        with open(path, encoding="ascii") as file:
            return file.read()
    except (OSError, ValueError) as error:
        raise MetadataError(
            f"the file of option {option!r} cannot be read",
            expected="a file in PEM format",
            got=str(error),
            location=config.url,
        ) from error
