# SPDX-License-Identifier: Apache-2.0
"""Penstock: machine-learning pipelines in the manner of TFX, on one light engine.

The names below are imported when first used. So `import penstock` costs next to nothing,
and this file can be read from a checkout folder of any name.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

__version__ = "0.1.0"

#: The public names, by the module that defines them. Type checkers and editors read the
#: imports above instead; a test holds the two and `__all__` together.
_HOMES = {
    ".components.analyze.bulk_inferrer": ("BulkInferrer",),
    ".components.analyze.eval_config": ("EvalConfig",),
    ".components.analyze.evaluator": ("Evaluator",),
    ".components.analyze.influence": ("FeatureInfluence",),
    ".components.analyze.model_card": ("ModelCard",),
    ".components.analyze.model_card_text": (
        "ModelCardText",
        "Risk",
    ),
    ".components.base.annotations": (
        "Input",
        "OptionalInput",
        "Output",
        "OutputDict",
        "Parameter",
        "output",
    ),
    ".components.base.artifact": ("Artifact", "PropertyType", "SplitArtifact", "ValueArtifact"),
    ".components.base.artifact_types": (
        "ApprovalRecord",
        "Boolean",
        "ExampleAnomalies",
        "ExampleStatistics",
        "Examples",
        "ExternalArtifact",
        "FeatureInfluenceArtifact",
        "Float",
        "HyperParameters",
        "InferenceResult",
        "InfraBlessing",
        "Integer",
        "JsonValue",
        "Model",
        "ModelBlessing",
        "ModelCardArtifact",
        "ModelEvaluation",
        "ModelRun",
        "PushedModel",
        "RejectedExamples",
        "Schema",
        "String",
        "TransformCache",
        "TransformGraph",
        "TunerResults",
    ),
    ".components.base.channel": ("Channel", "union"),
    ".components.base.component": ("Component",),
    ".components.base.container_component": (
        "InputUri",
        "OutputUri",
        "ParameterValue",
        "Text",
        "container_component",
    ),
    ".components.base.executor": ("Executor", "Task"),
    ".components.base.expression": (
        "FAILED_NODES",
        "PIPELINE_NAME",
        "PIPELINE_ROOT",
        "RUN_ID",
        "RuntimeParameter",
    ),
    ".components.base.function_component": ("component",),
    ".components.base.node": ("Resources",),
    ".components.base.search_space": ("Choice", "FloatRange", "IntRange"),
    ".components.control.approval": ("Approval",),
    ".components.control.condition": ("Cond",),
    ".components.control.importer": ("Importer",),
    ".components.control.resolver": ("Resolver",),
    ".components.control.store_importer": ("StoreImporter",),
    ".components.control.strategies": (
        "LatestArtifactStrategy",
        "LatestBlessedModelStrategy",
        "PreviousSpanStrategy",
        "SpanRangeStrategy",
        "Strategy",
    ),
    ".components.ingest.avro_example_gen": ("AvroExampleGen",),
    ".components.ingest.csv_example_gen": ("CsvExampleGen",),
    ".components.ingest.function_example_gen": ("FunctionExampleGen",),
    ".components.ingest.import_example_gen": ("ImportExampleGen",),
    ".components.ingest.input_config": (
        "InputConfig",
        "InputSplit",
        "RangeConfig",
        "RollingRange",
        "StaticRange",
    ),
    ".components.ingest.jsonl_example_gen": ("JsonlExampleGen",),
    ".components.ingest.output_config": ("OutputConfig", "OutputSplit", "SplitConfig"),
    ".components.ingest.parquet_example_gen": ("ParquetExampleGen",),
    ".components.ingest.payload": ("PayloadFormat",),
    ".components.ingest.sql_example_gen": ("SqlExampleGen",),
    ".components.push.push_destination": ("Filesystem", "KServe", "PushDestination", "Webhook"),
    ".components.push.pusher": ("Pusher",),
    ".components.serve.infra_specs": ("RequestSpec", "ServingSpec", "ValidationSpec"),
    ".components.serve.infra_validator": ("InfraValidator",),
    ".components.train.distributed.distribution": ("Distribution",),
    ".components.train.fn_args": ("FnArgs",),
    ".components.train.train_args": ("EvalArgs", "TrainArgs"),
    ".components.train.trainer": ("Trainer",),
    ".components.train.tuner": ("Tuner",),
    ".components.train.tuner_args": ("TuneArgs", "TunerFnResult"),
    ".components.transform.light.light_transform": ("LightTransform",),
    ".components.transform.splits_config": ("SplitsConfig",),
    ".components.transform.transform": ("Transform",),
    ".components.validate.comparators": (
        "Comparators",
        "FeatureComparator",
        "NumericValueComparator",
    ),
    ".components.validate.custom_validation": ("CustomValidationConfig",),
    ".components.validate.distribution_config": ("DistributionValidatorConfig",),
    ".components.validate.distribution_validator": ("DistributionValidator",),
    ".components.validate.example_diff": ("ExampleDiff", "ExampleDiffConfig", "ExamplesDiff"),
    ".components.validate.example_validator": ("ExampleValidator",),
    ".components.validate.import_schema_gen": ("ImportSchemaGen",),
    ".components.validate.schema_gen": ("SchemaGen",),
    ".components.validate.statistics_gen": ("StatisticsGen",),
    ".components.validate.stats_options": ("SlicingConfig", "SlicingSpec", "StatsOptions"),
    ".orchestration.ir": ("PipelineIR",),
    ".orchestration.metadata.store": ("MetadataStore",),
    ".orchestration.pipeline": ("Pipeline", "PipelineInputs"),
    ".orchestration.runners.airflow.airflow_dag_runner": ("AirflowDagRunner",),
    ".orchestration.runners.airflow.airflow_settings": ("AirflowSettings",),
    ".orchestration.runners.beam.beam_dag_runner": ("BeamDagRunner",),
    ".orchestration.runners.kubeflow.kubeflow_dag_runner": ("KubeflowDagRunner",),
    ".orchestration.runners.local.local_runner": ("LocalRunner",),
    ".orchestration.runners.local.selection": ("Selection",),
    ".orchestration.runners.local.tuning.tune": ("resume_tuning", "tune"),
    ".orchestration.runners.local.tuning.tune_result": ("TuneResult",),
    ".orchestration.runners.notebook.interactive_context": ("InteractiveContext",),
    ".orchestration.runners.run_result": ("RunResult",),
    ".orchestration.runners.views.frames": ("to_arrow", "to_pandas"),
    ".orchestration.runners.views.registry": ("register_view",),
    ".orchestration.runners.views.showing": ("show",),
    ".utils.errors": ("PenstockError",),
}

_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "FAILED_NODES",
    "PIPELINE_NAME",
    "PIPELINE_ROOT",
    "RUN_ID",
    "AirflowDagRunner",
    "AirflowSettings",
    "Approval",
    "ApprovalRecord",
    "Artifact",
    "AvroExampleGen",
    "BeamDagRunner",
    "Boolean",
    "BulkInferrer",
    "Channel",
    "Choice",
    "Comparators",
    "Component",
    "Cond",
    "CsvExampleGen",
    "CustomValidationConfig",
    "Distribution",
    "DistributionValidator",
    "DistributionValidatorConfig",
    "EvalArgs",
    "EvalConfig",
    "Evaluator",
    "ExampleAnomalies",
    "ExampleDiff",
    "ExampleDiffConfig",
    "ExampleStatistics",
    "ExampleValidator",
    "Examples",
    "ExamplesDiff",
    "Executor",
    "ExternalArtifact",
    "FeatureComparator",
    "FeatureInfluence",
    "FeatureInfluenceArtifact",
    "Filesystem",
    "Float",
    "FloatRange",
    "FnArgs",
    "FunctionExampleGen",
    "HyperParameters",
    "ImportExampleGen",
    "ImportSchemaGen",
    "Importer",
    "InferenceResult",
    "InfraBlessing",
    "InfraValidator",
    "Input",
    "InputConfig",
    "InputSplit",
    "InputUri",
    "IntRange",
    "Integer",
    "InteractiveContext",
    "JsonValue",
    "JsonlExampleGen",
    "KServe",
    "KubeflowDagRunner",
    "LatestArtifactStrategy",
    "LatestBlessedModelStrategy",
    "LightTransform",
    "LocalRunner",
    "MetadataStore",
    "Model",
    "ModelBlessing",
    "ModelCard",
    "ModelCardArtifact",
    "ModelCardText",
    "ModelEvaluation",
    "ModelRun",
    "NumericValueComparator",
    "OptionalInput",
    "Output",
    "OutputConfig",
    "OutputDict",
    "OutputSplit",
    "OutputUri",
    "Parameter",
    "ParameterValue",
    "ParquetExampleGen",
    "PayloadFormat",
    "PenstockError",
    "Pipeline",
    "PipelineIR",
    "PipelineInputs",
    "PreviousSpanStrategy",
    "PropertyType",
    "PushDestination",
    "PushedModel",
    "Pusher",
    "RangeConfig",
    "RejectedExamples",
    "RequestSpec",
    "Resolver",
    "Resources",
    "Risk",
    "RollingRange",
    "RunResult",
    "RuntimeParameter",
    "Schema",
    "SchemaGen",
    "Selection",
    "ServingSpec",
    "SlicingConfig",
    "SlicingSpec",
    "SpanRangeStrategy",
    "SplitArtifact",
    "SplitConfig",
    "SplitsConfig",
    "SqlExampleGen",
    "StaticRange",
    "StatisticsGen",
    "StatsOptions",
    "StoreImporter",
    "Strategy",
    "String",
    "Task",
    "Text",
    "TrainArgs",
    "Trainer",
    "Transform",
    "TransformCache",
    "TransformGraph",
    "TuneArgs",
    "TuneResult",
    "Tuner",
    "TunerFnResult",
    "TunerResults",
    "ValidationSpec",
    "ValueArtifact",
    "Webhook",
    "__version__",
    "component",
    "container_component",
    "output",
    "register_view",
    "resume_tuning",
    "show",
    "to_arrow",
    "to_pandas",
    "tune",
    "union",
]

if TYPE_CHECKING:
    from .components.analyze.bulk_inferrer import BulkInferrer as BulkInferrer
    from .components.analyze.eval_config import EvalConfig as EvalConfig
    from .components.analyze.evaluator import Evaluator as Evaluator
    from .components.analyze.influence import FeatureInfluence as FeatureInfluence
    from .components.analyze.model_card import ModelCard as ModelCard
    from .components.analyze.model_card_text import ModelCardText as ModelCardText
    from .components.analyze.model_card_text import Risk as Risk
    from .components.base.annotations import Input as Input
    from .components.base.annotations import OptionalInput as OptionalInput
    from .components.base.annotations import Output as Output
    from .components.base.annotations import OutputDict as OutputDict
    from .components.base.annotations import Parameter as Parameter
    from .components.base.annotations import output as output
    from .components.base.artifact import Artifact as Artifact
    from .components.base.artifact import PropertyType as PropertyType
    from .components.base.artifact import SplitArtifact as SplitArtifact
    from .components.base.artifact import ValueArtifact as ValueArtifact
    from .components.base.artifact_types import ApprovalRecord as ApprovalRecord
    from .components.base.artifact_types import Boolean as Boolean
    from .components.base.artifact_types import ExampleAnomalies as ExampleAnomalies
    from .components.base.artifact_types import Examples as Examples
    from .components.base.artifact_types import ExampleStatistics as ExampleStatistics
    from .components.base.artifact_types import ExternalArtifact as ExternalArtifact
    from .components.base.artifact_types import (
        FeatureInfluenceArtifact as FeatureInfluenceArtifact,
    )
    from .components.base.artifact_types import Float as Float
    from .components.base.artifact_types import HyperParameters as HyperParameters
    from .components.base.artifact_types import InferenceResult as InferenceResult
    from .components.base.artifact_types import InfraBlessing as InfraBlessing
    from .components.base.artifact_types import Integer as Integer
    from .components.base.artifact_types import JsonValue as JsonValue
    from .components.base.artifact_types import Model as Model
    from .components.base.artifact_types import ModelBlessing as ModelBlessing
    from .components.base.artifact_types import ModelCardArtifact as ModelCardArtifact
    from .components.base.artifact_types import ModelEvaluation as ModelEvaluation
    from .components.base.artifact_types import ModelRun as ModelRun
    from .components.base.artifact_types import PushedModel as PushedModel
    from .components.base.artifact_types import RejectedExamples as RejectedExamples
    from .components.base.artifact_types import Schema as Schema
    from .components.base.artifact_types import String as String
    from .components.base.artifact_types import TransformCache as TransformCache
    from .components.base.artifact_types import TransformGraph as TransformGraph
    from .components.base.artifact_types import TunerResults as TunerResults
    from .components.base.channel import Channel as Channel
    from .components.base.channel import union as union
    from .components.base.component import Component as Component
    from .components.base.container_component import InputUri as InputUri
    from .components.base.container_component import OutputUri as OutputUri
    from .components.base.container_component import ParameterValue as ParameterValue
    from .components.base.container_component import Text as Text
    from .components.base.container_component import container_component as container_component
    from .components.base.executor import Executor as Executor
    from .components.base.executor import Task as Task
    from .components.base.expression import FAILED_NODES as FAILED_NODES
    from .components.base.expression import PIPELINE_NAME as PIPELINE_NAME
    from .components.base.expression import PIPELINE_ROOT as PIPELINE_ROOT
    from .components.base.expression import RUN_ID as RUN_ID
    from .components.base.expression import RuntimeParameter as RuntimeParameter
    from .components.base.function_component import component as component
    from .components.base.node import Resources as Resources
    from .components.base.search_space import Choice as Choice
    from .components.base.search_space import FloatRange as FloatRange
    from .components.base.search_space import IntRange as IntRange
    from .components.control.approval import Approval as Approval
    from .components.control.condition import Cond as Cond
    from .components.control.importer import Importer as Importer
    from .components.control.resolver import Resolver as Resolver
    from .components.control.store_importer import StoreImporter as StoreImporter
    from .components.control.strategies import LatestArtifactStrategy as LatestArtifactStrategy
    from .components.control.strategies import (
        LatestBlessedModelStrategy as LatestBlessedModelStrategy,
    )
    from .components.control.strategies import PreviousSpanStrategy as PreviousSpanStrategy
    from .components.control.strategies import SpanRangeStrategy as SpanRangeStrategy
    from .components.control.strategies import Strategy as Strategy
    from .components.ingest.avro_example_gen import AvroExampleGen as AvroExampleGen
    from .components.ingest.csv_example_gen import CsvExampleGen as CsvExampleGen
    from .components.ingest.function_example_gen import FunctionExampleGen as FunctionExampleGen
    from .components.ingest.import_example_gen import ImportExampleGen as ImportExampleGen
    from .components.ingest.input_config import InputConfig as InputConfig
    from .components.ingest.input_config import InputSplit as InputSplit
    from .components.ingest.input_config import RangeConfig as RangeConfig
    from .components.ingest.input_config import RollingRange as RollingRange
    from .components.ingest.input_config import StaticRange as StaticRange
    from .components.ingest.jsonl_example_gen import JsonlExampleGen as JsonlExampleGen
    from .components.ingest.output_config import OutputConfig as OutputConfig
    from .components.ingest.output_config import OutputSplit as OutputSplit
    from .components.ingest.output_config import SplitConfig as SplitConfig
    from .components.ingest.parquet_example_gen import ParquetExampleGen as ParquetExampleGen
    from .components.ingest.payload import PayloadFormat as PayloadFormat
    from .components.ingest.sql_example_gen import SqlExampleGen as SqlExampleGen
    from .components.push.push_destination import Filesystem as Filesystem
    from .components.push.push_destination import KServe as KServe
    from .components.push.push_destination import PushDestination as PushDestination
    from .components.push.push_destination import Webhook as Webhook
    from .components.push.pusher import Pusher as Pusher
    from .components.serve.infra_specs import RequestSpec as RequestSpec
    from .components.serve.infra_specs import ServingSpec as ServingSpec
    from .components.serve.infra_specs import ValidationSpec as ValidationSpec
    from .components.serve.infra_validator import InfraValidator as InfraValidator
    from .components.train.distributed.distribution import Distribution as Distribution
    from .components.train.fn_args import FnArgs as FnArgs
    from .components.train.train_args import EvalArgs as EvalArgs
    from .components.train.train_args import TrainArgs as TrainArgs
    from .components.train.trainer import Trainer as Trainer
    from .components.train.tuner import Tuner as Tuner
    from .components.train.tuner_args import TuneArgs as TuneArgs
    from .components.train.tuner_args import TunerFnResult as TunerFnResult
    from .components.transform.light.light_transform import LightTransform as LightTransform
    from .components.transform.splits_config import SplitsConfig as SplitsConfig
    from .components.transform.transform import Transform as Transform
    from .components.validate.comparators import Comparators as Comparators
    from .components.validate.comparators import FeatureComparator as FeatureComparator
    from .components.validate.comparators import NumericValueComparator as NumericValueComparator
    from .components.validate.custom_validation import (
        CustomValidationConfig as CustomValidationConfig,
    )
    from .components.validate.distribution_config import (
        DistributionValidatorConfig as DistributionValidatorConfig,
    )
    from .components.validate.distribution_validator import (
        DistributionValidator as DistributionValidator,
    )
    from .components.validate.example_diff import ExampleDiff as ExampleDiff
    from .components.validate.example_diff import ExampleDiffConfig as ExampleDiffConfig
    from .components.validate.example_diff import ExamplesDiff as ExamplesDiff
    from .components.validate.example_validator import ExampleValidator as ExampleValidator
    from .components.validate.import_schema_gen import ImportSchemaGen as ImportSchemaGen
    from .components.validate.schema_gen import SchemaGen as SchemaGen
    from .components.validate.statistics_gen import StatisticsGen as StatisticsGen
    from .components.validate.stats_options import SlicingConfig as SlicingConfig
    from .components.validate.stats_options import SlicingSpec as SlicingSpec
    from .components.validate.stats_options import StatsOptions as StatsOptions
    from .orchestration.ir import PipelineIR as PipelineIR
    from .orchestration.metadata.store import MetadataStore as MetadataStore
    from .orchestration.pipeline import Pipeline as Pipeline
    from .orchestration.pipeline import PipelineInputs as PipelineInputs
    from .orchestration.runners.airflow.airflow_dag_runner import (
        AirflowDagRunner as AirflowDagRunner,
    )
    from .orchestration.runners.airflow.airflow_settings import AirflowSettings as AirflowSettings
    from .orchestration.runners.beam.beam_dag_runner import BeamDagRunner as BeamDagRunner
    from .orchestration.runners.kubeflow.kubeflow_dag_runner import (
        KubeflowDagRunner as KubeflowDagRunner,
    )
    from .orchestration.runners.local.local_runner import LocalRunner as LocalRunner
    from .orchestration.runners.local.selection import Selection as Selection
    from .orchestration.runners.local.tuning.tune import resume_tuning as resume_tuning
    from .orchestration.runners.local.tuning.tune import tune as tune
    from .orchestration.runners.local.tuning.tune_result import TuneResult as TuneResult
    from .orchestration.runners.notebook.interactive_context import (
        InteractiveContext as InteractiveContext,
    )
    from .orchestration.runners.run_result import RunResult as RunResult
    from .orchestration.runners.views.frames import to_arrow as to_arrow
    from .orchestration.runners.views.frames import to_pandas as to_pandas
    from .orchestration.runners.views.registry import register_view as register_view
    from .orchestration.runners.views.showing import show as show
    from .utils.errors import PenstockError as PenstockError


def __getattr__(name: str) -> object:
    """Import the module that defines `name`, and return it from there (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME[name], __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return sorted({*globals(), *_HOME})


def load_ipython_extension(shell: object) -> None:
    """`%load_ext penstock`: a notebook shows artifacts, runs and pipelines that are named."""
    del shell
    importlib.import_module(_HOME["show"], __name__).show_by_naming()
