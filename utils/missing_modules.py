# SPDX-License-Identifier: Apache-2.0
"""What to install when an import fails."""

from __future__ import annotations

_FRAMEWORK = __name__.split(".", 1)[0]

#: Import names whose distribution is called otherwise.
_DISTRIBUTIONS = {
    "PIL": "Pillow",
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python-headless",
    "dateutil": "python-dateutil",
    "dotenv": "python-dotenv",
    "google.cloud.bigquery": "google-cloud-bigquery",
    "google.cloud.storage": "google-cloud-storage",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "yaml": "PyYAML",
}

#: Import names that an extra of this package brings, in versions tested together.
_EXTRAS = {
    "apache_beam": "ml",
    "pandas": "ml",
    "pyarrow": "ml",
    "tensorflow": "ml",
    "tensorflow_data_validation": "ml",
    "tensorflow_metadata": "ml",
    "tensorflow_model_analysis": "ml",
    "tensorflow_transform": "ml",
    "tf_keras": "ml",
    "tfx_bsl": "ml",
    "kfp": "kubeflow",
    "keras_tuner": "tune",
    "optuna": "tune",
}


def install_hint(module: str) -> str:
    """The command that most likely brings `module`."""
    top = module.split(".", 1)[0]
    if top in _EXTRAS:
        return f"pip install '{_FRAMEWORK}[{_EXTRAS[top]}]'"
    return f"pip install {_DISTRIBUTIONS.get(module, _DISTRIBUTIONS.get(top, top))}"
