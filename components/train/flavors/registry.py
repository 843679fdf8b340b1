# SPDX-License-Identifier: Apache-2.0
"""Which flavor a model folder has, and how to load it.

A flavor is recognised by the names of files alone, so that telling it loads no framework.
A folder holds one model, in its framework's own format:

    saved_model.pb                  tensorflow   `tf.saved_model.save`, `model.export`
    model.keras                     keras        `model.save`, Keras 3 on any backend
    model.skops                     sklearn      `skops.io.dump`
    model.json, model.ubj           xgboost      `save_model` of a Booster or an XGBModel
    model.pt2                       torch        `torch.export.save`

Pickles are refused, by whatever name: to load one is to run what its writer put into it.
So are bare weights (safetensors), which need code to go with them; `torch.export` keeps the
graph as data.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, cast

from ....utils import storage
from ....utils.trust import trusted_here
from .predictor import InputError, InputFeature, ModelError, Predictor, UnknownFormat

#: Folder of a Model artifact that holds what servers load.
SERVING_FOLDER = "Format-Serving"
#: Folder beside a model's files with the transformation that comes before it.
TRANSFORM_FOLDER = "transform"


@dataclass(frozen=True)
class Flavor:
    """One way in which models are kept.

    Attributes:
        name: Its name.
        files: Names of the file that tells it; the first is what to write.
        module: The module that loads it, beside this one.
        packages: What to install for it, by the module whose absence shows the need.
        saving: How to save a model in it.
    """

    name: str
    files: tuple[str, ...]
    module: str
    packages: tuple[tuple[str, str], ...]
    saving: str


FLAVORS = (
    Flavor(
        "tensorflow",
        ("saved_model.pb",),
        "tensorflow_flavor",
        (("tensorflow", "tensorflow"),),
        "model.export(folder) or tf.saved_model.save(module, folder, signatures=…)",
    ),
    Flavor(
        "keras",
        ("model.keras",),
        "keras_flavor",
        (("keras", "keras"), ("jax", "jax"), ("tensorflow", "tensorflow"), ("torch", "torch")),
        "model.save(folder + '/model.keras')",
    ),
    Flavor(
        "sklearn",
        ("model.skops",),
        "sklearn_flavor",
        (("skops", "skops"), ("sklearn", "scikit-learn"), ("pandas", "pandas")),
        "skops.io.dump(model, folder + '/model.skops')",
    ),
    Flavor(
        "xgboost",
        ("model.json", "model.ubj"),
        "xgboost_flavor",
        (("xgboost", "xgboost"),),
        "model.save_model(folder + '/model.json')",
    ),
    Flavor(
        "torch",
        ("model.pt2",),
        "torch_flavor",
        (("torch", "torch"),),
        "torch.export.save(torch.export.export(model, arguments), folder + '/model.pt2')",
    ),
)

#: What files hold that would have to be unpickled, and what to write in their place.
_PICKLES = {
    ".pkl": "sklearn",
    ".pickle": "sklearn",
    ".joblib": "sklearn",
    ".dill": "sklearn",
    ".pt": "torch",
    ".pth": "torch",
}
_HDF5 = (".h5", ".hdf5")


class _FlavorModule(Protocol):
    def load(self, folder: str, signature: str | None, trusted: Sequence[str]) -> Predictor:
        """Loads the model in `folder`."""


def detect(folder: str) -> str:
    """The flavor of the model in a folder.

    Args:
        folder: The model's own folder, or a Model artifact's, with `Format-Serving/` in it.

    Raises:
        ModelError: There is no model, or there are several, or only a pickle.
    """
    return _find(serving_folder(folder)).name


def load_predictor(
    folder: str, *, signature: str | None = None, trusted_types: Sequence[str] = ()
) -> Predictor:
    """Loads the model in a folder.

    Args:
        folder: The model's own folder, or a Model artifact's, with `Format-Serving/` in it.
        signature: Name of the signature to call, for SavedModels; `serving_default` where
            not given. Other flavors have only one way to predict.
        trusted_types: Types that the model may be made of beyond those known to be
            harmless, besides those in the environment variable `PENSTOCK_TRUSTED_TYPES`.
            Trust comes from whoever loads a model, never from the folder it lies in.

    Raises:
        ModelError: There is no model that can be loaded safely, or a package is missing.
    """
    place = serving_folder(folder)
    flavor = _find(place)
    trusted = [*trusted_types, *trusted_here()]
    try:
        module = cast(_FlavorModule, importlib.import_module(f".{flavor.module}", __package__))
        model = module.load(place, signature, trusted)
        transform = os.path.join(place, TRANSFORM_FOLDER)
        if not os.path.isdir(transform):
            return model
        from .transformed_predictor import with_transform

        return with_transform(model, transform, trusted)
    except ImportError as error:
        told = _missing_package(flavor, error, place)
        if told is None:
            raise
        raise told from error


def serving_folder(folder: str) -> str:
    """The local path where a model's files lie: `folder`, or `Format-Serving/` below it.

    Raises:
        ModelError: There is no such folder.
    """
    path = storage.local_path(folder)
    below = os.path.join(path, SERVING_FOLDER)
    found = below if os.path.isdir(below) else path
    if not os.path.isdir(found):
        raise ModelError(
            "there is no model folder",
            expected="a folder with " + _all_files(),
            got="a file" if os.path.exists(found) else "nothing",
            location=found,
        )
    return found


def model_file(folder: str, flavor: str) -> str:
    """Path of the file that tells the flavor of the model in `folder`."""
    (chosen,) = (each for each in FLAVORS if each.name == flavor)
    for name in chosen.files:
        if os.path.isfile(os.path.join(folder, name)):
            return os.path.join(folder, name)
    return os.path.join(folder, chosen.files[0])


def flavor_named(name: str) -> Flavor | None:
    """The flavor of a name, or None."""
    return next((each for each in FLAVORS if each.name == name), None)


def _find(folder: str) -> Flavor:
    names = sorted(name for name in os.listdir(folder) if not name.startswith("."))
    found = [(each, name) for each in FLAVORS for name in each.files if name in names]
    if len(found) == 1:
        return found[0][0]
    if found:
        raise ModelError(
            "the folder holds several models",
            expected="the file of one",
            got=", ".join(f"{name} ({each.name})" for each, name in found),
            location=folder,
            fix="save one model in a folder",
        )
    raise _no_model(folder, names)


def _no_model(folder: str, names: Sequence[str]) -> ModelError:
    there = ", ".join(names[:10]) + (" …" if len(names) > 10 else "")
    for name in names:
        ending = os.path.splitext(name)[1].lower()
        if ending in _PICKLES:
            flavor = flavor_named(_PICKLES[ending])
            assert flavor is not None
            return ModelError(
                f"{name} is a pickle, which is refused: loading one runs whatever its writer "
                "put into it",
                expected=_all_files(),
                got=there,
                location=folder,
                fix=f"save with {flavor.saving}",
            )
        if ending == ".safetensors":
            return ModelError(
                f"{name} holds weights only, and to run code kept beside them would be to trust "
                "whoever wrote the folder",
                expected=_all_files(),
                got=there,
                location=folder,
                fix="load the weights into the module in run_fn, and save graph and weights with "
                "torch.export.save",
            )
        if ending in _HDF5:
            return ModelError(
                f"{name} is in the old Keras format, which cannot be loaded without running "
                "code kept in it",
                expected=_all_files(),
                got=there,
                location=folder,
                fix="save with model.save(folder + '/model.keras') or model.export(folder)",
            )
    near = next((n for n in names if os.path.splitext(n)[1] in (".keras", ".skops", ".pt2")), None)
    return UnknownFormat(
        "the folder holds no model of a known format",
        expected=_all_files(),
        got=there or "an empty folder",
        suggestion=None if near is None else f"model{os.path.splitext(near)[1]}",
        location=folder,
        fix="let run_fn save the model to fn_args.serving_model_dir in one of these formats",
    )


def _all_files() -> str:
    return ", ".join(f"{' or '.join(each.files)} ({each.name})" for each in FLAVORS)


def _missing_package(flavor: Flavor, error: ImportError, folder: str) -> ModelError | None:
    """What a framework that is not installed means; None for an ImportError of other code."""
    missing = (error.name or "").partition(".")[0]
    package = dict(flavor.packages).get(missing)
    if package is None:
        return None
    return ModelError(
        f"a {flavor.name} model needs {package}, which is not installed here",
        expected=f"the package {package}",
        got=str(error),
        location=folder,
        fix=f"pip install {package}",
    )


__all__ = [
    "FLAVORS",
    "Flavor",
    "InputError",
    "InputFeature",
    "ModelError",
    "Predictor",
    "UnknownFormat",
    "detect",
    "flavor_named",
    "load_predictor",
    "model_file",
    "serving_folder",
]
