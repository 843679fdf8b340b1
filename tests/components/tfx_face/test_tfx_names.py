# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import penstock.tfx as tfx
from penstock.components.tfx_face.face_modules import resolve
from penstock.components.tfx_face.module_names import MODULES
from penstock.components.tfx_face.public_names import PUBLIC

#: Executors' bases that load Beam.
_HEAVY_HOMES = ("custom_example_gen",)

HOMES = sorted(
    (module, name, home)
    for table in (PUBLIC, MODULES)
    for module, names in table.items()
    for name, home in names.items()
    if not any(heavy in home for heavy in _HEAVY_HOMES)
)


@pytest.mark.parametrize("module", sorted({module for module, _, _ in HOMES}))
def test_every_name_of_a_module_resolves(module: str) -> None:
    """If it fails, the tables promise a TFX name that importing does not give."""
    for owner, name, home in HOMES:
        if owner == module:
            assert resolve(home) is not None, f"tfx.{module}.{name}"


def test_importing_and_declaring_stays_light() -> None:
    """If it fails, a pipeline file pays for TensorFlow before it runs anything."""
    code = (
        "import json, sys\n"
        "from penstock import tfx\n"
        "t = tfx.components.Trainer; p = tfx.proto.TrainArgs(num_steps=1)\n"
        "r = tfx.orchestration.LocalDagRunner; e = tfx.components.Evaluator\n"
        "heavy = {'tensorflow', 'apache_beam', 'pandas', 'pyarrow', 'keras', 'tfx_bsl', 'torch',"
        " 'tensorflow_model_analysis', 'tensorflow_data_validation', 'tensorflow_transform'}\n"
        "print(json.dumps(sorted(heavy & set(sys.modules))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []


def test_all_ways_to_import_give_the_same_objects() -> None:
    """If it fails, a pipeline that imports inner modules works with other classes."""
    import penstock.tfx.v1 as by_path
    from penstock.tfx import v1
    from penstock.tfx.components import Trainer
    from penstock.tfx.components.trainer.component import Trainer as inner
    from penstock.tfx.dsl.io import fileio
    from penstock.tfx.proto import trainer_pb2
    from penstock.tfx.v1.components import Trainer as of_v1

    assert tfx.components.Trainer is Trainer is inner is of_v1
    assert v1.components.Trainer is by_path.components.Trainer is Trainer
    assert trainer_pb2.TrainArgs is tfx.proto.TrainArgs
    assert fileio.open is tfx.dsl.io.fileio.open


@pytest.mark.parametrize("place", ["elsewhere", "checkout"])
def test_tfx_itself_is_found_where_it_is_not_installed(tmp_path: Path, place: str) -> None:
    """If it fails, module files must be changed, too; or only where a checkout lies on the path."""
    code = (
        "from penstock.utils.user_code.tfx_names import install; install()\n"
        "from tfx import v1 as tfx\n"
        "from tfx.components.trainer.fn_args_utils import FnArgs\n"
        "import penstock.tfx\n"
        "assert tfx.components.FnArgs is FnArgs is penstock.tfx.components.FnArgs\n"
    )
    folder = Path(tfx.__file__ or "").parent if place == "checkout" else tmp_path
    subprocess.run([sys.executable, "-c", code], check=True, cwd=folder)


def test_an_installed_tfx_comes_first(tmp_path: Path) -> None:
    """If it fails, TFX cannot be used beside Penstock."""
    (tmp_path / "tfx").mkdir()
    (tmp_path / "tfx" / "__init__.py").touch()
    (tmp_path / "tfx" / "types.py").write_text("theirs = True\n")
    code = (
        "from penstock.utils.user_code.tfx_names import install; install()\n"
        "from tfx import types\n"
        "import penstock.tfx\n"
        "assert types.theirs and penstock.tfx.types is not types\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("from penstock.tfx.extensions.google_cloud_ai_platform import Trainer", "KServe"),
        ("from penstock.tfx.components import ModelValidator", "Evaluator"),
        ("from penstock.tfx.utils.dsl_utils import csv_input", "input_base"),
    ],
)
def test_an_absent_name_says_what_to_do_instead(statement: str, told: str) -> None:
    """If it fails, users of what is not here get a bare import error."""
    with pytest.raises(ImportError, match=told):
        exec(statement)


def test_an_unknown_name_names_the_nearest() -> None:
    """If it fails, a typing mistake is not explained, or `hasattr` raises."""
    with pytest.raises(AttributeError, match="did you mean: Trainer"):
        _ = tfx.components.Trainr
    assert not hasattr(tfx.components, "Nothing")
    assert "Trainer" in dir(tfx.components) and "components" in dir(tfx)
