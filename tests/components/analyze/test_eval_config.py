# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from pydantic import ValidationError

from penstock.components.analyze.eval_config import EvalConfig
from penstock.components.analyze.evaluator import Evaluator
from penstock.components.base.artifact_types import Examples, Model
from penstock.components.base.channel import Channel
from penstock.utils.errors import ParameterError

CONFIG = {
    "model_specs": [{"label_key": "label"}],
    "slicing_specs": [{}, {"feature_keys": ["product"]}],
    "metrics_specs": [
        {
            "metrics": [
                {"class_name": "ExampleCount"},
                {
                    "class_name": "AUC",
                    "config": {"num_thresholds": 100},
                    "threshold": {
                        "value_threshold": {"lower_bound": 0.6},
                        "change_threshold": {"absolute": -0.01, "direction": "HIGHER_IS_BETTER"},
                    },
                },
            ]
        }
    ],
}


def _channels() -> dict[str, Any]:
    return {"examples": Channel(Examples, None, "examples"), "model": Channel(Model, None, "m")}


def test_configuration_is_written_as_it_was_given() -> None:
    """Unset fields in the compiled pipeline would change its digest with every new field."""
    written = EvalConfig.model_validate(CONFIG).model_dump(mode="json")
    expected = json.loads(json.dumps(CONFIG))
    expected["metrics_specs"][0]["metrics"][1]["config"] = '{"num_thresholds": 100}'
    assert written == expected
    assert EvalConfig.model_validate(written).model_dump(mode="json") == written


def test_names_and_numbers_may_be_written_the_protocol_buffer_way() -> None:
    """Configurations copied from TFX documents would have to be rewritten by hand."""
    text_format_like = {
        "modelSpecs": [{"labelKey": "label"}],
        "metricsSpecs": [
            {
                "metrics": [
                    {
                        "className": "AUC",
                        "threshold": {"valueThreshold": {"lowerBound": {"value": 0.6}}},
                    }
                ]
            }
        ],
        "options": {"minSliceSize": {"value": 5}},
    }
    read = EvalConfig.model_validate(text_format_like)
    threshold = read.metrics_specs[0].metrics[0].threshold
    assert threshold is not None and threshold.value_threshold is not None
    assert threshold.value_threshold.lower_bound == 0.6
    assert read.options is not None and read.options.min_slice_size == 5
    assert read.model_dump(mode="json")["model_specs"] == [{"label_key": "label"}]


def test_misspelt_field_names_the_nearest_when_the_component_is_built() -> None:
    """A misspelt slice would be found only when the Evaluator runs, after the training."""
    wrong = {**CONFIG, "slicing_specs": [{"feature_key": ["product"]}]}
    with pytest.raises(ParameterError, match="eval_config") as caught:
        Evaluator(**_channels(), eval_config=wrong)
    assert "did you mean 'feature_keys'" in str(caught.value)
    assert "slicing_specs.0" in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {
                "metrics_specs": [
                    {
                        "metrics": [
                            {
                                "class_name": "AUC",
                                "threshold": {"change_threshold": {"absolute": 0.1}},
                            }
                        ]
                    }
                ]
            },
            "needs `direction`",
        ),
        ({"model_specs": [{"name": "a"}, {"label_key": "b"}]}, "needs a name"),
        ({"model_specs": [{"name": "a"}, {"name": "a"}]}, "same name twice"),
        (
            {
                "model_specs": [
                    {"name": "a", "is_baseline": True},
                    {"name": "b", "is_baseline": True},
                ]
            },
            "only one",
        ),
        (
            {
                "model_specs": [{"name": "a"}, {"name": "b"}],
                "metrics_specs": [{"model_names": ["c"]}],
            },
            "'c'",
        ),
    ],
)
def test_contradictions_are_refused_early(change: dict[str, Any], message: str) -> None:
    """TFMA accepts some of these and then refuses every model, or fails after minutes."""
    with pytest.raises(ValidationError, match=message):
        EvalConfig.model_validate({**CONFIG, **change})


@pytest.mark.heavy
def test_protocol_buffer_is_accepted() -> None:
    """Pipelines written for TFX pass a tfma.EvalConfig."""
    from google.protobuf import json_format
    from tensorflow_model_analysis.proto import config_pb2

    proto = json_format.ParseDict(
        EvalConfig.model_validate(CONFIG).model_dump(mode="json"), config_pb2.EvalConfig()
    )
    built = Evaluator(**_channels(), eval_config=proto)
    from_dict = Evaluator(**_channels(), eval_config=CONFIG)
    assert built.parameters["eval_config"] == from_dict.parameters["eval_config"]
    back = json_format.ParseDict(built.parameters["eval_config"], config_pb2.EvalConfig())
    assert back == proto


@pytest.mark.heavy
def test_every_field_of_the_protocol_buffer_is_mirrored() -> None:
    """A field that TFMA knows would be refused as unknown."""
    from tensorflow_model_analysis.proto import config_pb2

    from penstock.components.analyze import eval_config

    seen = set()

    def compare(message: Any) -> None:
        if message.full_name in seen or message.GetOptions().map_entry:
            return
        seen.add(message.full_name)
        mirror = getattr(eval_config, message.name)
        assert set(mirror.model_fields) == {field.name for field in message.fields}, message.name
        for field in message.fields:
            kind = field.message_type
            if kind is not None and kind.GetOptions().map_entry:
                kind = kind.fields_by_name["value"].message_type
            if kind is not None and not kind.full_name.startswith("google."):
                compare(kind)

    compare(config_pb2.EvalConfig.DESCRIPTOR)
    assert len(seen) > 15


def test_declarations_load_nothing_heavy() -> None:
    """Compiling a pipeline would take the nine seconds that TFMA's import takes."""
    code = (
        "import sys; import penstock.components.analyze.evaluator, "
        "penstock.components.analyze.evaluation_summary, penstock.components.push.pusher, "
        "penstock.components.push.cached_push, penstock.components.push.pusher_executor; "
        "heavy = {'tensorflow', 'apache_beam', 'pandas', 'tensorflow_model_analysis', 'pyarrow', "
        "'numpy', 'tfx_bsl'} & set(sys.modules); print(sorted(heavy))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
