# SPDX-License-Identifier: Apache-2.0
"""Complaints as Arrow tables: which are kept, and under which product."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from penstock.utils.errors import DataError

from .columns import LABEL, LABEL_ID, NARRATIVE, PRODUCT, TEXT

SCHEMA = pa.schema([(TEXT, pa.string()), (LABEL, pa.string()), (LABEL_ID, pa.int64())])


def labelled(table: pa.Table, products: Mapping[str, Sequence[str]]) -> pa.Table:
    """Complaints with the product's name and id in place of the bureau's name.

    Args:
        table: Complaints as published.
        products: The bureau's names by ours.

    Raises:
        DataError: A complaint is about a product that nobody named.
    """
    names = {theirs: ours for ours, all_theirs in products.items() for theirs in all_theirs}
    published = table.column(PRODUCT).to_pylist()
    unknown = Counter(name for name in published if name not in names)
    if unknown:
        raise DataError(
            "there are complaints about products that config.yaml does not name",
            expected=", ".join(names),
            got=", ".join(f"{name} ({count})" for name, count in unknown.most_common(8)),
            fix="add the bureau's name below the product that it belongs to",
        )
    ids = {name: number for number, name in enumerate(sorted(products))}
    ours = [names[name] for name in published]
    columns = [table.column(NARRATIVE), pa.array(ours), pa.array([ids[name] for name in ours])]
    return pa.table(columns, schema=SCHEMA)


def fingerprints(texts: pa.ChunkedArray) -> list[str]:
    """What two copies of one complaint have in common.

    Letters only, without case, and without what the bureau masked: copies of one letter are
    masked differently (`XX/XX/XXXX` in one, `XXXX/XXXX/2015` in the other).
    """
    plain = pc.utf8_lower(pc.fill_null(texts, ""))
    plain = pc.replace_substring_regex(plain, pattern=r"x{2,}", replacement=" ")
    plain = pc.replace_substring_regex(plain, pattern=r"[^a-z]+", replacement=" ")
    found: list[str] = pc.utf8_trim_whitespace(plain).to_pylist()
    return found


def without_copies(
    splits: Mapping[str, pa.Table],
) -> tuple[dict[str, pa.Table], dict[str, int]]:
    """Each complaint once, in the first of the splits that has it.

    Returns:
        The splits, and how many complaints were left out: `empty` ones, `contradictory`
        ones (one text under several products, in whichever split) and further `copies`.
    """
    keys = {split: fingerprints(table.column(TEXT)) for split, table in splits.items()}
    products: dict[str, set[str]] = {}
    for split, table in splits.items():
        for key, product in zip(keys[split], table.column(LABEL).to_pylist(), strict=True):
            products.setdefault(key, set()).add(product)
    left_out = {"empty": 0, "contradictory": 0, "copies": 0}
    seen: set[str] = set()
    kept = {}
    for split, table in splits.items():
        mask = []
        for key in keys[split]:
            reason = _reason(key, products, seen)
            if reason is not None:
                left_out[reason] += 1
            seen.add(key)
            mask.append(reason is None)
        kept[split] = table.filter(pa.array(mask, pa.bool_()))
    return kept, left_out


def _reason(key: str, products: Mapping[str, set[str]], seen: set[str]) -> str | None:
    if not key:
        return "empty"
    if len(products[key]) > 1:
        return "contradictory"
    return "copies" if key in seen else None
