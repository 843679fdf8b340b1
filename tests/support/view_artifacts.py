# SPDX-License-Identifier: Apache-2.0
"""Artifacts to look at, made small and by hand: with long names, gaps, and HTML in values."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable
from pathlib import Path

from penstock.components.base.artifact_types import ExampleStatistics, ModelEvaluation, ModelRun

#: A value that would show that values act as HTML.
HOSTILE = '<img src="http://192.0.2.1/x" onerror="window.hacked=1"><script>window.hacked=1</script>'
LONG = "a_very_long_feature_name_" * 6

MakeStatistics = Callable[..., ExampleStatistics]


def write_statistics(folder: Path, features: int, shift: float = 0.0) -> ExampleStatistics:
    """Statistics of so many features, every fourth a text, some missing almost everywhere."""
    from tensorflow_metadata.proto.v0 import statistics_pb2

    (folder / "Split-train").mkdir()
    found = statistics_pb2.DatasetFeatureStatisticsList()
    dataset = found.datasets.add(num_examples=1000)
    for index in range(features):
        feature = dataset.features.add()
        feature.path.step.append(LONG if index == 3 else f"feature_{index:03d}")
        missing = (0, 120, 900)[index % 3]
        text = index % 4 == 0
        feature.type = 2 if text else 1
        stats = feature.string_stats if text else feature.num_stats
        stats.common_stats.num_missing = missing
        stats.common_stats.num_non_missing = stats.common_stats.tot_num_values = 1000 - missing
        if text:
            stats.unique, stats.avg_length = 3, 7.5
            for rank, (value, share) in enumerate([(HOSTILE, 0.5), ("", 0.3), ("x" * 150, 0.2)]):
                count = share * (1000 - missing)
                stats.rank_histogram.buckets.add(
                    low_rank=rank, high_rank=rank, label=value, sample_count=count
                )
                stats.top_values.add(value=value, frequency=count)
        else:
            stats.mean, stats.std_dev, stats.median = 4.5 + shift, 1.5, 4.0 + shift
            stats.min, stats.max, stats.num_zeros = 0.0, 10.0, 3
            histogram = stats.histograms.add(type=0)
            for low in range(10):
                height = max(0.0, 100 - 15 * abs(low - 4 - shift))
                histogram.buckets.add(low_value=low, high_value=low + 1, sample_count=height)
    (folder / "Split-train" / "FeatureStats.pb").write_bytes(found.SerializeToString())
    statistics = ExampleStatistics(str(folder), id=features)
    statistics.splits = ["train"]
    return statistics


def write_evaluation(folder: Path) -> ModelEvaluation:
    """An evaluation of 24 slices, one of them without numbers, which was not blessed."""
    slices = [
        {
            "slice": {} if index == 0 else {"product": f"{index} {HOSTILE}"},
            "name": "all rows" if index == 0 else f"product: {index} {HOSTILE}",
            "metrics": {
                "example_count": 1000 - index,
                "auc": None if index == 5 else 0.6 + index / 99,
            },
            "baseline": {"auc": 0.65},
            "change": {"auc": index / 100},
            "intervals": {"auc": [0.58 + index / 99, 0.62 + index / 99]},
            "note": "too few records" if index == 5 else "",
        }
        for index in range(24)
    ]  # fmt: skip
    miss = {"metric": "auc", "slice": "product: 3", "demand": "at least 0.7", "value": 0.63,
            "by": 0.07, "baseline": None, "note": ""}  # fmt: skip
    verdict = {"judged": True, "blessed": False, "rubber_stamped": False, "misses": [miss]}
    summary = {"format": 1, "rows": 1000, "models": {}, "slices": slices, "verdict": verdict}
    (folder / "summary.json").write_text(json.dumps(summary))
    return ModelEvaluation(str(folder))


def write_model_run(folder: Path) -> ModelRun:
    """TensorBoard logs of two series: numbers as tensors (Keras), and as plain floats."""
    write_events(folder / "train" / "events.out.tfevents.1", "epoch_loss", tensor=True)
    write_events(folder / "validation" / "events.out.tfevents.1", "epoch_loss", tensor=False)
    return ModelRun(str(folder))


def write_events(path: Path, tag: str, *, tensor: bool) -> None:
    """Writes a file of TensorBoard events, the last of them cut off in the middle."""
    from tensorboard.compat.proto import event_pb2

    path.parent.mkdir()
    with path.open("wb") as file:
        for step in range(12):
            event = event_pb2.Event(step=step)
            value = event.summary.value.add(tag=tag)
            loss = math.exp(-step / 4)
            if tensor:
                value.metadata.plugin_data.plugin_name = "scalars"
                value.tensor.dtype = 1
                value.tensor.tensor_content = struct.pack("<f", loss)
            else:
                value.simple_value = loss
            data = event.SerializeToString()
            file.write(struct.pack("<Q", len(data)) + bytes(4) + data + bytes(4))
        file.write(struct.pack("<Q", 50) + bytes(4) + b"cut off")
