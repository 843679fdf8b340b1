# SPDX-License-Identifier: Apache-2.0
"""FeatureInfluence: which features a model's predictions hang on."""

from __future__ import annotations

from typing import Literal

from ..base.annotations import Input, Output, Parameter, output
from ..base.artifact_types import Examples, FeatureInfluenceArtifact, Model
from ..base.component import Component


class FeatureInfluence(Component):
    """Measures how much each feature matters to a model: overall, by slice, and for records.

    `permutation` asks a model of any flavor again with a feature's values shuffled among the
    records, and tells how much worse it then is (Breiman, Random Forests, 2001; Fisher et
    al., https://arxiv.org/abs/1801.01489). With a label, worse means a larger loss; without
    one, a changed prediction. Of features that tell the same, each alone seems unimportant.

    `integrated_gradients` (Sundararajan et al., https://arxiv.org/abs/1703.01365) follows the
    gradient of the prediction from an average record to each record. It needs gradients with
    respect to the model's inputs: of Keras models in a `.keras` file, and of SavedModels
    whose signature takes tensors of floats. Where a signature takes serialized `tf.Example`s
    there are none, nor through a transform beside the model; that is an error, which says so.
    Inputs that are no floats are held as they are.

    Slices use the same shuffling of all records: a slice's figure says how much its records
    lose when they get values that other records have.

    Everything is bounded by `max_rows` and drawn with `seed`: equal inputs give equal bytes.

    Args:
        examples: The records, raw as the model is asked when it serves.
        model: The model.
        label_key: Column with the label; without it, changes of predictions are measured.
        output_key: The output to look at. By default the only one; of a classifier, its
            probabilities. Of an output with several numbers the mean over them is taken.
        method: `permutation` or `integrated_gradients`.
        signature: Signature to call, for SavedModels.
        split: Name of the split.
        slice_by: Columns, each of whose values makes a slice.
        features: Features to measure; all that the model takes by default.
        max_rows: Records to measure on, drawn from the split.
        repeats: How often each feature is shuffled.
        steps: Points between the average record and each record, for gradients.
        explain: So many of the drawn records are explained one by one.
        min_slice_rows: Slices with fewer of the drawn records are left out.
        seed: Seed for drawing and shuffling.

    Outputs:
        influence: `influence.json`, and charts in `influence.html`.
    """

    executor = "penstock.components.analyze.influence_executor:FeatureInfluenceExecutor"
    preload = ("penstock.components.analyze.influence_executor",)

    examples: Input[Examples]
    model: Input[Model]
    label_key: Parameter[str | None] = None
    output_key: Parameter[str | None] = None
    method: Parameter[Literal["permutation", "integrated_gradients"]] = "permutation"
    signature: Parameter[str | None] = None
    split: Parameter[str] = "eval"
    slice_by: Parameter[list[str]] = []
    features: Parameter[list[str] | None] = None
    max_rows: Parameter[int] = 2000
    repeats: Parameter[int] = 5
    steps: Parameter[int] = 50
    explain: Parameter[int] = 0
    min_slice_rows: Parameter[int] = 20
    seed: Parameter[int] = 0
    influence: Output[FeatureInfluenceArtifact] = output()
