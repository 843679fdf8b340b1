# SPDX-License-Identifier: Apache-2.0
"""Brings the schema of a metadata store to the version of the installed library.

    python -m penstock.orchestration.metadata.upgrade sqlite:///metadata.sqlite

Back the store up first. No run may use it meanwhile. Programs with an older ML Metadata
cannot read it afterwards.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from ...utils.errors import MetadataError
from .connection import Connection
from .connection_settings import MetadataConfig


def upgrade(config: MetadataConfig) -> None:
    """Upgrades one store; does nothing where it is up to date.

    Raises:
        MetadataError: There is no store, or it cannot be upgraded.
    """
    Connection(config, create=False, upgrade=True).close()


def main(arguments: Sequence[str] | None = None) -> int:
    """Upgrades the store that the command line names; returns the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("store", help="the setting of the store, or the path of its file")
    try:
        upgrade(MetadataConfig.parse(parser.parse_args(arguments).store))
    except MetadataError as error:
        print(error, file=sys.stderr)
        return 1
    print("The store has the schema of the installed ML Metadata.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
