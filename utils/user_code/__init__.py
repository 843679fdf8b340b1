# SPDX-License-Identifier: Apache-2.0
"""User code as it travels: collected, fingerprinted, written out, loaded, and traced back.

====================  ================================================================
`collect`             a file, module or function to a bundle of the user's own modules
`CodeBundle`          source texts with a digest; travels inside the compiled pipeline
`fingerprint`         digest of what a function depends on, for cache keys
`slice_report`        the same, statement by statement, to say what changed
`materialize`         a bundle to a folder
`load_function`       a function from that folder
`user_frames`         the user's part of a traceback
====================  ================================================================
"""

from __future__ import annotations

from .bundle import CodeBundle
from .entry import Collected, collect
from .import_failures import explain_missing_module
from .loader import (
    load_function,
    load_module,
    loading_module,
    materialize,
    preserved_imports,
)
from .source_slice import defined_names, describe_changes, fingerprint, slice_report
from .tracebacks import original_path, user_frames

__all__ = [
    "CodeBundle",
    "Collected",
    "collect",
    "defined_names",
    "describe_changes",
    "explain_missing_module",
    "fingerprint",
    "load_function",
    "load_module",
    "loading_module",
    "materialize",
    "original_path",
    "preserved_imports",
    "slice_report",
    "user_frames",
]
