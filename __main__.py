# SPDX-License-Identifier: Apache-2.0
"""`python -m penstock`: the same as the command `penstock`."""

from __future__ import annotations

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
