# SPDX-License-Identifier: Apache-2.0
"""Packaging: the repository's root is the package `penstock`.

This file keeps to syntax that any Python reads, so that an unsupported one gets a
sentence instead of a traceback.
"""

import ast
import os
import sys

#: The range of supported Pythons, as `python_requires` and as a sentence.
PYTHON_REQUIRES = ">=3.10,<3.14"
if not (3, 10) <= sys.version_info[:2] < (3, 14):
    sys.exit(
        "Penstock needs Python 3.10, 3.11, 3.12 or 3.13; this is Python %d.%d."
        % sys.version_info[:2]
    )

from setuptools import find_packages, setup

HERE = os.path.dirname(os.path.abspath(__file__))

#: The folders of the repository that are part of the package. Whatever else lies in it
#: (tests, benchmarks, notebooks, docs, constraints) is not, and stays out of wheels.
FOLDERS = ["components", "orchestration", "pipelines", "utils"]

#: Files other than modules that belong to the package, wherever below `FOLDERS` they lie.
DATA = ["**/*.yaml", "**/*.json", "**/*.csv.gz", "**/*.pbtxt", "**/*.md"]

#: Light: enough to declare, compile, orchestrate and record. Nothing here is TensorFlow's family.
CORE = [
    "click>=8.1,<9",
    "croniter>=2,<8",
    "fsspec>=2023.1.0",
    "ml-metadata>=1.17.1,<1.22",
    "protobuf>=3.20.3,<7",
    "pydantic>=2.5,<3",
    "pyyaml>=6.0,<7",
    "rich>=13.0,<16",
]

#: What the standard components execute with. Two generations of this family exist, and which
#: one installs is decided by the C library (see constraints/README.md); the ranges span both.
ML = [
    "apache-beam>=2.59,<3",
    "fastavro>=1.8,<2",
    "sqlalchemy>=2,<3",
    # tfx-bsl imports dill without declaring it, and Beam no longer brings it since 2.69.
    "dill>=0.3.1",
    # Beam reads and writes TFRecord files with it, without declaring it.
    "google-crc32c>=1.5,<2",
    "numpy>=1.23.5,<3",
    "pandas>=1.5,<3",
    "pyarrow>=10,<24",
    # tensorboard below 2.20 imports pkg_resources, which setuptools 82 removed.
    "setuptools>=64,<82",
    "tensorflow>=2.16,<2.22",
    "tensorflow-data-validation>=1.16.1,<1.22",
    "tensorflow-metadata>=1.16,<1.22",
    "tensorflow-model-analysis>=0.47.1,<0.53",
    "tensorflow-transform>=1.16,<1.22",
    "tf-keras>=2.16,<2.22",
    "tfx-bsl>=1.16.1,<1.22",
]

EXTRAS = {
    "ml": ML,
    # For an environment of its own: beside the light core it installs, beside "ml" it does not.
    "airflow": ["apache-airflow>=2.10,<4"],
    "kubeflow": ["kfp>=2.13,<3", "kfp-kubernetes>=1.5,<3"],
    "notebook": [
        "ipykernel>=6",
        "ipywidgets>=7.6",
        "matplotlib>=3.7",
        "nbclient>=0.8",
        "nbformat>=5.7",
    ],
    # A model server: `penstock serve`, and what InfraValidator starts.
    "serve": ["kserve>=0.14.0rc1,<0.22", "httpx>=0.26,<1", "uvicorn>=0.22,<1"],
    # Models and transformations of other kinds than TensorFlow's.
    "sklearn": ["scikit-learn>=1.4,<2", "skops>=0.10,<1"],
    "xgboost": ["xgboost-cpu>=2.1,<4"],
    "torch": ["torch>=2.4,<3", "safetensors>=0.4,<1"],
    "jax": ["jax>=0.4.30,<1"],
    "tune": ["keras-tuner>=1.4.6,<2", "optuna>=4,<6", "matplotlib>=3.7"],
    "dev": [
        # The tests read from a web server and a PostgreSQL server.
        "aiohttp>=3.9,<4",
        "psycopg[binary]>=3.1,<4",
        "hypothesis>=6.100",
        "import-linter>=2.1",
        "mypy>=1.15",
        "pytest>=8,<10",
        "pytest-timeout>=2.3",
        "pytest-xdist>=3.6",
        "ruff>=0.9",
        "types-PyYAML>=6.0",
    ],
}


def version():
    """Return `__version__` of `__init__.py`, the one place that states it, without importing it."""
    with open(os.path.join(HERE, "__init__.py"), encoding="utf-8") as file:
        for node in ast.parse(file.read()).body:
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__version__":
                return ast.literal_eval(node.value)
    raise RuntimeError("__init__.py does not assign __version__")


def readme():
    """Return the text that a package index shows."""
    path = os.path.join(HERE, "README.md")
    if not os.path.exists(path):
        return ""
    with open(path, encoding="utf-8") as file:
        return file.read()


def packages():
    """Return every package to install: the root, and those found below `FOLDERS`."""
    patterns = FOLDERS + [folder + ".*" for folder in FOLDERS]
    return ["penstock"] + ["penstock." + name for name in find_packages(HERE, include=patterns)]


def package_data():
    """Return `DATA` for each of `FOLDERS`; a glob at the root would sweep in the whole checkout."""
    data = {"penstock." + folder: DATA for folder in FOLDERS}
    data["penstock"] = ["py.typed"]
    return data


setup(
    name="penstock",
    # Named, because a build through pip is not started as `setup.py`, and this file, lying in
    # the root package's folder, would be taken for one of its modules.
    script_name="setup.py",
    version=version(),
    description="Machine-learning pipelines in the manner of TFX, on one light engine",
    long_description=readme(),
    long_description_content_type="text/markdown",
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Intended Audience :: Developers",
        "Operating System :: POSIX",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Typing :: Typed",
    ],
    license="Apache-2.0",
    license_files=["LICENSE"],
    python_requires=PYTHON_REQUIRES,
    package_dir={"penstock": "."},
    packages=packages(),
    package_data=package_data(),
    install_requires=CORE,
    extras_require=EXTRAS,
    entry_points={"console_scripts": ["penstock = penstock.cli:main"]},
    zip_safe=False,
)
