# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from pathlib import Path

import pytest

from penstock.components.base.artifact_types import ExampleStatistics


@pytest.mark.heavy
def test_a_feature_that_one_split_lacks_is_not_deprecated(tmp_path: Path) -> None:
    """If it fails, a rare feature vanishes from what Transform and training read."""
    import pyarrow as pa
    import tensorflow_data_validation as tfdv
    from tensorflow_metadata.proto.v0 import schema_pb2

    from penstock.components.validate.local_statistics import compute_statistics
    from penstock.components.validate.schema_inference import infer_schema
    from penstock.components.validate.statistics_file import write_statistics

    found = ExampleStatistics(str(tmp_path), properties={"split_names": json.dumps(["a", "b"])})
    kind = pa.large_list(pa.int64())
    for split, rare in (("a", [[7], None, None]), ("b", [None, None, None])):
        batch = pa.RecordBatch.from_arrays(
            [pa.array([[1], [2], [3]], kind), pa.array(rare, kind)], names=["always", "rare"]
        )
        (tmp_path / f"Split-{split}").mkdir()
        write_statistics(
            found, split, compute_statistics([batch], tfdv.StatsOptions(), batch.schema)
        )
    schema = infer_schema(found, ["a", "b"])
    rare_feature = next(each for each in schema.feature if each.name == "rare")
    assert rare_feature.lifecycle_stage == schema_pb2.UNKNOWN_STAGE
    assert rare_feature.presence.min_count == 0
    always = next(each for each in schema.feature if each.name == "always")
    assert always.presence.min_fraction == 1.0
