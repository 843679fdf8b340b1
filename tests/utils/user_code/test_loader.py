# SPDX-License-Identifier: Apache-2.0
"""Code that travelled is the code that runs."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from penstock.utils.errors import CodeError, PenstockError, UserCodeError
from penstock.utils.user_code import (
    CodeBundle,
    collect,
    load_function,
    load_module,
    loading_module,
    materialize,
    original_path,
    preserved_imports,
    user_frames,
)

Project = Callable[[dict[str, str]], Path]


@pytest.fixture(autouse=True)
def _own_imports() -> Iterator[None]:
    with preserved_imports():
        yield


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """Where bundles are written."""
    return tmp_path / "code"


def test_function_with_helpers_runs_from_its_bundle(project: Project, cache: Path) -> None:
    """The author's folder may be gone, or changed, when a node runs."""
    root = project(
        {
            "p/features.py": "from .zips import f\nimport plain\ndef g(): return f() + plain.x",
            "p/zips.py": "def f():\n    from . import late\n    return late.y",
            "p/late.py": "y = 40",
            "p/plain.py": "x = 2",
        }
    )
    bundle, module, _ = collect(root / "p/features.py")
    path = materialize(bundle, cache)
    for file in root.rglob("*.py"):
        file.write_text("raise RuntimeError")
    assert load_function(path, module, "g")() == 42
    assert load_function(path, module, "g") is load_function(path, module, "g")


def test_each_version_gets_its_own_modules(cache: Path) -> None:
    """A worker that ran an older version must not answer with it."""
    paths = [
        materialize(
            CodeBundle(
                {"main.py": "import helper\ndef f(): return helper.x", "helper.py": f"x = {n}"}
            ),
            cache,
        )
        for n in range(3)
    ]
    assert [load_function(p, "main", "f")() for p in (*paths, *paths)] == [0, 1, 2, 0, 1, 2]
    assert sum(folder.startswith(str(cache)) for folder in sys.path) == 1


def test_author_s_module_of_the_same_name_is_not_used(
    project: Project, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a notebook the author's own `features` is imported already."""
    root = project({"features_x.py": "x = 1", "helper_x.py": "y = 1"})
    monkeypatch.syspath_prepend(root)
    import features_x  # type: ignore[import-not-found]

    path = materialize(
        CodeBundle({"features_x.py": "import helper_x\nx = helper_x.y", "helper_x.py": "y = 2"}),
        cache,
    )
    with preserved_imports():
        assert load_function(path, "features_x", "x") == 2
        assert sys.modules["features_x"] is not features_x
    assert sys.modules["features_x"] is features_x
    assert path not in sys.path


def test_package_without_init_wins_over_installed_ones(cache: Path) -> None:
    """Folders without __init__.py lose against any package of their name, such as `tests`."""
    path = materialize(CodeBundle({"yaml/mine.py": "x = 7"}), cache)
    assert load_function(path, "yaml.mine", "x") == 7


def test_classes_can_be_pickled(cache: Path) -> None:
    """Beam and multiprocessing send functions by module and name."""
    path = materialize(CodeBundle({"pickled_x.py": "class A:\n    def m(self): return 3\n"}), cache)
    kind = load_function(path, "pickled_x", "A")
    assert pickle.loads(pickle.dumps(kind())).m() == 3
    assert load_function(path, "pickled_x", "A.m")(kind()) == 3


def test_missing_name_suggests_the_nearest(cache: Path) -> None:
    """A renamed function must be found by its new name."""
    path = materialize(CodeBundle({"m.py": "def run_fn(): ..."}), cache)
    with pytest.raises(CodeError, match="defines no run_fm") as raised:
        load_function(path, "m", "run_fm")
    assert raised.value.suggestion == "run_fn"


def test_missing_package_says_what_to_install(cache: Path) -> None:
    """The environment that runs a pipeline may lack a package that its author has."""
    path = materialize(CodeBundle({"m.py": "\nimport sklearn_absent.sub"}), cache)
    with pytest.raises(CodeError, match="sklearn_absent, which is not installed") as raised:
        load_module(path, "m")
    assert raised.value.fix is not None
    assert "pip install sklearn_absent" in raised.value.fix
    assert raised.value.location is not None
    assert raised.value.location.endswith("m.py:2")


def test_module_that_did_not_travel(cache: Path) -> None:
    """A module imported by a computed name is not collected; the message must say so."""
    source = "import importlib\ndef f(): return 1\nimportlib.import_module('p.' + 'absent')"
    path = materialize(CodeBundle({"p/m.py": source}), cache)
    with pytest.raises(CodeError, match=r"p\.absent did not travel"):
        load_module(path, "p.m")


def test_error_on_import_shows_the_author_s_file(
    project: Project, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder named by a digest means nothing to the author."""
    monkeypatch.chdir(project({"a.py": "import b\n", "b.py": "x = 1\ny = x / 0\n"}))
    path = materialize(collect("a.py").bundle, cache)
    with pytest.raises(UserCodeError, match="importing a raised ZeroDivisionError") as raised:
        load_module(path, "a")
    assert raised.value.frames == (
        "a.py:1 in <module>",
        "b.py:2 in <module>",
    )
    assert raised.value.location == "b.py:2"


def test_script_that_ends_itself(cache: Path) -> None:
    """sys.exit() in a script must not end the worker."""
    path = materialize(CodeBundle({"m.py": "import sys\nsys.exit(0)"}), cache)
    with pytest.raises(UserCodeError, match="ended the program") as raised:
        load_module(path, "m")
    assert "__main__" in str(raised.value.fix)


def test_loading_is_announced(cache: Path) -> None:
    """A script that runs its pipeline when imported must be stopped from doing so again."""
    source = "from penstock.utils.user_code import loading_module\nseen = loading_module()"
    path = materialize(CodeBundle({"announced_x.py": source}), cache)
    assert loading_module() is None
    assert load_function(path, "announced_x", "seen") == "announced_x"
    assert loading_module() is None


def test_frames_of_a_running_function(
    project: Project, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A traceback must point into the author's files, and only there."""
    root = project(
        {
            "q/a.py": "from .b import f\ndef g(x):\n    return list(map(f, [x]))",
            "q/b.py": "def f(x):\n    return 1 / x",
        }
    )
    monkeypatch.chdir(root)
    bundle, module, _ = collect("q/a.py")
    path = materialize(bundle, cache)
    expected = ["q/a.py:3 in g", "q/b.py:2 in f"]
    try:
        load_function(path, module, "g")(0)
    except ZeroDivisionError as error:
        assert user_frames(error, [path]) == expected
        assert user_frames(error.__traceback__, [path]) == expected
        assert user_frames(error, ["/nowhere"]) == []
        wrapped = RuntimeError("outer")
        wrapped.__cause__ = error
        assert user_frames(wrapped, [path]) == expected
    quoted = RuntimeError(
        f'in user code:\n\n    File "{path}/q/b.py", line 2, in f  *\n        1 / x'
    )
    assert user_frames(quoted, [path]) == ["q/b.py:2 in f"]
    assert original_path(f"{path}/q/b.py") == "q/b.py"
    assert original_path("/somewhere/else.py") == "/somewhere/else.py"


def test_damaged_files_are_mended(cache: Path) -> None:
    """A power cut may leave empty files behind; the code must be what was compiled."""
    bundle = CodeBundle({"m.py": "x = 1", "p/n.py": "y = 2"})
    path = Path(materialize(bundle, cache))
    (path / "m.py").write_text("")
    (path / "p/n.py").unlink()
    script = (
        "import sys; from penstock.utils.user_code import *;"
        "b = CodeBundle({'m.py': 'x = 1', 'p/n.py': 'y = 2'});"
        "print(load_function(materialize(b, sys.argv[1]), 'm', 'x'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(cache)], capture_output=True, text=True, check=True
    )
    assert done.stdout == "1\n"
    assert (path / "p/n.py").read_text() == "y = 2"


def test_many_processes_materialize_at_once(cache: Path) -> None:
    """Workers start together, each with the same bundle."""
    script = (
        "import sys; from penstock.utils.user_code import *;"
        "b = CodeBundle({f'p/m{i}.py': f'x = {i}' for i in range(30)});"
        "print(load_function(materialize(b, sys.argv[1]), 'p.m7', 'x'))"
    )
    started = [
        subprocess.Popen([sys.executable, "-c", script, str(cache)], stdout=subprocess.PIPE)
        for _ in range(6)
    ]
    assert [process.communicate()[0] for process in started] == [b"7\n"] * 6
    names = sorted(os.listdir(cache))
    assert len(names) == 2, names


def test_declared_encoding_survives(project: Project, cache: Path) -> None:
    """A source in another encoding must read the same after its journey."""
    root = project({})
    root.mkdir(exist_ok=True)
    (root / "enc.py").write_bytes("# coding: latin-1\nx = 'é'\n".encode("latin-1"))
    bundle = collect(root / "enc.py").bundle
    assert load_function(materialize(bundle, cache), "enc", "x") == "é"


def test_a_name_that_tfx_has_and_penstock_lacks_is_placed_in_the_authors_file(
    project: Project, cache: Path
) -> None:
    """If it fails, the author is sent to a copy below the pipeline's root."""
    root = project({"module.py": "import os\nfrom tfx.components.trainer import rewriting\n"})
    bundle, module, _ = collect(root / "module.py")
    with pytest.raises(PenstockError, match="not rewritten") as caught:
        load_module(materialize(bundle, cache), module)
    location = str(caught.value.location)
    assert location.endswith("module.py:2") and os.path.samefile(
        location.rpartition(":")[0], root / "module.py"
    )
