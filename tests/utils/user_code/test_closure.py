# SPDX-License-Identifier: Apache-2.0
"""Which files travel, and under which names."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from penstock.utils.errors import CodeError
from penstock.utils.user_code import CodeBundle, collect

Project = Callable[[dict[str, str]], Path]


def files_of(entry: object) -> list[str]:
    """Paths in the bundle of an entry."""
    return list(collect(entry).bundle.files)


def test_file_with_helpers_beside_it(project: Project) -> None:
    """A helper beside the module file would be missing where the pipeline runs."""
    root = project(
        {
            "features.py": """
                import os, json
                import numpy as np
                import helpers
                from shared.zip import bucket
                from shared import names
                def preprocessing_fn(inputs):
                    from late import thing
                    return helpers.f(inputs)
            """,
            "helpers.py": "import deep\ndef f(x): return x",
            "deep.py": "VALUE = 1",
            "late.py": "thing = 1",
            "shared/__init__.py": "",
            "shared/zip.py": "def bucket(): ...",
            "shared/names.py": "NAMES = []",
            "shared/unused.py": "",
            "unrelated.py": "",
        }
    )
    bundle, module, attribute = collect(str(root / "features.py"))
    assert (module, attribute) == ("features", None)
    assert sorted(bundle.files) == [
        "deep.py",
        "features.py",
        "helpers.py",
        "late.py",
        "shared/__init__.py",
        "shared/names.py",
        "shared/zip.py",
    ]


def test_relative_imports_make_the_folder_a_package(project: Project) -> None:
    """Relative imports would fail in a file that is loaded as a top-level module."""
    root = project(
        {
            "complaints/__init__.py": "from . import settings",
            "complaints/features.py": "from .columns import NAMES\nfrom . import zips",
            "complaints/columns.py": "NAMES = []",
            "complaints/zips.py": "",
            "complaints/settings.py": "",
        }
    )
    bundle, module, _ = collect(root / "complaints" / "features.py")
    assert module == "complaints.features"
    assert sorted(bundle.files) == [
        "complaints/__init__.py",
        "complaints/columns.py",
        "complaints/features.py",
        "complaints/settings.py",
        "complaints/zips.py",
    ]


def test_root_climbs_as_far_as_any_module_asks(project: Project) -> None:
    """A sibling that climbs higher than the entry would point outside the bundle."""
    root = project(
        {
            "shop/steps/train.py": "from .model import build",
            "shop/steps/model.py": "from ..shared import constants",
            "shop/shared/constants.py": "A = 1",
        }
    )
    bundle, module, _ = collect(root / "shop/steps/train.py")
    assert module == "shop.steps.train"
    assert sorted(bundle.files) == [
        "shop/shared/constants.py",
        "shop/steps/model.py",
        "shop/steps/train.py",
    ]


def test_a_module_may_travel_under_two_names(project: Project) -> None:
    """Python keeps `x` and `package.x` apart, so both must be found."""
    root = project(
        {
            "shop/train.py": "from .helper import a\nimport helper",
            "shop/helper.py": "a = 1",
        }
    )
    assert sorted(files_of(root / "shop/train.py")) == [
        "helper.py",
        "shop/helper.py",
        "shop/train.py",
    ]


def test_installed_and_standard_modules_stay_out(project: Project) -> None:
    """Bundles would swell to whole environments, and shadow what is installed."""
    root = project(
        {
            "train.py": "import numpy, pytest, json, xml.dom, penstock.utils.names, random",
            "random.py": "",
            "venv/lib/python3.11/site-packages/thing.py": "",
        }
    )
    assert files_of(root / "train.py") == ["train.py"]


def test_data_folders_are_no_modules(project: Project) -> None:
    """`import wandb` beside a `wandb/` output folder means the installed package."""
    root = project({"train.py": "import wandb\nimport data", "wandb/run.log": "", "data/a.csv": ""})
    assert files_of(root / "train.py") == ["train.py"]


def test_folder_without_init_is_a_package(project: Project) -> None:
    """Packages need no __init__.py since Python 3.3."""
    root = project({"train.py": "import lib.sub.mod\n", "lib/sub/mod.py": "x = 1"})
    assert sorted(files_of(root / "train.py")) == ["lib/sub/mod.py", "train.py"]


def test_guarded_imports(project: Project) -> None:
    """What never runs on import need not travel; what runs as a fall-back must."""
    root = project(
        {
            "train.py": """
                from typing import TYPE_CHECKING
                if TYPE_CHECKING:
                    import types_only
                else:
                    import at_run_time
                try:
                    from . import missing_is_fine
                except ImportError:
                    import fallback
                import importlib
                computed = importlib.import_module("named")
                if __name__ == "__main__":
                    import cli
            """,
            "types_only.py": "",
            "at_run_time.py": "",
            "fallback.py": "",
            "named.py": "",
            "cli.py": "",
        }
    )
    names = {Path(name).name for name in files_of(root / "train.py")}
    assert names == {"train.py", "at_run_time.py", "fallback.py", "named.py"}


def test_missing_relative_module_names_the_nearest(project: Project) -> None:
    """A misspelt import should be found at compile time, with the right name."""
    root = project({"p/a.py": "\nfrom .featurs import x\n", "p/features.py": ""})
    with pytest.raises(CodeError, match=r"no module p\.featurs") as raised:
        collect(root / "p/a.py")
    assert raised.value.suggestion == "features"
    assert raised.value.location is not None
    assert raised.value.location.endswith("p/a.py:2")


def test_syntax_error_gives_file_and_line(project: Project) -> None:
    """A syntax error in a helper must not surface as a failing node."""
    root = project({"a.py": "import b", "b.py": "x = 1\ndef f(:\n  pass\n"})
    with pytest.raises(CodeError, match="syntax error") as raised:
        collect(root / "a.py")
    assert raised.value.location is not None
    assert raised.value.location.endswith("b.py:2")


def test_compiled_module_is_refused(project: Project) -> None:
    """A compiled helper would be missing where the pipeline runs."""
    root = project({"a.py": "import fast", "fast.abi3.so": ""})
    with pytest.raises(CodeError, match="compiled module"):
        collect(root / "a.py")


def test_missing_module_file(project: Project) -> None:
    """The commonest mistake of all deserves the nearest file name."""
    root = project({"preprocessing.py": ""})
    with pytest.raises(CodeError, match="no module file") as raised:
        collect(str(root / "preprocesing.py"))
    assert raised.value.suggestion is not None
    assert raised.value.suggestion.endswith("preprocessing.py")
    with pytest.raises(CodeError, match="is a folder"):
        collect(str(root) + "/")
    with pytest.raises(CodeError, match="does not lie on this machine"):
        collect("gs://bucket/features.py")


def test_names_that_would_hide_others_are_changed(project: Project) -> None:
    """A module file called like a standard module would break that module for everyone."""
    root = project({"code.py": "", "my-features.py": "", "1st.py": "", "penstock.py": ""})
    names = [collect(path).module for path in sorted(root.iterdir())]
    assert names == ["_1st", "code_", "my_features", "penstock_"]


def test_dotted_names(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Functions may be named in configuration files, without importing their modules."""
    root = project(
        {
            "shop/__init__.py": "",
            "shop/deep/train.py": "raise SystemExit\ndef run_fn(): ...\nfrom shop import more",
            "shop/more.py": "",
        }
    )
    monkeypatch.chdir(root)
    expected = ["shop/__init__.py", "shop/deep/train.py", "shop/more.py"]
    for name in ("shop.deep.train", "shop.deep.train:run_fn", "shop.deep.train.run_fn"):
        bundle, module, attribute = collect(name)
        assert module == "shop.deep.train"
        assert attribute == (None if name == "shop.deep.train" else "run_fn")
        assert list(bundle.files) == expected
    with pytest.raises(CodeError, match="holds no run_fm") as raised:
        collect("shop.deep.train.run_fm")
    assert raised.value.suggestion == "run_fn"
    with pytest.raises(CodeError, match="no module shopp"):
        collect("shopp.deep")


def test_functions_and_classes_of_imported_modules(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Function components are collected from the function object."""
    root = project(
        {
            "acme_shop/__init__.py": "",
            "acme_shop/train.py": """
                from .model import build
                def run_fn(): return build()
                class Trainer:
                    def execute(self): ...
                def outer():
                    def inner(): return 1
                    return inner
                nameless = lambda: 1
            """,
            "acme_shop/model.py": "def build(): ...",
        }
    )
    monkeypatch.syspath_prepend(root)
    module = importlib.import_module("acme_shop.train")
    try:
        for entry in (module.run_fn, module.Trainer):
            bundle, name, attribute = collect(entry)
            assert (name, attribute) == ("acme_shop.train", entry.__name__)
            assert list(bundle.files) == [
                "acme_shop/__init__.py",
                "acme_shop/model.py",
                "acme_shop/train.py",
            ]
        with pytest.raises(CodeError, match="inner is defined inside outer"):
            collect(module.outer())
        with pytest.raises(CodeError, match="lambda"):
            collect(module.nameless)
        with pytest.raises(CodeError, match="not a function or class"):
            collect(3)
    finally:
        for name in [name for name in sys.modules if name.startswith("acme_shop")]:
            del sys.modules[name]


def test_framework_code_does_not_travel() -> None:
    """The framework is installed where a pipeline runs; a copy would shadow it."""
    from penstock.utils.names import safe_name

    with pytest.raises(CodeError, match="belongs to penstock itself"):
        collect(safe_name)


def test_bundle_travels_exactly(project: Project) -> None:
    """What is compiled into a pipeline must be what runs."""
    root = project({"a.py": "import b\nx = 'ä\\n'\n", "b.py": "y = 1"})
    bundle = collect(root / "a.py").bundle
    again = CodeBundle.from_dict(bundle.to_dict())
    assert again == bundle
    assert again.to_dict() == bundle.to_dict()
    assert bundle.origins["a.py"].endswith("project/a.py")
    edited = bundle.to_dict()
    edited["files"] = {**edited["files"], "b.py": "y = 2"}
    with pytest.raises(CodeError, match="does not fit its digest"):
        CodeBundle.from_dict(edited)


@pytest.mark.parametrize("path", ["../a.py", "/a.py", "a/../../b.py", "a.txt", "a//b.py", ".py"])
def test_bundle_refuses_paths_that_lead_out(path: str) -> None:
    """A crafted pipeline must not write outside the code folder."""
    with pytest.raises(CodeError, match="cannot be the path of a module"):
        CodeBundle({path: ""})


def test_edit_is_seen_at_once(project: Project) -> None:
    """An edit of equal length within one tick of the clock must not be missed."""
    root = project({"a.py": "x = 1"})
    digests = set()
    for value in range(5):
        (root / "a.py").write_text(f"x = {value}")
        digests.add(collect(root / "a.py").bundle.digest)
    assert len(digests) == 5


def test_declared_encoding(project: Project) -> None:
    """Sources in other encodings are legal Python."""
    root = project({})
    root.mkdir(exist_ok=True)
    (root / "a.py").write_bytes("# -*- coding: latin-1 -*-\nx = 'é'\n".encode("latin-1"))
    assert "é" in collect(root / "a.py").bundle.files["a.py"]
    (root / "b.py").write_bytes(b"x = '\xff'\n")
    with pytest.raises(CodeError, match="not readable as Python"):
        collect(root / "b.py")


def test_pipelines_of_the_framework(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """The example pipelines lie inside the framework's package, and must not drag it along."""
    from penstock.utils.user_code import closure

    root = project(
        {
            "pipelines/taxi/features.py": "from .names import A\nfrom penstock.utils import names",
            "pipelines/taxi/names.py": "A = 1",
            "pipelines/taxi/upward.py": "from ...utils import names",
            "pipelines/taxi/sideways.py": "from ..other import names",
            "pipelines/taxi/roundabout.py": "from penstock.pipelines.taxi import names",
            "pipelines/other/names.py": "",
            "utils/names.py": "",
        }
    )
    monkeypatch.setattr(closure, "FRAMEWORK_DIR", str(root))
    monkeypatch.setattr(closure, "PIPELINES_DIR", str(root / "pipelines"))
    bundle, module, _ = collect(root / "pipelines/taxi/features.py")
    assert module == "taxi.features"
    assert list(bundle.files) == ["taxi/features.py", "taxi/names.py"]
    for name in ("upward", "sideways"):  # one climbs to the framework, one to its neighbour
        with pytest.raises(CodeError, match="imports the framework by a relative import"):
            collect(root / f"pipelines/taxi/{name}.py")
    with pytest.raises(CodeError, match="own module by way of the framework"):
        collect(root / "pipelines/taxi/roundabout.py")


@pytest.mark.parametrize("colon", [".", ":"])
def test_function_of_the_example_pipeline(colon: str) -> None:
    """The example is run by its module's name in the installed package."""
    name = "penstock.pipelines.consumer_complaints.labelling"
    bundle, module, attribute = collect(f"{name}{colon}label")
    assert (module, attribute) == ("consumer_complaints.labelling", "label")
    assert "consumer_complaints/__init__.py" in bundle.files
    assert all(path.startswith("consumer_complaints/") for path in bundle.files)
    with pytest.raises(CodeError, match="belongs to penstock itself"):
        collect(f"penstock.utils.names{colon}safe_name")
