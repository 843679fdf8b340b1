# SPDX-License-Identifier: Apache-2.0
"""From the publication's records to labelled complaints, each of them once."""

from __future__ import annotations

from typing import TypedDict

from penstock import Examples, Input, Output, component


class Counts(TypedDict):
    """How many complaints were kept, and how many left out for which reason."""

    kept: int
    empty: int
    contradictory: int
    copies: int


@component
def prepare(
    examples: Input[Examples], products: dict[str, list[str]], prepared: Output[Examples]
) -> Counts:
    """Names the products, and leaves out complaints that would spoil the measurement.

    Some complaints were sent several times, word by word but for what the bureau masked. One
    copy in `train` and another in `eval` would be counted as an answer found; so each text
    counts once, in `train` if it is there. A text that was filed under several products
    cannot be answered rightly, and counts nowhere.
    """
    # Loaded where the node runs: whoever only wires the pipeline needs no Arrow.
    from penstock.components.ingest.examples_reader import read_table
    from penstock.components.ingest.examples_writer import write_examples

    from .complaint_texts import SCHEMA, labelled, without_copies

    # In the order of the artifact: `train` comes first.
    splits = {name: labelled(read_table(examples, name), products) for name in examples.splits}
    kept, left_out = without_copies(splits)
    batches = {name: table.to_batches() for name, table in kept.items()}
    write_examples(prepared, batches, SCHEMA)
    return {
        "kept": sum(table.num_rows for table in kept.values()),
        "empty": left_out["empty"],
        "contradictory": left_out["contradictory"],
        "copies": left_out["copies"],
    }
