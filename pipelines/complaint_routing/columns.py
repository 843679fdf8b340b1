# SPDX-License-Identifier: Apache-2.0
"""Names of columns: the publication's, and those that the `prepare` step makes."""

from __future__ import annotations

#: As published.
PRODUCT = "Product"
NARRATIVE = "Consumer complaint narrative"

#: What the consumer wrote, as published: what a model is asked with.
TEXT = "narrative"
#: The product that the complaint is about, under the name in `config.yaml`.
LABEL = "product"
#: Its place among the names in alphabetical order: what the models are measured by.
LABEL_ID = "product_id"
