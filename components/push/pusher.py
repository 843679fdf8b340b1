# SPDX-License-Identifier: Apache-2.0
"""The Pusher: hands a blessed model to those who serve it."""

from __future__ import annotations

from ..base.annotations import Input, OptionalInput, Output, Parameter, output
from ..base.artifact_types import InfraBlessing, Model, ModelBlessing, PushedModel
from ..base.component import Component
from .push_destination import PushDestination


class Pusher(Component):
    """Pushes a model to where it is served, if every blessing it was given says so.

    A model that is not blessed is not pushed; that is a result, not an error: the run goes
    on, and `pushed_model` has the custom property `pushed` 0. See
    https://www.tensorflow.org/tfx/guide/pusher.

    Args:
        model: The model to push.
        push_destination: Where to push to. A folder gets one sub-folder for each version,
            named by the time of the push in seconds since 1970, always higher than every
            version before it. A push that would repeat the newest version adds none.
        model_blessing: The Evaluator's verdict. Without any blessing the model is pushed
            unproven, and the log says so.
        infra_blessing: The verdict on whether the model can be served.

    Outputs:
        pushed_model: What was pushed, with the custom properties `pushed`,
            `pushed_destination` and `pushed_version`.
    """

    type_name = "tfx.components.pusher.component.Pusher"
    executor = "penstock.components.push.pusher_executor:PusherExecutor"
    verify_cached = "penstock.components.push.cached_push:is_still_pushed"

    model: Input[Model]
    push_destination: Parameter[PushDestination]
    model_blessing: OptionalInput[ModelBlessing] = None
    infra_blessing: OptionalInput[InfraBlessing] = None
    pushed_model: Output[PushedModel] = output()
