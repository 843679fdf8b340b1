# SPDX-License-Identifier: Apache-2.0
"""skops files whose bytes depend on what is saved alone, and that load nothing unexpected.

skops (https://skops.readthedocs.io/en/stable/persistence.html) writes an object as a zip
archive with a `schema.json` and arrays. As it stands, the archive holds the time and the
addresses that objects had in memory; here addresses become numbers in order of appearance,
and the time is always the same. What was one object in memory (two equal texts may have
been, or not) is written and read as several, which nothing depends on.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Collection
from typing import Any

from ....utils.errors import DataError
from .skops_library import skops_io

#: Types and functions that skops does not list, and that do nothing but compute: what common
#: transformers (SimpleImputer, KBinsDiscretizer, SelectKBest, SplineTransformer, selectors of
#: columns) are made of.
HARMLESS = frozenset(
    {
        "numpy.dtype",
        "numpy.mean",
        "scipy._lib.array_api_compat.numpy._aliases.asarray",
        "scipy.interpolate._bsplines.BSpline",
        "sklearn.compose._column_transformer.make_column_selector",
        "sklearn.feature_selection._mutual_info.mutual_info_classif",
        "sklearn.feature_selection._mutual_info.mutual_info_regression",
        "sklearn.feature_selection._univariate_selection.chi2",
        "sklearn.feature_selection._univariate_selection.f_classif",
        "sklearn.feature_selection._univariate_selection.f_regression",
        "sklearn.model_selection._split.KFold",
        "sklearn.model_selection._split.StratifiedKFold",
    }
)

_SCHEMA = "schema.json"
#: Where a text vectorizer notes the address of the stop words that it has checked, so as not
#: to check them again: an attribute that another process cannot use.
_ADDRESS = "_stop_words_id"
#: The earliest that a zip archive can say.
_TIME = (1980, 1, 1, 0, 0, 0)


def dump(value: Any) -> bytes:
    """The bytes of a skops file, the same whenever an equal object is saved.

    Raises:
        Exception: skops cannot save the object; which kind depends on the object.
    """
    return canonical(skops_io.dumps(value))


def canonical(data: bytes) -> bytes:
    """A skops file without what differs from one saving to the next."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    names = _Names()
    schema = names.rename(json.loads(contents.pop(_SCHEMA)))
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        _add(archive, _SCHEMA, json.dumps(schema).encode())
        for old, new in names.files.items():
            _add(archive, new, contents.pop(old))
        for name in sorted(contents):
            _add(archive, name, contents[name])
    return written.getvalue()


def foreign_types(data: bytes) -> list[str]:
    """Dotted names of the types in a file that are not known to be harmless."""
    return [name for name in skops_io.get_untrusted_types(data=data) if name not in HARMLESS]


def load(data: bytes, trusted: Collection[str], location: str) -> Any:
    """The object in a file.

    Args:
        data: The file's content.
        trusted: Dotted names of types to load beside those known to be harmless.
        location: The file, for messages.

    Raises:
        DataError: The file is damaged, or holds types that nobody trusts.
    """
    try:
        return skops_io.loads(data, trusted=sorted({*trusted, *HARMLESS}))
    except skops_io.exceptions.UntrustedTypesFoundException as error:
        raise DataError(
            "a skops file holds types that are not trusted",
            expected="types of scikit-learn, NumPy and SciPy, or of the code saved beside it",
            got=str(error),
            location=location,
            fix="do not serve this model unless you know where it came from; fit it again",
        ) from None
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise DataError(
            "a skops file cannot be read",
            got=f"{type(error).__name__}: {error}",
            location=location,
            fix="run the node that writes it again",
        ) from error


class _Names:
    """New names for objects and files, in order of their appearance."""

    def __init__(self) -> None:
        self.files: dict[str, str] = {}
        self._count = 0

    def rename(self, value: Any) -> Any:
        """The value with all of them renamed."""
        if isinstance(value, list):
            return [self.rename(item) for item in value]
        if not isinstance(value, dict):
            return value
        renamed: dict[str, Any] = {}
        # The content of a saved dict is under keys of its own: only skops's nodes have a loader.
        is_node = "__loader__" in value
        for key, item in value.items():
            if is_node and key == "__id__":
                renamed[key] = self._count
                self._count += 1
            elif is_node and key == "file" and isinstance(item, str):
                ending = item.rpartition(".")[2]
                renamed[key] = self.files.setdefault(item, f"{len(self.files)}.{ending}")
            elif key == _ADDRESS and isinstance(item, dict):
                renamed[key] = self.rename({**item, "content": "0"})
            else:
                renamed[key] = self.rename(item)
        return renamed


def _add(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    entry = zipfile.ZipInfo(name, _TIME)
    entry.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(entry, data)
