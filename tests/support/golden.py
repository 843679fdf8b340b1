# SPDX-License-Identifier: Apache-2.0
"""Comparing with files that were looked at once and kept.

`PENSTOCK_RECORD=1 make test` writes them anew; read the difference before committing it.
"""

from __future__ import annotations

import os
from pathlib import Path


def check_golden(path: Path, text: str) -> None:
    """Asserts that `text` is what the file at `path` holds."""
    if os.environ.get("PENSTOCK_RECORD"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8"), (
        f"{path.name} differs: see tests/support/golden.py"
    )
