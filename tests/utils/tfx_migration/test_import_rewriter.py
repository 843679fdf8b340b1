# SPDX-License-Identifier: Apache-2.0
"""Imports of TFX in Python files: rewritten, and nothing else."""

from __future__ import annotations

import ast
import textwrap

import pytest

from penstock.utils.tfx_migration.python_source import Absence, move_source


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("from tfx import v1 as tfx", "from penstock import tfx"),
        ("from tfx import v1", "from penstock import tfx as v1"),
        ("from tfx import v1 as t", "from penstock import tfx as t"),
        ("from tfx import (v1 as tfx)", "from penstock import (tfx)"),
        ("from tfx import v1 as tfx, types", "from penstock.tfx import v1 as tfx, types"),
        ("import tfx.v1 as tfx", "from penstock import tfx"),
        ("import tfx.v1 as t", "from penstock import tfx as t"),
        ("import tfx", "from penstock import tfx"),
        ("import tfx.components", "from penstock import tfx"),
        ("import tfx.components.trainer, tfx.dsl", "from penstock import tfx"),
        ("import tfx.dsl.io.fileio as f", "import penstock.tfx.dsl.io.fileio as f"),
        ("import os, tfx.v1 as tfx, re", "import os, re\nfrom penstock import tfx"),
        ("a = 1; import os, tfx.v1 as tfx; b = 2",
         "a = 1; import os; from penstock import tfx; b = 2"),
        ("from tfx.components import Trainer", "from penstock.tfx.components import Trainer"),
        ("from tfx.v1.proto import TrainArgs", "from penstock.tfx.proto import TrainArgs"),
        ("from tfx.proto import example_gen_pb2 as e", "from penstock.tfx.proto import "
         "example_gen_pb2 as e"),
        ("from tfx . types \\\n  import standard_artifacts",
         "from penstock.tfx.types \\\n  import standard_artifacts"),
        ("from tfx import *", "from penstock.tfx import *"),
        # Not TFX.
        ("from . import tfx", "from . import tfx"),
        ("from .tfx import v1", "from .tfx import v1"),
        ("from tfx_bsl.public import tfxio", "from tfx_bsl.public import tfxio"),
        ("import tfx_bsl, tfxx", "import tfx_bsl, tfxx"),
        ('text = "from tfx import v1 as tfx"', 'text = "from tfx import v1 as tfx"'),
    ],
)  # fmt: skip
def test_one_import(before: str, after: str) -> None:
    """A form of import is not moved, or becomes another than it should."""
    assert move_source(before + "\n").text == after + "\n"
    assert move_source(after + "\n").text == after + "\n", "a second move changes it again"


def test_all_else_stays_to_the_character() -> None:
    """Comments, blank space, quotes or line ends change with the imports."""
    source = textwrap.dedent('''\
        # -*- coding: utf-8 -*-
        """Ein „Text“: from tfx import v1"""
        from typing   import  List   # spaces\t

        from tfx.components import (  # the standard ones
            CsvExampleGen,   # reads
            Trainer as T,

        )  # end
        try:
            ö = "ü"; from tfx import v1 as tfx  # ä
        except ImportError:
            import   tfx.v1   as   tfx
        x = [1,2,
             3]
        ''')
    for ends in ("\n", "\r\n"):
        before = source.replace("\n", ends)
        after = move_source(before).text
        changed = {
            (old, new)
            for old, new in zip(before.split(ends), after.split(ends), strict=True)
            if old != new
        }
        assert changed == {
            ("from tfx.components import (  # the standard ones",
             "from penstock.tfx.components import (  # the standard ones"),
            ('    ö = "ü"; from tfx import v1 as tfx  # ä',
             '    ö = "ü"; from penstock import tfx  # ä'),
            ("    import   tfx.v1   as   tfx", "    from penstock import tfx"),
        }  # fmt: skip
        ast.parse(after)


def test_an_indented_import_of_several_keeps_its_block() -> None:
    """An import that becomes two falls out of the function it is in."""
    moved = move_source("def f():\n\timport os, tfx.v1 as tfx\n\treturn tfx, os\n").text
    assert moved == "def f():\n\timport os\n\tfrom penstock import tfx\n\treturn tfx, os\n"


def _lacking(known: set[str]) -> Absence:
    """A face that has only some names."""
    return lambda name: None if name in known else ("not there", "go without")


def _told(source: str, *names: str) -> list[tuple[int, str]]:
    """Lines and first words of what is found, where the face has only some names."""
    known = {"tfx", "tfx.components", "tfx.proto", "tfx.orchestration", "tfx.utils", *names}
    findings = move_source(textwrap.dedent(source), _lacking(known)).findings
    return [(each.line, each.what) for each in findings]


def test_what_the_face_lacks_is_listed_once_per_import() -> None:
    """A name that Penstock lacks shows up when the pipeline runs, or a hundred times."""
    told = _told("""\
        from tfx import v1 as tfx
        from tfx.utils import strange
        a = tfx.components.Known()
        b = tfx.components.Gone()
        c = strange.one() + strange.two
        """, "tfx.components.Known")  # fmt: skip
    assert told == [
        (2, "tfx.utils.strange: not there"),
        (4, "tfx.components.Gone: not there"),
    ]


@pytest.mark.parametrize(
    ("line", "what", "instead"),
    [
        ("tfx.extensions.google_cloud_big_query.BigQueryExampleGen(query='')",
         "reading from BigQuery", "SqlExampleGen"),
        ("tfx.extensions.google_cloud_big_query.Pusher()", "BigQuery ML", "bucket"),
        ("tfx.extensions.google_cloud_ai_platform.Trainer()", "Vertex AI", "Kubernetes"),
        ("tfx.extensions.google_cloud_ai_platform.Tuner()", "tuning on", "penstock tune"),
        ("tfx.extensions.google_cloud_ai_platform.Pusher()", "serving by", "KServe"),
        ("tf.estimator.DNNClassifier()", "Estimators", "Keras"),
        ("tfma.export.eval_input_receiver_fn", "Estimators", "Keras"),
        ("def trainer_fn(a, b): pass", "trainer_fn", "run_fn"),
        ("def eval_input_receiver_fn(): pass", "input receiver", "signature"),
        ("tfx.components.ModelValidator()", "ModelValidator", "Evaluator"),
        ("tfx.components.ImporterNode(instance_name='i')", "ImporterNode", "tfx.dsl.Importer"),
        ("tfx.utils.dsl_utils.external_input('d')", "external_input", "input_base"),
        ("tfx.components.CsvExampleGen(input='d')", "argument input", "input_base"),
        ("tfx.components.Trainer(instance_name='t')", "argument instance_name", "with_id"),
        ("tfx.orchestration.kubeflow.kubeflow_dag_runner.KubeflowDagRunner()",
         "Kubeflow Pipelines 1", "penstock compile"),
        ("kfp.onprem.mount_pvc()", "applied to operators", "docs/kubeflow.md"),
        ("importlib.import_module('tfx.utils.x')", "the text", "penstock.tfx.utils.x"),
        ("from tfx.examples.penguin import penguin_utils_base", "examples", "copy the file"),
    ],
)  # fmt: skip
def test_what_is_not_supported_is_listed(line: str, what: str, instead: str) -> None:
    """Something without an equal is passed over, or nothing is said of what to do."""
    source = textwrap.dedent("""\
        import importlib
        import kfp
        import tensorflow as tf, tensorflow_model_analysis as tfma
        from tfx import v1 as tfx
        """)
    known = {"tfx", "tfx.components.CsvExampleGen", "tfx.components.Trainer"}
    found = move_source(source + line + "\n", _lacking(known)).findings
    matching = [each for each in found if what in each.what and instead in each.instead]
    assert matching and matching[0].line == 5, found


def test_types_in_the_store_are_no_modules() -> None:
    """Names that executions have in the store, and keep, are told to be changed."""
    assert not move_source("t = 'tfx.components.trainer.component.Trainer'\n").findings


def test_findings_stay_after_the_move() -> None:
    """A second look at a moved project no longer tells what is left to do."""
    before = "from tfx import v1 as tfx\ntfx.extensions.google_cloud_ai_platform.Tuner()\n"
    moved = move_source(before)
    assert move_source(moved.text) == moved
    assert moved.findings
