# SPDX-License-Identifier: Apache-2.0
"""Which metadata store a command looks into, and how it is opened to read."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from .shared_options import METADATA_VARIABLE, WHERE, Loaded, option

if TYPE_CHECKING:
    from ..metadata.store import MetadataStore

store_option = option(
    "--metadata", metavar="PATH|URL", envvar=METADATA_VARIABLE, heading=WHERE,
    help="The metadata store [default: the one below .penstock in this folder].",
)  # fmt: skip


def store_for_reading(loaded: Loaded) -> AbstractContextManager[MetadataStore]:
    """The store that a run would use, or an empty one where there is none yet."""
    from ..metadata.connection_settings import Backend, MetadataConfig
    from ..metadata.store import MetadataStore
    from ..runners.run_lifecycle import default_metadata

    config = MetadataConfig.parse(loaded.metadata or default_metadata(loaded.run))
    if config.backend is Backend.SQLITE and not os.path.exists(config.path):
        return MetadataStore(":memory:")
    return MetadataStore(config, create=False)
