# SPDX-License-Identifier: Apache-2.0
"""Classes by dotted name."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.utils.errors import CodeError
from penstock.utils.missing_modules import install_hint
from penstock.utils.module_loading import load_object
from penstock.utils.names import check_node_id


@pytest.mark.parametrize(
    "path", ["penstock.utils.names:check_node_id", "penstock.utils.names.check_node_id"]
)
def test_both_spellings(path: str) -> None:
    """Executors are named with a colon, TFX's type names with dots."""
    assert load_object(path) is check_node_id


def test_nested_names() -> None:
    """A class inside a class has a name too."""
    assert load_object("pathlib:Path.home") == Path.home
    assert load_object("pathlib.Path.home") == Path.home


@pytest.mark.parametrize(
    ("path", "what", "suggestion"),
    [
        ("penstock.utils.nams:x", "no module penstock.utils.nams", "penstock.utils.names"),
        ("penstok.utils:x", "no module penstok", None),
        ("penstock.utils.names:check_nod_id", "has no 'check_nod_id'", "check_node_id"),
        ("penstock.utils.names.check_nod_id", "has no 'check_nod_id'", "check_node_id"),
        ("names", "names a module", None),
        ("a b:c", "no dotted name", None),
        ("", "no dotted name", None),
    ],
)
def test_misspelt(path: str, what: str, suggestion: str | None) -> None:
    """A misspelt name must be answered with the right one."""
    with pytest.raises(CodeError, match=what) as raised:
        load_object(path)
    assert suggestion is None or raised.value.suggestion == suggestion


def test_modules_that_cannot_be_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a module lacks is to be told apart from the module's own absence."""
    (tmp_path / "lacking_x.py").write_text("import sklearn_x_absent\n")
    (tmp_path / "failing_x.py").write_text("\nx = 1 / 0\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(CodeError, match="needs the module sklearn_x_absent") as raised:
        load_object("lacking_x:f")
    assert raised.value.location == f"{tmp_path}/lacking_x.py:1"
    with pytest.raises(CodeError, match="raised ZeroDivisionError") as raised:
        load_object("failing_x.f")
    assert raised.value.location == f"{tmp_path}/failing_x.py:2"


def test_install_hints() -> None:
    """What to install is often called otherwise than what is imported."""
    assert install_hint("sklearn.svm") == "pip install scikit-learn"
    assert install_hint("tensorflow_transform.beam") == "pip install 'penstock[ml]'"
    assert install_hint("google.cloud.storage") == "pip install google-cloud-storage"
    assert install_hint("attrs") == "pip install attrs"
