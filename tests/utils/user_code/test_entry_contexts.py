# SPDX-License-Identifier: Apache-2.0
"""Functions from scripts, interpreters and notebooks."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Project = Callable[[dict[str, str]], Path]

SHOW = """
import json
from penstock.utils.errors import CodeError
from penstock.utils.user_code import collect
def show(entry):
    try:
        bundle, module, attribute = collect(entry)
        print(json.dumps([module, attribute, dict(bundle.files)]))
    except CodeError as error:
        print(json.dumps([error.what, error.fix, error.got]))
"""


def run(arguments: list[str], folder: Path, given: str | None = None) -> list[list[object]]:
    """Runs Python; the JSON lines that it prints."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        input=given,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]


def test_function_of_a_script(project: Project) -> None:
    """A pipeline run as a script knows its functions as `__main__`'s."""
    script = "import helper\nfrom shown import show\ndef f(): ...\nclass C: ...\nshow(f); show(C)"
    root = project({"my_pipeline.py": script, "helper.py": "", "shown.py": SHOW})
    for found in run(["my_pipeline.py"], root):
        assert found[0] == "my_pipeline"
        assert sorted(found[2]) == ["helper.py", "my_pipeline.py", "shown.py"]  # type: ignore[call-overload]


def test_function_of_a_module_run_as_a_script(project: Project) -> None:
    """`python -m shop.pipeline` must give the module its real name."""
    root = project(
        {
            "shop/__init__.py": "",
            "shop/pipeline.py": "from . import helper\nfrom shown import show\ndef f(): 1\nshow(f)",
            "shop/helper.py": "x = 1",
            "shown.py": SHOW,
        }
    )
    (found,) = run(["-m", "shop.pipeline"], root)
    assert found[0] == "shop.pipeline"
    assert "shop/helper.py" in found[2]  # type: ignore[operator]


def test_function_typed_into_an_interpreter(tmp_path: Path) -> None:
    """There is no source to send; the message must say so and what to do."""
    (found,) = run(["-"], tmp_path, f"{SHOW}\ndef f(): return 1\nshow(f)\n")
    assert "typed into an interpreter" in str(found[0])
    assert "save f in a .py file" in str(found[1])
    (found,) = run(["-"], tmp_path, f"{SHOW}\nclass C: pass\nshow(C)\n")
    assert "source of C is not known" in str(found[0])


NOTEBOOK = '''
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
def cell(text):
    result = shell.run_cell(text)
    result.raise_error()
cell("""import json as j
import helper_of_notebook
from helper_of_notebook import scale
from typing import Optional
LIMIT = [1, {"a": (2.5, None)}]
handle = open("notebook.py")
""")
cell("""
class Model:
    size = 3
    def grow(self): return scale(self.size)
""")
cell("""
def deeper(x: Optional[int]):
    return x + LIMIT[0]

def train(x):
    'Docstring.'
    return j.dumps([deeper(x), Model().grow()])

def bad(x):
    return handle.read() + x
""")
cell(SHOW)
cell("show(train); show(Model); show(bad)")
'''


def test_functions_of_notebook_cells(project: Project) -> None:
    """Notebooks are where pipelines begin: their functions must run elsewhere unchanged."""
    pytest.importorskip("IPython")
    root = project(
        {"notebook.py": f"SHOW = {SHOW!r}\n", "helper_of_notebook.py": "def scale(x): return x + 2"}
    )
    with open(root / "notebook.py", "a", encoding="utf-8") as file:
        file.write(NOTEBOOK)
    train, model, bad = run(["notebook.py"], root)
    assert train[:2] == ["notebook_train", "train"]
    files = train[2]
    assert isinstance(files, dict)
    assert sorted(files) == ["helper_of_notebook.py", "notebook_train.py"]
    namespace: dict[str, object] = {}
    sys.path.insert(0, str(root))
    try:
        exec(compile(files["notebook_train.py"], "notebook_train.py", "exec"), namespace)
    finally:
        sys.path.remove(str(root))
        sys.modules.pop("helper_of_notebook", None)
    assert namespace["train"](4) == "[5, 5]"  # type: ignore[operator]
    assert model[:2] == ["notebook_Model", "Model"]
    assert "bad refers to names that cannot travel with the pipeline: handle" in str(bad[0])
