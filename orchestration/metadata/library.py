# SPDX-License-Identifier: Apache-2.0
"""ML Metadata itself, imported when a store is first used.

It takes 0.1 to 0.2 s to import, which `penstock --help` and compiling need not pay.
"""

from __future__ import annotations

import functools
import logging
import os
from dataclasses import dataclass
from typing import Any

from ...utils.errors import MetadataError

#: glog's own name of the variable, in its own case.
_LOG_LEVEL = "GLOG_minloglevel"

_logger = logging.getLogger("penstock.metadata")


@dataclass(frozen=True)
class Library:
    """What is used of ML Metadata.

    Attributes:
        mlmd: The package.
        protos: Its messages (`metadata_store_pb2`).
        errors: Its exceptions.
    """

    mlmd: Any
    protos: Any
    errors: Any


@functools.cache
def library() -> Library:
    """Imports ML Metadata, once.

    Raises:
        MetadataError: It is not installed, or does not load on this machine.
    """
    # Its C++ part logs to stderr what we raise as errors. It reads the level once, when it is
    # loaded; processes that we start shall not inherit it.
    level = os.environ.get(_LOG_LEVEL)
    os.environ[_LOG_LEVEL] = level or "3"
    try:
        import ml_metadata
        from ml_metadata import errors
        from ml_metadata.proto import metadata_store_pb2

        ml_metadata.MetadataStore  # noqa: B018 - the package hides a failed import of itself
    except (ImportError, AttributeError) as error:
        raise MetadataError(
            "ML Metadata cannot be imported",
            got=str(error),
            fix="pip install ml-metadata (with the constraint files of this project)",
        ) from error
    finally:
        if level is None:
            del os.environ[_LOG_LEVEL]
    logging.getLogger("absl").addFilter(_divert)
    return Library(ml_metadata, metadata_store_pb2, errors)


def _divert(record: logging.LogRecord) -> bool:
    """Turns what ML Metadata tells the whole process into debug messages of ours."""
    if f"{os.sep}ml_metadata{os.sep}" not in record.pathname:
        return True
    _logger.debug("ml_metadata: %s", record.getMessage())
    return False
