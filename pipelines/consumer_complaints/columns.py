# SPDX-License-Identifier: Apache-2.0
"""Names of the publication's columns, and which of them the model reads.

Left out on purpose: the complaint's number and the dates, which say nothing about a
complaint of tomorrow.
"""

from __future__ import annotations

import re

CATEGORIES = (
    "Product",
    "Sub-product",
    "Issue",
    "Sub-issue",
    "State",
    "Company response",
    "Timely response?",
)
#: Pairs whose combination tells more than each alone.
CROSSES = (("Product", "Company response"), ("Issue", "Company response"))
ZIP_CODE = "ZIP code"
#: Published only for complaints received after June 2015.
NARRATIVE = "Consumer complaint narrative"
RESPONSE = "Company response"
#: `Yes`, `No`, or blank where no dispute was recorded.
DISPUTED = "Consumer disputed?"
#: 1 where the consumer disputed the response, else 0. Made by the `label` step.
LABEL = "disputed"

#: A complaint in one of these states has no response yet that could be disputed: in the
#: publication not one of them is.
UNANSWERED = ("In progress", "Untimely response")


def feature_name(column: str) -> str:
    """Name of the feature made from a column: lower case, with underscores."""
    return re.sub(r"[^a-z0-9]+", "_", column.lower()).strip("_")
