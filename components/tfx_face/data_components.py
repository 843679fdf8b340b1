# SPDX-License-Identifier: Apache-2.0
"""Components that look at data, with TFX's arguments; what they do is in the native ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..base.channel import Channel
from ..transform.transform import Transform as NativeTransform
from ..validate.distribution_validator import DistributionValidator as NativeDistributionValidator
from ..validate.example_diff import ExampleDiff as NativeExampleDiff
from ..validate.example_validator import ExampleValidator as NativeExampleValidator
from ..validate.import_schema_gen import ImportSchemaGen as NativeImportSchemaGen
from ..validate.schema_gen import SchemaGen as NativeSchemaGen
from ..validate.statistics_gen import StatisticsGen as NativeStatisticsGen
from .messages import plain
from .stats_options import stats_options_parameter
from .tfx_component import TfxComponent
from .translation import exactly_one, given, known_code, message_or_none


class StatisticsGen(TfxComponent, NativeStatisticsGen):
    """Computes statistics of every split.

    Args:
        examples: The records.
        schema: Configures statistics.
        stats_options: A `tfdv.StatsOptions`, or the native one.
        exclude_splits: Splits to leave out.
    """

    type_name = NativeStatisticsGen.type_name

    def __init__(
        self,
        examples: Channel,
        schema: Channel | None = None,
        stats_options: Any = None,
        exclude_splits: Sequence[str] | None = None,
    ) -> None:
        super().__init__(
            **given(
                examples=examples,
                schema=schema,
                stats_options=stats_options_parameter(stats_options),
                exclude_splits=exclude_splits,
            )
        )


class SchemaGen(TfxComponent, NativeSchemaGen):
    """Infers a schema.

    Args:
        statistics: Statistics of the data.
        infer_feature_shape: Whether features get a fixed shape where they have one.
        exclude_splits: Splits to leave out.
    """

    type_name = NativeSchemaGen.type_name

    def __init__(
        self,
        statistics: Channel,
        infer_feature_shape: Any = True,
        exclude_splits: Sequence[str] | None = None,
    ) -> None:
        super().__init__(
            **given(
                statistics=statistics,
                infer_feature_shape=infer_feature_shape,
                exclude_splits=exclude_splits,
            )
        )


class ImportSchemaGen(TfxComponent, NativeImportSchemaGen):
    """Brings a schema file into the pipeline.

    Args:
        schema_file: The file.
    """

    type_name = NativeImportSchemaGen.type_name

    def __init__(self, schema_file: Any) -> None:
        super().__init__(schema_file=schema_file)


class ExampleValidator(TfxComponent, NativeExampleValidator):
    """Looks for anomalies.

    Args:
        statistics: Statistics of the data.
        schema: What the data should be.
        exclude_splits: Splits to leave out.
        custom_validation_config: Conditions over statistics, as SQL.
    """

    type_name = NativeExampleValidator.type_name

    def __init__(
        self,
        statistics: Channel,
        schema: Channel,
        exclude_splits: Sequence[str] | None = None,
        custom_validation_config: Any = None,
    ) -> None:
        super().__init__(
            **given(
                statistics=statistics,
                schema=schema,
                exclude_splits=exclude_splits,
                custom_validation_config=custom_validation_config,
            )
        )


class DistributionValidator(TfxComponent, NativeDistributionValidator):
    """Compares distributions.

    Args:
        statistics: Statistics of the data.
        baseline_statistics: What they are compared with.
        config: What to compare: a `DistributionValidatorConfig`.
        include_split_pairs: Pairs of splits.
        custom_validation_config: Conditions over statistics, as SQL.
    """

    type_name = NativeDistributionValidator.type_name

    def __init__(
        self,
        statistics: Channel,
        baseline_statistics: Channel | None,
        config: Any,
        include_split_pairs: Sequence[tuple[str, str]] | None = None,
        custom_validation_config: Any = None,
    ) -> None:
        super().__init__(
            **given(
                statistics=statistics,
                baseline_statistics=baseline_statistics,
                config=config,
                include_split_pairs=include_split_pairs,
                custom_validation_config=custom_validation_config,
            )
        )


class ExampleDiff(TfxComponent, NativeExampleDiff):
    """Pairs records of two artifacts, and reports features that differ.

    Args:
        examples_test: The records to examine.
        examples_base: The records that they are compared with.
        config: How: an `ExampleDiffConfig`.
        include_split_pairs: Pairs of splits.
    """

    type_name = NativeExampleDiff.type_name

    def __init__(
        self,
        examples_test: Channel,
        examples_base: Channel,
        config: Any,
        include_split_pairs: Sequence[tuple[str, str]] | None = None,
    ) -> None:
        settings = plain(config)
        if isinstance(settings, dict):
            settings = _without_zero_digits(settings)
        super().__init__(
            **given(
                examples=examples_test,
                baseline_examples=examples_base,
                config=settings,
                include_split_pairs=include_split_pairs,
            )
        )


def _without_zero_digits(settings: Mapping[str, Any]) -> dict[str, Any]:
    skew = dict(settings.get("paired_example_skew") or {})
    # In a message 0 and "not set" are the same; TFX rounds only where it is set.
    if not skew.get("float_round_ndigits"):
        skew.pop("float_round_ndigits", None)
    return {**settings, "paired_example_skew": skew}


class Transform(TfxComponent, NativeTransform):
    """Runs a `preprocessing_fn` of TensorFlow Transform.

    Args:
        examples: The data.
        schema: Types and shapes of the raw features.
        module_file: File that defines `preprocessing_fn`, and maybe
            `stats_options_updater_fn`.
        preprocessing_fn: The function's dotted name, or the function, instead of that.
        splits_config: Splits to analyze and to transform.
        analyzer_cache: What earlier analyzers kept.
        materialize: Whether to write transformed examples.
        disable_analyzer_cache: Whether to take and write no analyzer cache.
        force_tf_compat_v1: Trace the function as a TensorFlow 1 graph.
        custom_config: What `preprocessing_fn` wants besides.
        disable_statistics: Whether to leave out statistics before and after. They are left
            out, too, where nothing is materialized.
        stats_options_updater_fn: Dotted name of the function, or the function, where it is
            not in `module_file`.
    """

    type_name = NativeTransform.type_name
    executor = "penstock.components.tfx_face.keras_executors:TransformExecutor"
    preload = ("penstock.components.tfx_face.keras_executors",)
    entry_points = ("preprocessing_fn", "stats_options_updater_fn?")  # type: ignore[assignment]

    def __init__(
        self,
        examples: Channel,
        schema: Channel,
        module_file: Any = None,
        preprocessing_fn: Any = None,
        splits_config: Any = None,
        analyzer_cache: Channel | None = None,
        materialize: bool = True,
        disable_analyzer_cache: bool = False,
        force_tf_compat_v1: bool = False,
        custom_config: Mapping[str, Any] | None = None,
        disable_statistics: bool = False,
        stats_options_updater_fn: Any = None,
    ) -> None:
        module_file = known_code("Transform", "module_file", module_file)
        preprocessing_fn = known_code("Transform", "preprocessing_fn", preprocessing_fn)
        exactly_one("Transform", module_file=module_file, preprocessing_fn=preprocessing_fn)
        super().__init__(
            **given(
                examples=examples,
                schema=schema,
                module_file=module_file,
                preprocessing_fn=preprocessing_fn,
                splits_config=message_or_none(splits_config),
                analyzer_cache=analyzer_cache,
                materialize=materialize,
                disable_analyzer_cache=disable_analyzer_cache,
                force_tf_compat_v1=force_tf_compat_v1,
                custom_config=custom_config,
                disable_statistics=disable_statistics or not materialize,
            )
        )
        if stats_options_updater_fn is not None:
            self.user_code["stats_options_updater_fn"] = stats_options_updater_fn
