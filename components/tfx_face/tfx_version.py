# SPDX-License-Identifier: Apache-2.0
"""Which TFX the names are those of."""

from __future__ import annotations

#: The release whose public names and arguments are here.
__version__ = "1.16.0"
