# SPDX-License-Identifier: Apache-2.0
"""How much features matter, on disk: as data and as a page. Loads no library.

    {"format": 1, "method": "permutation", "score": "log loss", "split": "eval",
     "rows": 2000, "repeats": 5, "seed": 0, "gap": null,
     "slices": [{"name": "all rows", "rows": 2000, "base": 0.47,
                 "features": [{"name": "amount", "importance": 0.1, "deviation": 0.01}, …]}, …],
     "explained": [{"record": 0, "prediction": 0.7,
                    "features": [{"name": "amount", "value": "3.5", "adds": 0.2}, …]}, …]}

`base` is the mean score as it is. `gap` is how far attributions by gradients are from adding
up. The slice of all rows comes first, and features come in order of importance.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from typing import Any

from ...utils import storage
from ...utils.readable import counted
from ..base.artifact_types import FeatureInfluenceArtifact
from .influence_words import told
from .model_card_charts import adds_svg, influence_svg

FORMAT = 1
DATA_FILE, HTML_FILE = "influence.json", "influence.html"

_STYLE = """
body { font: 15px/1.5 system-ui, "DejaVu Sans", sans-serif; color: #1d2430; margin: 2rem auto;
  max-width: 1060px; padding: 0 1rem; background: #fff }
h1 { font-size: 1.5rem } h2 { font-size: 1.1rem; margin: 1.8rem 0 .3rem; overflow-wrap: anywhere }
.key { color: #44505f; font-size: 13px; margin: .2rem 0 } svg { max-width: 100%; height: auto }
"""


def write_influence(artifact: FeatureInfluenceArtifact, found: Mapping[str, Any]) -> None:
    """Writes data and page; equal figures give equal bytes."""
    text = json.dumps(found, indent=1, ensure_ascii=False, sort_keys=True)
    storage.write_text_atomic(artifact.path(DATA_FILE), text + "\n")
    storage.write_text_atomic(artifact.path(HTML_FILE), render_html(found))


def render_html(found: Mapping[str, Any]) -> str:
    """The page's text."""
    parts = ["<h1>What features matter</h1>", f'<p class="key">{escape(told(found))}</p>']
    for each in found["slices"]:
        base = f", {found['score']} {each['base']:.4g}" if each["base"] else ""
        parts.append(
            f"<h2>{escape(each['name'])}</h2>\n"
            f'<p class="key">{counted(each["rows"], "record")}{escape(base)}</p>\n'
            f"{influence_svg(each['features'])}"
        )
    for each in found["explained"]:
        parts.append(
            f"<h2>Record {each['record'] + 1}: {each['prediction']:.4g}</h2>\n"
            '<p class="key">What each value adds to the prediction, or takes from it</p>\n'
            f"{adds_svg(each['features'])}"
        )
    body = "\n".join(parts)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>What features matter</title>\n<style>{_STYLE}</style>\n</head>\n"
        f"<body>\n{body}\n</body>\n</html>\n"
    )
