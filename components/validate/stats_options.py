# SPDX-License-Identifier: Apache-2.0
"""Options of statistics, with the names that TFDV gives them.

See https://www.tensorflow.org/tfx/data_validation/api_docs/python/tfdv/StatsOptions.
All that can be written down are here. Those that cannot are functions (`generators`,
`experimental_slice_functions`, `per_feature_stats_config`), which TFDV does not serialize
either, and `schema`, which is an input of `StatisticsGen`, or `schema_text` here.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, model_validator
from typing_extensions import Self


class SlicingSpec(BaseModel):
    """One way of cutting the records into slices.

    Attributes:
        feature_keys: A slice for each combination of values of these features.
        feature_values: Only records in which these features have these values.
        slice_keys_sql: A query that gives each record's slices, as in
            `SELECT STRUCT(state) FROM example.state WHERE state != b'CA'` (texts are bytes).
    """

    model_config = ConfigDict(extra="forbid")

    feature_keys: list[str] = []
    feature_values: dict[str, str] = {}
    slice_keys_sql: str = ""

    @model_validator(mode="after")
    def _features_or_a_query(self) -> Self:
        if self.slice_keys_sql and (self.feature_keys or self.feature_values):
            raise ValueError("a slicing spec names features or a query, not both")
        return self


class SlicingConfig(BaseModel):
    """The slices to compute statistics of, besides the whole.

    Field names are those of tfx_bsl's `slicing_spec.proto`.
    """

    model_config = ConfigDict(extra="forbid")

    slicing_specs: list[SlicingSpec] = Field(min_length=1)

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        # TFDV would compute those by features and pass over the queries without a word.
        if len({bool(spec.slice_keys_sql) for spec in self.slicing_specs}) > 1:
            raise ValueError("slices are made by features or by queries, not by both")
        return self


class StatsOptions(BaseModel):
    """What statistics to compute; each option's default is TFDV's.

    Attributes:
        feature_allowlist: Features to compute statistics of; all by default.
        label_feature: The label. With a schema, also how much each value of the other
            features lifts it; this takes Beam.
        weight_feature: Numeric feature that holds each record's weight.
        per_feature_weight_override: Weight features of single features, by name.
        slicing_config: Slices to compute statistics of, besides the whole.
        experimental_slice_sqls: The same as queries alone.
        sample_rate: Share of records to look at. Which ones is the same in every run.
        num_top_values: How many of the most frequent values to keep of a text feature.
        frequency_threshold: Fewest records a value must be in to count as frequent.
        weighted_frequency_threshold: The same, of the sum of weights.
        num_rank_histogram_buckets: Buckets in the rank histogram of a text feature.
        num_values_histogram_buckets: Buckets in the histogram of values per record.
        num_histogram_buckets: Buckets of equal width in a number's histogram.
        num_quantiles_histogram_buckets: Buckets of equal weight in a number's histogram.
        epsilon: Error allowed in quantiles.
        infer_type_from_schema: TFDV's, for CSV files that it reads itself: examples have
            types already, so it changes nothing.
        desired_batch_size: Records handled at a time.
        enable_semantic_domain_stats: Also detect images, texts in natural language, times.
        semantic_domain_stats_sample_rate: Share of batches to look at for that.
        vocab_paths: Paths of vocabularies that natural language domains in the schema name.
        add_default_generators: Whether to compute anything beyond what the schema asks for.
        use_sketch_based_topk_uniques: Whether frequent and distinct values are counted in
            bounded memory: exactly up to 16,384 distinct values of a feature, and within the
            sketches' bounds beyond. True by default, other than TFDV's Beam pipelines; False
            counts all exactly, which takes Beam.
        experimental_result_partitions: Into how many files `sharded_stats_output` cuts the
            statistics of a split, by features.
        experimental_num_feature_partitions: Into how many groups of features Beam cuts the
            work.
        experimental_filter_read_paths: TFDV's, to read only the features in
            `feature_allowlist`: done always.
        schema_text: A schema as protocol buffer text, instead of the input `schema`.
    """

    model_config = ConfigDict(extra="forbid")

    feature_allowlist: list[str] | None = None
    label_feature: str | None = None
    weight_feature: str | None = None
    per_feature_weight_override: dict[str, str] | None = None
    slicing_config: SlicingConfig | None = None
    experimental_slice_sqls: list[str] | None = None
    sample_rate: float | None = Field(default=None, gt=0, le=1)
    num_top_values: int = Field(default=20, ge=1)
    frequency_threshold: int = Field(default=1, ge=1)
    weighted_frequency_threshold: float = Field(default=1.0, gt=0)
    num_rank_histogram_buckets: int = Field(default=1000, ge=1)
    num_values_histogram_buckets: int = Field(default=10, ge=2)
    num_histogram_buckets: int = Field(default=10, ge=1)
    num_quantiles_histogram_buckets: int = Field(default=10, ge=1)
    epsilon: float = Field(default=0.01, gt=0, lt=1)
    infer_type_from_schema: bool = False
    desired_batch_size: int | None = Field(default=None, ge=1)
    enable_semantic_domain_stats: bool = False
    semantic_domain_stats_sample_rate: float | None = Field(default=None, gt=0, le=1)
    vocab_paths: dict[str, str] | None = None
    add_default_generators: bool = True
    use_sketch_based_topk_uniques: bool | None = None
    experimental_result_partitions: int = Field(default=1, ge=1)
    experimental_num_feature_partitions: int = Field(default=1, ge=1)
    experimental_filter_read_paths: bool = False
    schema_text: str | None = None

    @model_validator(mode="after")
    def _slices_are_given_once(self) -> Self:
        if self.slicing_config is not None and self.experimental_slice_sqls is not None:
            raise ValueError("give slicing_config or experimental_slice_sqls, not both")
        return self

    @property
    def slice_queries(self) -> list[str]:
        """The queries that make slices."""
        if self.slicing_config is not None:
            found = [spec.slice_keys_sql for spec in self.slicing_config.slicing_specs]
            return [query for query in found if query]
        return list(self.experimental_slice_sqls or [])

    @property
    def slice_features(self) -> list[str]:
        """The features whose values make slices."""
        specs = self.slicing_config.slicing_specs if self.slicing_config is not None else []
        return [name for spec in specs for name in (*spec.feature_keys, *spec.feature_values)]
