# SPDX-License-Identifier: Apache-2.0
"""Saves a trained model again, so that TFX's BulkInferrer can load it too.

    python -m benchmarks.portable_model MODEL FOLDER

TFX loads models into a session of TensorFlow 1, which does not find the variables of one that
Keras 3 has saved ("Could not find variable dense/kernel"). Loaded as TensorFlow 2 does, and
saved from a plain module, it is the same model: the same tables, weights and signature.
"""

from __future__ import annotations

import argparse
import os
from typing import Any

SERVING, SIGNATURE = "Format-Serving", "serving_default"


def main() -> None:
    """Saves the model of an artifact as another artifact's."""
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("folder")
    given = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

    import tensorflow as tf

    module = tf.Module()
    module.trained = tf.saved_model.load(os.path.join(given.model, SERVING))
    predict = module.trained.signatures[SIGNATURE]
    ((name, spec),) = predict.structured_input_signature[1].items()

    @tf.function(input_signature=[tf.TensorSpec(spec.shape, spec.dtype, name=name)])  # type: ignore[misc]
    def serve(examples: Any) -> Any:
        return predict(**{name: examples})

    tf.saved_model.save(module, os.path.join(given.folder, SERVING), {SIGNATURE: serve})


if __name__ == "__main__":
    main()
