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
    ".components.base.artifact": (
        "Artifact",
        "PropertyType",
        "SplitArtifact",
        "ValueArtifact",
    ),
    ".components.base.artifact_types": (
        "Boolean",
        "ExampleAnomalies",
        "ExampleStatistics",
        "Examples",
        "ExternalArtifact",
        "Float",
        "HyperParameters",
        "InferenceResult",
        "InfraBlessing",
        "Integer",
        "JsonValue",
        "Model",
        "ModelBlessing",
        "ModelEvaluation",
        "ModelRun",
        "PushedModel",
        "Schema",
        "String",
        "TransformCache",
        "TransformGraph",
        "TunerResults",
    ),
    ".components.base.annotations": (
        "Input",
        "OptionalInput",
        "Output",
        "OutputDict",
        "Parameter",
        "output",
    ),
    ".components.base.channel": (
        "Channel",
        "union",
    ),
    ".components.base.component": ("Component",),
    ".components.base.container_component": (
        "InputUri",
        "OutputUri",
        "ParameterValue",
        "Text",
        "container_component",
    ),
    ".components.base.executor": (
        "Executor",
        "Task",
    ),
    ".components.base.expression": (
        "FAILED_NODES",
        "PIPELINE_NAME",
        "PIPELINE_ROOT",
        "RUN_ID",
        "RuntimeParameter",
    ),
    ".components.base.function_component": ("component",),
    ".components.base.node": ("Resources",),
    ".components.control.condition": ("Cond",),
    ".components.control.importer": ("Importer",),
    ".components.control.resolver": ("Resolver",),
    ".components.control.strategies": (
        "LatestArtifactStrategy",
        "LatestBlessedModelStrategy",
        "Strategy",
    ),
    ".components.ingest.csv_example_gen": ("CsvExampleGen",),
    ".components.validate.statistics_gen": ("StatisticsGen",),
    ".components.validate.schema_gen": ("SchemaGen",),
    ".components.validate.import_schema_gen": ("ImportSchemaGen",),
    ".components.validate.example_validator": ("ExampleValidator",),
    ".components.transform.transform": ("Transform",),
    ".components.train.fn_args": ("FnArgs",),
    ".components.train.trainer": ("Trainer",),
    ".components.analyze.evaluator": ("Evaluator",),
    ".components.push.pusher": ("Pusher",),
    ".orchestration.pipeline": (
        "Pipeline",
        "PipelineInputs",
    ),
    ".orchestration.ir": ("PipelineIR",),
    ".orchestration.metadata.store": ("MetadataStore",),
    ".orchestration.runners.local.runner": (
        "LocalRunner",
        "RunResult",
    ),
    ".orchestration.runners.beam.runner": ("BeamDagRunner",),
    ".orchestration.runners.local.selection": ("Selection",),
    ".utils.errors": ("PenstockError",),
    ".components.ingest.input_config": (
        "InputConfig",
        "InputSplit",
        "RangeConfig",
        "RollingRange",
        "StaticRange",
    ),
    ".components.ingest.output_config": (
        "OutputConfig",
        "OutputSplit",
        "SplitConfig",
    ),
    ".components.ingest.payload": ("PayloadFormat",),
    ".components.transform.splits_config": ("SplitsConfig",),
    ".components.train.train_args": (
        "EvalArgs",
        "TrainArgs",
    ),
    ".components.analyze.eval_config": ("EvalConfig",),
    ".components.push.push_destination": (
        "Filesystem",
        "PushDestination",
    ),
    ".components.validate.stats_options": ("StatsOptions",),
}

_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "FAILED_NODES",
    "PIPELINE_NAME",
    "PIPELINE_ROOT",
    "RUN_ID",
    "Artifact",
    "BeamDagRunner",
    "Boolean",
    "Channel",
    "Component",
    "Cond",
    "CsvExampleGen",
    "EvalArgs",
    "EvalConfig",
    "Evaluator",
    "ExampleAnomalies",
    "ExampleStatistics",
    "ExampleValidator",
    "Examples",
    "Executor",
    "ExternalArtifact",
    "Filesystem",
    "Float",
    "FnArgs",
    "HyperParameters",
    "ImportSchemaGen",
    "Importer",
    "InferenceResult",
    "InfraBlessing",
    "Input",
    "InputConfig",
    "InputSplit",
    "InputUri",
    "Integer",
    "JsonValue",
    "LatestArtifactStrategy",
    "LatestBlessedModelStrategy",
    "LocalRunner",
    "MetadataStore",
    "Model",
    "ModelBlessing",
    "ModelEvaluation",
    "ModelRun",
    "OptionalInput",
    "Output",
    "OutputConfig",
    "OutputDict",
    "OutputSplit",
    "OutputUri",
    "Parameter",
    "ParameterValue",
    "PayloadFormat",
    "PenstockError",
    "Pipeline",
    "PipelineIR",
    "PipelineInputs",
    "PropertyType",
    "PushDestination",
    "PushedModel",
    "Pusher",
    "RangeConfig",
    "Resolver",
    "Resources",
    "RollingRange",
    "RunResult",
    "RuntimeParameter",
    "Schema",
    "SchemaGen",
    "Selection",
    "SplitArtifact",
    "SplitConfig",
    "SplitsConfig",
    "StaticRange",
    "StatisticsGen",
    "StatsOptions",
    "Strategy",
    "String",
    "Task",
    "Text",
    "TrainArgs",
    "Trainer",
    "Transform",
    "TransformCache",
    "TransformGraph",
    "TunerResults",
    "ValueArtifact",
    "__version__",
    "component",
    "container_component",
    "output",
    "union",
]

if TYPE_CHECKING:
    from .components.analyze.eval_config import EvalConfig as EvalConfig
    from .components.analyze.evaluator import Evaluator as Evaluator
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
    from .components.base.artifact_types import Boolean as Boolean
    from .components.base.artifact_types import ExampleAnomalies as ExampleAnomalies
    from .components.base.artifact_types import Examples as Examples
    from .components.base.artifact_types import ExampleStatistics as ExampleStatistics
    from .components.base.artifact_types import ExternalArtifact as ExternalArtifact
    from .components.base.artifact_types import Float as Float
    from .components.base.artifact_types import HyperParameters as HyperParameters
    from .components.base.artifact_types import InferenceResult as InferenceResult
    from .components.base.artifact_types import InfraBlessing as InfraBlessing
    from .components.base.artifact_types import Integer as Integer
    from .components.base.artifact_types import JsonValue as JsonValue
    from .components.base.artifact_types import Model as Model
    from .components.base.artifact_types import ModelBlessing as ModelBlessing
    from .components.base.artifact_types import ModelEvaluation as ModelEvaluation
    from .components.base.artifact_types import ModelRun as ModelRun
    from .components.base.artifact_types import PushedModel as PushedModel
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
    from .components.control.condition import Cond as Cond
    from .components.control.importer import Importer as Importer
    from .components.control.resolver import Resolver as Resolver
    from .components.control.strategies import LatestArtifactStrategy as LatestArtifactStrategy
    from .components.control.strategies import (
        LatestBlessedModelStrategy as LatestBlessedModelStrategy,
    )
    from .components.control.strategies import Strategy as Strategy
    from .components.ingest.csv_example_gen import CsvExampleGen as CsvExampleGen
    from .components.ingest.input_config import InputConfig as InputConfig
    from .components.ingest.input_config import InputSplit as InputSplit
    from .components.ingest.input_config import RangeConfig as RangeConfig
    from .components.ingest.input_config import RollingRange as RollingRange
    from .components.ingest.input_config import StaticRange as StaticRange
    from .components.ingest.output_config import OutputConfig as OutputConfig
    from .components.ingest.output_config import OutputSplit as OutputSplit
    from .components.ingest.output_config import SplitConfig as SplitConfig
    from .components.ingest.payload import PayloadFormat as PayloadFormat
    from .components.push.push_destination import Filesystem as Filesystem
    from .components.push.push_destination import PushDestination as PushDestination
    from .components.push.pusher import Pusher as Pusher
    from .components.train.fn_args import FnArgs as FnArgs
    from .components.train.train_args import EvalArgs as EvalArgs
    from .components.train.train_args import TrainArgs as TrainArgs
    from .components.train.trainer import Trainer as Trainer
    from .components.transform.splits_config import SplitsConfig as SplitsConfig
    from .components.transform.transform import Transform as Transform
    from .components.validate.example_validator import ExampleValidator as ExampleValidator
    from .components.validate.import_schema_gen import ImportSchemaGen as ImportSchemaGen
    from .components.validate.schema_gen import SchemaGen as SchemaGen
    from .components.validate.statistics_gen import StatisticsGen as StatisticsGen
    from .components.validate.stats_options import StatsOptions as StatsOptions
    from .orchestration.ir import PipelineIR as PipelineIR
    from .orchestration.metadata.store import MetadataStore as MetadataStore
    from .orchestration.pipeline import Pipeline as Pipeline
    from .orchestration.pipeline import PipelineInputs as PipelineInputs
    from .orchestration.runners.beam.runner import BeamDagRunner as BeamDagRunner
    from .orchestration.runners.local.runner import LocalRunner as LocalRunner
    from .orchestration.runners.local.runner import RunResult as RunResult
    from .orchestration.runners.local.selection import Selection as Selection
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
