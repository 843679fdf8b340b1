# SPDX-License-Identifier: Apache-2.0
"""Does the work of `Transform`: analyze, save the graph, apply it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

# TensorFlow Transform would otherwise turn `tf.keras` into Keras 2 for the whole process.
os.environ.setdefault("TF_USE_LEGACY_KERAS", "0")

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from ...utils import storage
from ...utils.errors import DataError
from ..base.artifact import PropertyValue
from ..base.artifact_types import Examples, Schema, TransformCache, TransformGraph
from ..base.executor import Task
from ..ingest.examples_reader import count_rows, split_files
from ..ingest.examples_writer import describe
from ..ingest.payload import PayloadFormat
from .analysis import Analysis, write_transform_graph
from .analyzer_cache import dataset_key, read_cache, write_cache
from .beam_runner import runs_here
from .feature_reader import FeatureReader, is_parquet
from .graph_application import GraphApplication, Shard, write_with_beam
from .local_analysis import Cached
from .preprocessing import Preprocessing
from .saved_model_digest import tree_digest
from .splits_config import SplitsConfig
from .transform_statistics import write_statistics_outputs

#: Name of the schema's file in its artifact.
SCHEMA_FILE = "schema.pbtxt"


class TransformExecutor:
    """Writes a `TransformGraph`, and what else is asked for."""

    def execute(self, task: Task) -> Mapping[str, PropertyValue]:
        """Writes the outputs that the task has.

        Raises:
            DataError: The data does not fit the schema or the transform.
            UserCodeError: `preprocessing_fn` returned no features.
            Exception: Whatever `preprocessing_fn` raises.
        """
        examples = task.input_list("examples", Examples)
        reader = FeatureReader(read_schema(task.input("schema", Schema)), task.node_id)
        splits = task.parameter("splits_config", SplitsConfig | None) or SplitsConfig()
        graph = task.output("transform_graph", TransformGraph)
        datasets = _datasets(examples, splits.analyze, reader)
        rows = sum(count_rows(one, split) for split in splits.analyze for one in examples)
        if not rows:
            raise DataError(
                "there are no rows to analyze",
                node=task.node_id,
                expected="rows in split " + ", ".join(splits.analyze),
                got=", ".join(path for paths in datasets.values() for path in paths),
            )
        recorded = self._analyze(task, reader, datasets, graph, rows)
        graph.content_digest = tree_digest(graph.uri)
        if not task.outputs.get("transformed_examples"):
            return recorded
        if task.parameter("materialize", bool):
            wanted = splits.transform if splits.transform is not None else examples[0].splits
            recorded["transformed_rows"] = self._transform(task, reader, examples, wanted, graph)
            if task.outputs.get("post_transform_stats"):
                transformed = task.output("transformed_examples", Examples)
                write_statistics_outputs(task, examples, splits.analyze, graph, transformed)
        else:
            # Declared, and switched off for this run.
            task.output("transformed_examples", Examples).splits = []
        return recorded

    def _analyze(
        self,
        task: Task,
        reader: FeatureReader,
        datasets: Mapping[str, Sequence[str]],
        graph: TransformGraph,
        total: int,
    ) -> dict[str, PropertyValue]:
        """Writes the graph, and the analyzer cache where it is wanted."""
        task.report_progress(0, None, f"analyzing {total} rows")
        given = task.optional_input("analyzer_cache", TransformCache)
        kept = bool(task.outputs.get("updated_analyzer_cache"))
        read = 0

        def advance(rows: int) -> None:
            nonlocal read
            read += rows
            task.report_progress(read, None, "rows analyzed")

        preprocessing = Preprocessing(
            task.user_function("preprocessing_fn"),
            task.parameter("custom_config", dict | None),
            task.node_id,
            shared=runs_here(task.beam_pipeline_args),
        )
        known = read_cache(given, list(datasets), task.node_id) if given else Cached()
        analysis = Analysis(
            preprocessing,
            reader,
            datasets,
            task.work_dir,
            task.beam_pipeline_args,
            task.parameter("force_tf_compat_v1", bool),
            known,
            advance,
        )
        try:
            engine, cached = write_transform_graph(
                storage.local_path(graph.uri), analysis, keep=kept
            )
        finally:
            preprocessing.close()
        recorded: dict[str, PropertyValue] = {"analyzed_rows": total, "analysis_engine": engine}
        if kept:
            write_cache(task.output("updated_analyzer_cache", TransformCache), cached)
            recorded["datasets_from_cache"] = len(known.entries)
        if engine == "local":
            # Fewer where the cache had them, more where analyzers build on each other.
            recorded["rows_read_to_analyze"] = read
        return recorded

    def _transform(
        self,
        task: Task,
        reader: FeatureReader,
        examples: Sequence[Examples],
        splits: Sequence[str],
        graph: TransformGraph,
    ) -> int:
        """Writes the transformed splits; returns their number of rows."""
        output = task.output("transformed_examples", Examples)
        output.splits = splits
        if len(examples) == 1:
            output.span, output.version = examples[0].span, examples[0].version
        counts = {split: sum(count_rows(one, split) for one in examples) for split in splits}
        payload = _payload_format(split_files(examples[0], splits[0])[0])
        shards = [shard for split in splits for shard in _shards(examples, split, output, payload)]
        application = GraphApplication(storage.local_path(graph.uri), reader)
        total = sum(counts.values())
        if runs_here(task.beam_pipeline_args):
            done = 0

            def advance(rows: int) -> None:
                nonlocal done
                done += rows
                task.report_progress(done, total, "rows transformed")

            for shard in shards:
                application.write(shard, payload, advance)
        else:
            write_with_beam(application, shards, payload, task.beam_pipeline_args)
        describe(output, application.arrow_schema, payload, counts)
        _check_counts(task, output, counts)
        return total


def read_schema(schema: Schema) -> schema_pb2.Schema:
    """The schema of an artifact.

    Raises:
        StorageError: Its file is missing.
        DataError: Its file is no schema.
    """
    location = schema.path(SCHEMA_FILE)
    try:
        return text_format.Parse(storage.read_text(location), schema_pb2.Schema())
    except text_format.ParseError as error:
        raise DataError(
            "the schema cannot be read",
            expected="a tensorflow_metadata Schema as text",
            got=str(error),
            location=location,
        ) from None


def _datasets(
    examples: Sequence[Examples], splits: Sequence[str], reader: FeatureReader
) -> dict[str, list[str]]:
    """Files to analyze, by data set."""
    found: dict[str, list[str]] = {}
    for split in splits:
        for one in examples:
            files = split_files(one, split)
            key = name = dataset_key(one, split, reader)
            # The same data may be there more than once, and counts as often.
            while name in found:
                name = f"{key}-{len(found)}"
            found[name] = files
    return found


def _payload_format(path: str) -> PayloadFormat:
    if is_parquet(path):
        return PayloadFormat.PARQUET
    return PayloadFormat.TFRECORD_GZIP if path.endswith(".gz") else PayloadFormat.TFRECORD


def _shards(
    examples: Sequence[Examples], split: str, output: Examples, payload: PayloadFormat
) -> list[Shard]:
    sources = [path for one in examples for path in split_files(one, split)]
    folder = storage.local_path(output.split_uri(split))
    os.makedirs(folder, exist_ok=True)
    return [
        Shard(split, source, os.path.join(folder, payload.file_name(index, len(sources))))
        for index, source in enumerate(sources)
    ]


def _check_counts(task: Task, output: Examples, counts: Mapping[str, int]) -> None:
    # Without its properties, so that rows are counted in the files.
    written = Examples(output.uri, properties=output.properties)
    for split, rows in counts.items():
        found = count_rows(written, split)
        if found != rows:
            raise DataError(
                f"split {split!r} lost rows while it was transformed",
                node=task.node_id,
                expected=f"{rows} rows",
                got=f"{found} rows",
                location=output.split_uri(split),
            )
