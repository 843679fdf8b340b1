# SPDX-License-Identifier: Apache-2.0
"""`tfx.dsl.standard_annotations`: what kind of work or payload a type is, for type hints."""

from __future__ import annotations


class Annotation:
    """Base of the annotations; they are accepted, and not recorded."""


class Dataset(Annotation):
    """Records."""


class Model(Annotation):
    """A model."""


class Statistics(Annotation):
    """Statistics of records."""


class Metrics(Annotation):
    """Metrics of a model."""


class Train(Annotation):
    """Trains."""


class Transform(Annotation):
    """Transforms records."""


class Process(Annotation):
    """Processes records."""


class Evaluate(Annotation):
    """Evaluates a model."""


class Deploy(Annotation):
    """Deploys a model."""
