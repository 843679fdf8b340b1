# SPDX-License-Identifier: Apache-2.0
"""Equal inputs, equal content digests: in this process, in others, and no more than that."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("tensorflow_transform")

pytestmark = [pytest.mark.heavy, pytest.mark.slow]

SCRIPT = """
import sys
from penstock.components.base.artifact_types import Examples, Schema, TransformGraph  # noqa: E402
from penstock.components.base.executor import Task  # noqa: E402
from penstock.components.transform.transform_executor import TransformExecutor  # noqa: E402
from taxi_features import preprocessing_fn
from penstock.utils.hashing import digest_tree  # noqa: E402

examples, schema, graph, transformed = sys.argv[1:]
inputs = {"examples": [Examples(examples)], "schema": [Schema(schema)]}
inputs["examples"][0].splits = ["train", "eval"]
outputs = {
    "transform_graph": [TransformGraph(graph)],
    "transformed_examples": [Examples(transformed)],
}
parameters = {"force_tf_compat_v1": False, "materialize": True}
code = {"preprocessing_fn": preprocessing_fn}
TransformExecutor().execute(Task(inputs, outputs, parameters, code))
print("digests", outputs["transform_graph"][0].content_digest, digest_tree(transformed))
"""


def test_other_processes_write_equal_content(
    raw_examples: Any,
    schema_artifact: Any,
    taxi_preprocessing_fn: Any,
    run_transform: Callable[..., Any],
    tmp_path: Path,
) -> None:
    """A Transform that runs again makes everything below it run again."""
    from penstock.utils.hashing import digest_tree

    folders = [tmp_path / "graph", tmp_path / "transformed"]
    for folder in folders:
        folder.mkdir()
    environment = {
        **os.environ,
        # Python's own source of differences between processes.
        "PYTHONHASHSEED": "77",
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path]),
    }
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, raw_examples.uri, schema_artifact.uri, *folders],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("digests")]
    graph, examples = run_transform(raw_examples, taxi_preprocessing_fn)
    again, _ = run_transform(raw_examples, taxi_preprocessing_fn, materialize=False)
    assert line.split()[1:] == [graph.content_digest, digest_tree(examples.uri)]
    assert again.content_digest == graph.content_digest
    # The files themselves cannot be compared: this is why there is a digest.
    assert digest_tree(str(folders[0])) != digest_tree(graph.uri)


def test_other_vocabulary_has_another_digest(
    raw_table: Any, raw_examples: Any, write_raw: Any, run_transform: Callable[..., Any]
) -> None:
    """Training is skipped although the features have changed."""
    import pyarrow.compute as pc

    index = raw_table.schema.get_field_index("payment type")
    renamed = pc.replace_substring(raw_table["payment type"], "app", "bike")
    other = raw_table.set_column(index, "payment type", renamed)

    def vocabulary(inputs: Any) -> Any:
        import tensorflow_transform as tft

        return {"payment": tft.compute_and_apply_vocabulary(inputs["payment type"])}

    one, _ = run_transform(raw_examples, vocabulary, materialize=False)
    two, _ = run_transform(write_raw(other), vocabulary, materialize=False)
    assert one.content_digest != two.content_digest
