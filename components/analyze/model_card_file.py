# SPDX-License-Identifier: Apache-2.0
"""A model card on disk: as data, as HTML and as Markdown. Loads no library.

`card.json` holds `format`, `name`, `text` (see `ModelCardText`), `model`, `data`,
`features`, `distributions` (charts), `transform`, `hyperparameters`, `evaluation`, `gates`,
`influence`, and `lineage` where a metadata store was asked. Sections that nothing is known
for are null or empty. Equal facts give equal bytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ...utils import storage
from ...utils.errors import DataError, StorageError
from ..base.artifact_types import ModelCardArtifact
from .model_card_html import render_html
from .model_card_markdown import render_markdown

FORMAT = 1
DATA_FILE, HTML_FILE, MARKDOWN_FILE = "card.json", "model_card.html", "model_card.md"


def write_card(artifact: ModelCardArtifact, card: Mapping[str, Any]) -> None:
    """Writes a card in its three forms."""
    text = json.dumps(card, indent=1, ensure_ascii=False, sort_keys=True)
    storage.write_text_atomic(artifact.path(DATA_FILE), text + "\n")
    storage.write_text_atomic(artifact.path(HTML_FILE), render_html(card))
    storage.write_text_atomic(artifact.path(MARKDOWN_FILE), render_markdown(card))


def read_card(artifact: ModelCardArtifact) -> dict[str, Any]:
    """A card as data.

    Raises:
        DataError: There is none, or one of a later format.
    """
    path = artifact.path(DATA_FILE)
    try:
        card: dict[str, Any] = json.loads(storage.read_text(path))
    except (StorageError, ValueError) as error:
        raise DataError(
            "the model card cannot be read",
            got=str(error),
            location=path,
            fix="run the node that writes it again, with --no-cache",
        ) from error
    if card.get("format") != FORMAT:
        raise DataError(
            "the model card has an unknown format",
            expected=str(FORMAT),
            got=str(card.get("format")),
            location=path,
            fix="use the version of Penstock that wrote it, or a later one",
        )
    return card
