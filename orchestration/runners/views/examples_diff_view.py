# SPDX-License-Identifier: Apache-2.0
"""A diff of examples: how many records have partners, and which features differ in them."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterator
from typing import Any

from ....components.base.artifact import Artifact
from ....components.validate.example_diff import ExamplesDiff
from ....utils import storage
from ....utils.errors import DataError
from .event_files import records
from .splits import as_type, chosen_splits
from .view import Block, Facts, Fold, Table, View, Wanted, Words

_MESSAGES = "tensorflow_data_validation.skew.protos.feature_skew_results_pb2"
_COLUMNS = ("feature", "differ", "equal", "only in the baseline", "only in the examples",
            "differ %")  # fmt: skip


def examples_diff_view(artifact: Artifact, wanted: Wanted) -> View:
    """The differences between pairs of records, for each pair of splits.

    Raises:
        DataError: The library that knows the messages is not installed, or there is no such pair.
    """
    diff = as_type(artifact, ExamplesDiff)
    messages = _messages()
    blocks: list[Block] = []
    for pair in chosen_splits(diff, wanted):
        folder = os.path.join(storage.local_path(artifact.uri), f"SplitPair-{pair}")
        inner: list[Block] = list(map(_matches, _read(folder, "match_stats", messages.MatchStats)))
        found = list(_read(folder, "skew_stats", messages.FeatureSkew))
        rows = [
            (each.feature_name, each.diff_count, each.match_count, each.base_only, each.test_only,
             round(100.0 * each.diff_count / max(1, each.diff_count + each.match_count), 2))
            for each in sorted(found, key=lambda each: (-each.diff_count, each.feature_name))
            if not wanted.features or each.feature_name in wanted.features
        ]  # fmt: skip
        if rows:
            inner.append(Table(_COLUMNS, rows, "Features of the pairs"))
        else:
            inner.append(Words("No feature differs in any pair.", "fine"))
        counts = list(_read(folder, "confusion", messages.ConfusionCount))
        if counts:
            inner.append(_confusion(counts))
        blocks.append(Fold(f"splits {pair}", inner, is_open=True))
    return View("Differences between records", blocks, artifact.uri)


def _matches(match: Any) -> Facts:
    return Facts(
        [
            ("pairs with equal identifiers", match.matching_pairs_count),
            ("records of the examples", match.test_with_id_count),
            ("records of the baseline", match.base_with_id_count),
            ("without an identifier", match.base_missing_id_count + match.test_missing_id_count),
            ("identifiers that come twice", match.duplicate_id_count),
        ]
    )


def _confusion(counts: list[Any]) -> Table:
    """How often a value stands against another, those that differ and are frequent first."""

    def value(found: Any) -> str:
        return str(found.bytes_value.decode("utf-8", "replace"))

    rows = [
        (each.feature_name, value(each.base), value(each.test), each.count)
        for each in sorted(counts, key=lambda c: (c.feature_name, c.base == c.test, -c.count))
    ]
    columns = ("feature", "in the baseline", "in the examples", "pairs")
    return Table(columns, rows, "Values that stand against each other")


def _read(folder: str, prefix: str, kind: Any) -> Iterator[Any]:
    for name in sorted(os.listdir(folder)):
        if name.startswith(prefix):
            for record in records(os.path.join(folder, name)):
                yield kind.FromString(record)


def _messages() -> Any:
    """TFDV's messages alone: the library itself loads TensorFlow and Beam.

    Raises:
        DataError: The library is not installed.
    """
    if _MESSAGES in sys.modules:
        return sys.modules[_MESSAGES]
    package, _, path = _MESSAGES.partition(".")
    library = importlib.util.find_spec(package)
    places = list(library.submodule_search_locations or ()) if library is not None else []
    if not places:
        raise DataError(
            "differences between records need TensorFlow Data Validation's message types",
            got=f"{package} is not installed",
            fix='pip install "penstock[ml]"',
        )
    file = os.path.join(places[0], *path.split(".")) + ".py"
    spec = importlib.util.spec_from_file_location(_MESSAGES, file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    # Messages are registered once in a process: the library finds these when it is loaded.
    sys.modules[_MESSAGES] = module
    return module
