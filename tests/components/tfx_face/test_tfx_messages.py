# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from google.protobuf import json_format, text_format

from penstock import tfx
from penstock.components.tfx_face.message_fields import FILES
from penstock.components.tfx_face.messages import message_file, plain
from penstock.tfx.utils import proto_utils


@pytest.mark.parametrize("file", sorted(FILES))
def test_every_file_of_messages_is_built(file: str) -> None:
    """If it fails, a message cannot be made at all."""
    built = message_file(file)
    for name in FILES[file].messages:
        found = built
        for part in name.split("."):
            found = getattr(found, part)
        assert found() == found()


def test_messages_are_made_in_all_the_ways_authors_use() -> None:
    """If it fails, a pipeline that builds its configuration in another way breaks."""
    Input = tfx.proto.Input
    by_keyword = Input(splits=[Input.Split(name="train", pattern="train/*")])
    by_dict = Input(splits=[{"name": "train", "pattern": "train/*"}])
    by_steps = Input()
    by_steps.splits.add(name="train").pattern = "train/*"
    by_text = text_format.Parse('splits { name: "train" pattern: "train/*" }', Input())
    by_json = json_format.Parse('{"splits": [{"name": "train", "pattern": "train/*"}]}', Input())
    assert by_keyword == by_dict == by_steps == by_text == by_json
    assert plain(by_keyword) == {"splits": [{"name": "train", "pattern": "train/*"}]}


def test_enums_are_set_by_name_and_number() -> None:
    """If it fails, versioning or payload formats cannot be given as TFX's files give them."""
    from penstock.tfx.proto import example_gen_pb2, pusher_pb2

    named = tfx.proto.PushDestination.Filesystem(base_directory="x", versioning="UNIX_TIMESTAMP")
    numbered = tfx.proto.PushDestination.Filesystem(
        base_directory="x", versioning=pusher_pb2.Versioning.UNIX_TIMESTAMP
    )
    assert named == numbered
    assert plain(named)["versioning"] == "UNIX_TIMESTAMP"
    assert example_gen_pb2.PayloadFormat.FORMAT_PARQUET == example_gen_pb2.FORMAT_PARQUET == 15


def test_one_of_several_is_kept() -> None:
    """If it fails, both ranges or both platforms could be set at once."""
    found = tfx.proto.RangeConfig(static_range={"start_span_number": 1, "end_span_number": 2})
    found.rolling_range.num_spans = 3
    assert found.WhichOneof("range") == "rolling_range"


def test_a_message_is_packed_into_a_custom_config() -> None:
    """If it fails, generators of one's own lose their configuration."""
    config = tfx.proto.CustomConfig()
    config.custom_config.Pack(tfx.proto.TrainArgs(num_steps=3))
    read = proto_utils.json_to_proto(proto_utils.proto_to_json(config), tfx.proto.CustomConfig())
    inner = tfx.proto.TrainArgs()
    assert read.custom_config.Unpack(inner) and inner.num_steps == 3


def test_messages_of_tensorflow_metadata_fit_inside() -> None:
    """If it fails, a DistributionValidator's configuration cannot be written as in TFX."""
    from tensorflow_metadata.proto.v0 import path_pb2, schema_pb2

    compared = tfx.proto.FeatureComparator(
        path=path_pb2.Path(step=["fare"]),
        distribution_comparator=schema_pb2.FeatureComparator(
            infinity_norm=schema_pb2.InfinityNorm(threshold=0.1)
        ),
    )
    assert plain(compared) == {
        "path": {"step": ["fare"]},
        "distribution_comparator": {"infinity_norm": {"threshold": 0.1}},
    }
