# SPDX-License-Identifier: Apache-2.0
"""Logging: quiet until told otherwise, readable by people or by machines, without secrets.

Modules take a logger with `get_logger(__name__)`; importing them installs no handler. A
program calls `configure` once. Handlers that others add are kept free of secrets by adding
a `RedactSecrets` filter to them.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import time
from typing import Any, TextIO

_FRAMEWORK = __name__.split(".", 1)[0]
_LEVELS = {-1: logging.ERROR, 0: logging.WARNING, 1: logging.INFO}

_SECRET_NAME = re.compile(r"(?:\A|_)(?:PASSWORD|PASSWD|TOKEN|SECRET|KEY)\Z", re.IGNORECASE)
#: Shorter values are words of ordinary text: hiding each "1" would leave nothing to read.
_SHORTEST_SECRET = 4
_URL_PASSWORD = re.compile(r"(?P<start>[A-Za-z][A-Za-z0-9+.-]*://[^\s/:@]*):[^\s/]+@")
_HIDDEN = "***"
_STANDARD_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


def get_logger(name: str) -> logging.Logger:
    """The logger of a module; names outside the package are put below it."""
    inside = name == _FRAMEWORK or name.startswith(_FRAMEWORK + ".")
    return logging.getLogger(name if inside else f"{_FRAMEWORK}.{name}")


def configure(
    verbosity: int = 0,
    json: bool = False,
    stream: TextIO | None = None,
) -> logging.Handler:
    """Sends Penstock's log to a stream; calling it again replaces the earlier setting.

    Args:
        verbosity: -1 errors only, 0 warnings too, 1 what is going on, 2 everything.
        json: One JSON object for each line, instead of text.
        stream: Where to write; standard error by default.

    Returns:
        The handler, already installed.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.set_name(_FRAMEWORK)
    handler.addFilter(RedactSecrets())
    handler.setFormatter(JsonLines() if json else _text_format(verbosity))
    logger = logging.getLogger(_FRAMEWORK)
    for old in [found for found in logger.handlers if found.get_name() == _FRAMEWORK]:
        logger.removeHandler(old)
    logger.addHandler(handler)
    logger.setLevel(_LEVELS.get(max(-1, verbosity), logging.DEBUG))
    logger.propagate = False
    return handler


def redact(text: str) -> str:
    """`text` without the values of secret environment variables and passwords in URLs.

    Secret are variables whose name ends in `PASSWORD`, `PASSWD`, `TOKEN`, `SECRET` or
    `KEY` as a word of its own, if they have at least four characters.
    """
    for value in _secrets():
        if value in text:
            text = text.replace(value, _HIDDEN)
    return _URL_PASSWORD.sub(rf"\g<start>:{_HIDDEN}@", text) if "://" in text else text


class RedactSecrets(logging.Filter):
    """Hides secrets in a record's message, extra fields and traceback."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrites the record; lets every record pass."""
        record.msg, record.args = redact(record.getMessage()), None
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = redact(record.exc_text)
        for name, value in vars(record).items():
            if name not in _STANDARD_FIELDS and isinstance(value, str):
                setattr(record, name, redact(value))
        return True


class JsonLines(logging.Formatter):
    """One JSON object for each record: time (UTC), level, logger, message, extra fields."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        fields: dict[str, Any] = {
            "time": f"{moment}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        for name, value in vars(record).items():
            if name not in _STANDARD_FIELDS and name not in fields:
                fields[name] = value
        if record.exc_info and not record.exc_text:
            record.exc_text = self.formatException(record.exc_info)
        if record.exc_text:
            fields["exception"] = record.exc_text
        return json.dumps(fields, default=str)


def _text_format(verbosity: int) -> logging.Formatter:
    if verbosity >= 2:
        return logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s")
    return logging.Formatter("%(levelname)s: %(message)s")


def _secrets() -> list[str]:
    """Values to hide, longest first, so that none leaves the tail of another."""
    found = {
        value
        for name, value in os.environ.items()
        if len(value) >= _SHORTEST_SECRET and _SECRET_NAME.search(name)
    }
    return sorted(found, key=len, reverse=True)
