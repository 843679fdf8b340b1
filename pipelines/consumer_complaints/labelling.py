# SPDX-License-Identifier: Apache-2.0
"""From the publication's records to labelled examples."""

from __future__ import annotations

from penstock import Examples, Input, Output, component


@component
def label(examples: Input[Examples], labelled: Output[Examples]) -> None:
    """Keeps complaints that were answered, and says which answers were disputed.

    A complaint without an answer cannot have been disputed: left in, its "not disputed"
    would teach the model to recognise unfinished business. A blank means that no dispute
    was recorded.
    """
    # Loaded where the node runs: whoever only wires the pipeline needs no Arrow.
    from penstock.components.ingest.examples_reader import examples_schema, iter_record_batches
    from penstock.components.ingest.examples_writer import write_examples

    from .complaint_rows import labelled_rows, labelled_schema

    schema = labelled_schema(examples_schema(examples))
    batches = {
        split: [labelled_rows(batch, schema) for batch in iter_record_batches(examples, split)]
        for split in examples.splits
    }
    write_examples(labelled, batches, schema)
    labelled.span = examples.span
