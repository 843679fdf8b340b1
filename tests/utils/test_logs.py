# SPDX-License-Identifier: Apache-2.0
"""Logs: quiet, readable, and free of secrets."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
from collections.abc import Iterator

import pytest

from penstock.utils.logs import RedactSecrets, configure, get_logger, redact


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Where the log goes; afterwards logging is as it was."""
    logger = logging.getLogger("penstock")
    before = (list(logger.handlers), logger.level, logger.propagate)
    yield io.StringIO()
    logger.handlers, logger.level, logger.propagate = before


def test_nothing_is_set_up_by_importing() -> None:
    """A library must leave its user's logging alone."""
    script = (
        "import logging, penstock.utils.logs as l; l.get_logger('x');"
        "assert not logging.getLogger().handlers and not logging.getLogger('penstock').handlers"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.parametrize(
    ("verbosity", "shown"), [(-1, "E"), (0, "WE"), (1, "IWE"), (2, "DIWE"), (9, "DIWE")]
)
def test_verbosity(stream: io.StringIO, verbosity: int, shown: str) -> None:
    """-q and -v must do what they say."""
    configure(verbosity, stream=stream)
    logger = get_logger("penstock.x")
    for level, word in zip((10, 20, 30, 40), "DIWE", strict=True):
        logger.log(level, word)
    assert "".join(line[-1] for line in stream.getvalue().splitlines()) == shown


def test_configuring_again_replaces(stream: io.StringIO) -> None:
    """Each line must be written once."""
    configure(1, stream=io.StringIO())
    configure(1, stream=stream)
    get_logger("mine").info("once")
    assert stream.getvalue() == "INFO: once\n"
    assert get_logger("mine").name == "penstock.mine"


def test_json_lines(stream: io.StringIO) -> None:
    """Machines read one object for each line, whatever is in it."""
    configure(1, json=True, stream=stream)
    get_logger("x").info("two\nlines %s", "é", extra={"node": "Trainer", "odd": {1}})
    try:
        raise ValueError("bad")
    except ValueError:
        get_logger("x").exception("failed")
    first, second = map(json.loads, stream.getvalue().splitlines())
    assert first["message"] == "two\nlines é"
    assert (first["level"], first["logger"], first["node"]) == ("info", "penstock.x", "Trainer")
    assert first["time"].endswith("Z")
    assert second["exception"].endswith("ValueError: bad")


def test_secrets_never_reach_the_log(stream: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    """A password in a log is a password in a bucket."""
    monkeypatch.setenv("DB_PASSWORD", "hunter22")
    monkeypatch.setenv("github_token", "ghp_abc")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter22-longer")
    monkeypatch.setenv("MONKEY", "banana")
    monkeypatch.setenv("SHORT_KEY", "1")
    for as_json in (False, True):
        configure(1, json=as_json, stream=stream)
        logger = get_logger("x")
        logger.info("with %s and %s", "hunter22-longer", {"token": "ghp_abc"})
        logger.info("mysql://me:s3cr3t@host/db and banana 1", extra={"uri": "x://u:pw22@h"})
        try:
            raise ValueError("hunter22")
        except ValueError:
            logger.exception("failed")
    text = stream.getvalue()
    for secret in ("hunter22", "longer", "ghp_abc", "s3cr3t", "pw22"):
        assert secret not in text
    assert "mysql://me:***@host/db and banana 1" in text


def test_filter_for_other_handlers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Per-node log files need the same protection."""
    monkeypatch.setenv("API_TOKEN", "abcdef")
    record = logging.makeLogRecord({"msg": "uses %s", "args": ("abcdef",)})
    assert RedactSecrets().filter(record)
    assert record.getMessage() == "uses ***"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("postgresql://u:p@h:5432/d", "postgresql://u:***@h:5432/d"),
        ("http://:p@h", "http://:***@h"),
        ("s3://bucket/a:b@c", "s3://bucket/a:b@c"),
        ("http://host:8080/a@b", "http://host:8080/a@b"),
        ("a@b:c", "a@b:c"),
        ("x://u:p@ss@h/y", "x://u:***@h/y"),
    ],
)
def test_passwords_in_urls(text: str, expected: str) -> None:
    """Only passwords go; ports, keys and addresses stay readable."""
    assert redact(text) == expected
