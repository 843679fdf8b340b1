# SPDX-License-Identifier: Apache-2.0
"""Does the work of `ExampleDiff`: TFDV's feature skew detector, on Beam."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from typing import Any

import apache_beam as beam
import pyarrow as pa
import tensorflow as tf
from tensorflow_data_validation.skew import feature_skew_detector as detector

from ...utils.errors import ExecutionError, ParameterError, PenstockError, nearest
from ..base.artifact import PropertyValue, artifact_from_dict
from ..base.artifact_types import Examples
from ..base.executor import Task
from ..ingest.example_encoding import encode_examples
from ..ingest.examples_reader import examples_schema, iter_record_batches
from ..transform.beam_runner import is_in_process, pipeline_options
from .example_diff import ExampleDiffConfig, ExamplesDiff, PairedExampleSkew
from .local_statistics import seeded
from .split_pairs import pair_folder, pair_name, split_pairs

_log = logging.getLogger(__name__)

#: Beginnings of the names of the files of a pair of splits.
STATS_PREFIX, SAMPLE_PREFIX, MATCH_PREFIX = "skew_stats", "sample_pairs", "match_stats"
CONFUSION_PREFIX = "confusion"
_TEXTS = (
    pa.types.is_string,
    pa.types.is_large_string,
    pa.types.is_binary,
    pa.types.is_large_binary,
)

#: Records read at a time; they are turned into messages one by one.
_BATCH_ROWS = 1_024


class ExampleDiffExecutor:
    """Reads two `Examples`, writes an `ExamplesDiff`."""

    def execute(self, task: Task) -> Mapping[str, PropertyValue]:
        """Writes the output `example_diff`.

        Raises:
            ParameterError: A split or feature is not there.
            DataError: Examples cannot be read.
            ExecutionError: The Beam pipeline failed.
        """
        test = task.input("examples", Examples)
        base = task.input("baseline_examples", Examples)
        how = task.parameter("config", ExampleDiffConfig).paired_example_skew
        for examples in (test, base):
            _check_features(how, examples, task.node_id)
        included = task.parameter("include_split_pairs", list[tuple[str, str]] | None) or []
        pairs = split_pairs(test.splits, base.splits, included, task.node_id)
        output = task.output("example_diff", ExamplesDiff)
        output.splits = [pair_name(pair) for pair in pairs]
        folders = {pair: pair_folder(output, pair) for pair in pairs}
        options = pipeline_options(task.beam_pipeline_args)
        try:
            with seeded(), beam.Pipeline(options=options) as pipeline:
                for pair, folder in folders.items():
                    label = pair_name(pair)
                    sides = [
                        _read(pipeline, examples, split, f"{side}[{label}]", options)
                        for side, examples, split in (
                            ("Base", base, pair[1]),
                            ("Test", test, pair[0]),
                        )
                    ]
                    _compare(sides, how, folder, label)
        except PenstockError:
            raise
        except Exception as error:
            raise ExecutionError(
                "the Beam pipeline that compares records failed",
                node=task.node_id,
                got=str(error).strip().rpartition("\n")[2][:500],
                fix="the node's log has the whole traceback",
            ) from error
        return {
            key: value for pair in pairs for key, value in _told(pair_name(pair), folders[pair])
        }


def _check_features(how: PairedExampleSkew, examples: Examples, node: str) -> None:
    schema = examples_schema(examples)
    names = schema.names
    counted = [each.feature_name for each in how.confusion_config]
    asked = [("identifier_features", name) for name in how.identifier_features]
    for option, name in (*asked, *(("confusion_config", name) for name in counted)):
        if name not in names:
            raise ParameterError(
                f"{option} names {name!r}, which is no feature of the examples",
                node=node,
                expected=", ".join(names),
                got=name,
                suggestion=nearest(name, names),
                location=examples.uri,
            )

    for name in counted:
        kind = schema.field(name).type
        kind = getattr(kind, "value_type", kind)
        if not any(check(kind) for check in _TEXTS):
            raise ParameterError(
                f"confusion_config names {name!r}, which is no text",
                node=node,
                expected="a feature of one text in each record",
                got=str(kind),
                location=examples.uri,
            )


def _read(
    pipeline: beam.Pipeline, examples: Examples, split: str, label: str, options: Any
) -> beam.PCollection:
    splits = pipeline | f"Split{label}" >> beam.Create([split], reshuffle=False)
    records = splits | f"Read{label}" >> beam.FlatMap(_records, examples.to_dict())
    if not is_in_process(options):
        records = records | f"Spread{label}" >> beam.Reshuffle()
    return records | f"Parse{label}" >> beam.Map(tf.train.Example.FromString)


def _records(split: str, examples: Mapping[str, Any]) -> Iterator[bytes]:
    artifact = artifact_from_dict(examples)
    assert isinstance(artifact, Examples)
    for batch in iter_record_batches(artifact, split, _BATCH_ROWS):
        yield from encode_examples(batch).to_pylist()


def _compare(sides: Any, how: PairedExampleSkew, folder: str, label: str) -> None:
    compared = tuple(sides) | f"Compare[{label}]" >> detector.DetectFeatureSkewImpl(
        identifier_features=how.identifier_features,
        features_to_ignore=how.ignore_features,
        sample_size=how.skew_sample_size,
        float_round_ndigits=how.float_round_ndigits,
        allow_duplicate_identifiers=how.allow_duplicate_identifiers,
        confusion_configs=[detector.ConfusionConfig(c.feature_name) for c in how.confusion_config],
    )
    for key, prefix, sink in (
        (detector.SKEW_RESULTS_KEY, STATS_PREFIX, detector.skew_results_sink),
        (detector.SKEW_PAIRS_KEY, SAMPLE_PREFIX, detector.skew_pair_sink),
        (detector.MATCH_STATS_KEY, MATCH_PREFIX, detector.match_stats_sink),
        (detector.CONFUSION_KEY, CONFUSION_PREFIX, detector.confusion_count_sink),
    ):
        if key not in compared:
            continue
        _ = compared[key] | f"Write[{label}, {prefix}]" >> sink(os.path.join(folder, prefix))


def _told(label: str, folder: str) -> Iterator[tuple[str, PropertyValue]]:
    """Logs what was found; gives the counts to record."""
    (match,) = detector.match_stats_iterator(os.path.join(folder, MATCH_PREFIX))
    results = detector.skew_results_iterator(os.path.join(folder, STATS_PREFIX))
    differing = sorted(
        (r for r in results if r.diff_count), key=lambda r: (-r.diff_count, r.feature_name)
    )
    _log.info(
        "%s: %d pairs of records, %d features differ",
        label,
        match.matching_pairs_count,
        len(differing),
    )
    for each in differing:
        _log.warning("%s: %s differs in %d pairs", label, each.feature_name, each.diff_count)
    yield f"pairs_{label}", int(match.matching_pairs_count)
    yield f"differing_features_{label}", len(differing)
