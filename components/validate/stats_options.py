# SPDX-License-Identifier: Apache-2.0
"""Options of statistics, with the names that TFDV gives them.

See https://www.tensorflow.org/tfx/data_validation/api_docs/python/tfdv/StatsOptions.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class StatsOptions(BaseModel):
    """What statistics to compute; each option's default is TFDV's.

    Attributes:
        feature_allowlist: Features to compute statistics of; all by default.
        weight_feature: Numeric feature that holds each record's weight.
        per_feature_weight_override: Weight features of single features, by name.
        sample_rate: Share of records to look at. Which ones is the same in every run.
        num_top_values: How many of the most frequent values to keep of a text feature.
        frequency_threshold: Fewest records a value must be in to count as frequent.
        weighted_frequency_threshold: The same, of the sum of weights.
        num_rank_histogram_buckets: Buckets in the rank histogram of a text feature.
        num_values_histogram_buckets: Buckets in the histogram of values per record.
        num_histogram_buckets: Buckets of equal width in a number's histogram.
        num_quantiles_histogram_buckets: Buckets of equal weight in a number's histogram.
        epsilon: Error allowed in quantiles.
        desired_batch_size: Records handled at a time.
        enable_semantic_domain_stats: Also detect images, texts in natural language, times.
        vocab_paths: Paths of vocabularies that natural language domains in the schema name.
        add_default_generators: Whether to compute anything beyond what the schema asks for.
    """

    model_config = ConfigDict(extra="forbid")

    feature_allowlist: list[str] | None = None
    weight_feature: str | None = None
    per_feature_weight_override: dict[str, str] | None = None
    sample_rate: float | None = Field(default=None, gt=0, le=1)
    num_top_values: int = Field(default=20, ge=1)
    frequency_threshold: int = Field(default=1, ge=1)
    weighted_frequency_threshold: float = Field(default=1.0, gt=0)
    num_rank_histogram_buckets: int = Field(default=1000, ge=1)
    num_values_histogram_buckets: int = Field(default=10, ge=2)
    num_histogram_buckets: int = Field(default=10, ge=1)
    num_quantiles_histogram_buckets: int = Field(default=10, ge=1)
    epsilon: float = Field(default=0.01, gt=0, lt=1)
    desired_batch_size: int | None = Field(default=None, ge=1)
    enable_semantic_domain_stats: bool = False
    vocab_paths: dict[str, str] | None = None
    add_default_generators: bool = True
