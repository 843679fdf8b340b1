# SPDX-License-Identifier: Apache-2.0
"""Is it safe to load a `torch.export` archive?

`torch.export.load` unpickles what an archive marks as pickled: weights that are no plain
tensors, custom objects, and sample inputs (with a fall-back from `weights_only=True` to
anything). It also loads machine code that AOTInductor compiled. A plain exported model has
none of these; an archive that has is refused before torch sees it.
"""

from __future__ import annotations

import io
import json
import pickle
from typing import Any

import torch
from torch.export.pt2_archive._package import PT2ArchiveReader

from .predictor import ModelError

_CONFIGS = ("data/weights/", "data/constants/")


def check_archive(path: str) -> None:
    """Refuses an archive whose loading could run code.

    Raises:
        ModelError: It holds pickled objects or machine code, or is damaged.
    """
    try:
        # torch's own reader, so that the check and the loading see the same files.
        with PT2ArchiveReader(path) as archive:
            danger = _danger(archive)
    except (RuntimeError, ValueError, OSError, KeyError) as error:
        raise ModelError(
            "the torch.export archive cannot be read",
            expected="what torch.export.save writes",
            got=f"{type(error).__name__}: {str(error).splitlines()[0][:300] if str(error) else ''}",
            location=path,
        ) from error
    if danger is not None:
        raise ModelError(
            f"the torch.export archive holds {danger}, which is refused: loading it could run "
            "whatever its writer put into it",
            expected="a graph with plain tensors",
            got=danger,
            location=path,
            fix="export a model whose weights, buffers and constants are plain tensors, with "
            "torch.export.save of torch 2.8 or later",
        )


def _danger(archive: Any) -> str | None:
    names = set(archive.get_file_names())
    if "archive_format" not in names and not any(n.startswith("models/") for n in names):
        return "the form that torch wrote before version 2.8, with pickled weights"
    for name in sorted(names):
        if name.startswith("data/aotinductor/"):
            return f"machine code ({name})"
        if name.startswith(_CONFIGS) and name.endswith(".pt"):
            return f"pickled tensors ({name})"
        if name.startswith(_CONFIGS) and name.endswith("_config.json"):
            for key, entry in json.loads(archive.read_string(name))["config"].items():
                if entry.get("use_pickle", True):
                    return f"a pickled object ({key})"
        if name.startswith("data/sample_inputs/") and not _is_plain(archive.read_bytes(name)):
            return f"pickled objects among the sample inputs ({name})"
    return None


def _is_plain(data: bytes) -> bool:
    if not data:
        return True
    try:
        torch.load(io.BytesIO(data), weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError):
        return False
    return True
