# SPDX-License-Identifier: Apache-2.0
"""Metrics and extractors that a user's module defines."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from penstock import Evaluator, Importer, Pipeline
from penstock.components.base.artifact_types import Examples, Model
from penstock.orchestration.compiler import compile_pipeline
from penstock.utils.errors import ParameterError

pytestmark = [
    pytest.mark.heavy,
    # TFMA's, once for every number.
    pytest.mark.filterwarnings("ignore:Conversion of an array:DeprecationWarning"),
]

Evaluate = Callable[..., Any]

MODULE = Path(__file__).with_name("own_metrics.py")


@pytest.fixture(scope="module")
def own() -> Any:
    """The user's module, loaded as a worker does."""
    spec = importlib.util.spec_from_file_location("own_metrics", MODULE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["own_metrics"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["own_metrics"]


def config(*metrics: dict[str, Any]) -> dict[str, Any]:
    """A configuration with some metrics."""
    return {
        "model_specs": [{"label_key": "label"}],
        "slicing_specs": [{}, {"feature_keys": ["product"]}],
        "metrics_specs": [{"metrics": list(metrics)}],
    }


def above(bound: float, **threshold: float) -> dict[str, Any]:
    """The share of predictions above a bound, with what it must be."""
    found: dict[str, Any] = {"class_name": "ShareAbove", "config": {"bound": bound}}
    if threshold:
        found["threshold"] = {"value_threshold": threshold}
    return found


def test_own_metrics_are_computed_and_judged(evaluate: Evaluate, own: Any) -> None:
    """A team's own measure of quality cannot gate its models."""
    code = {"ShareAbove": own.ShareAbove, "KerasMean": own.KerasMean}
    wanted = config(
        above(0.8, lower_bound=0.9), {"class_name": "KerasMean"}, {"class_name": "MeanPrediction"}
    )
    returned = evaluate(wanted, code=code)
    assert returned[2]["engine"] == "local"
    share = returned[2]["metric.share_above"]
    assert 0.1 < share < 0.5
    assert returned[2]["metric.keras_mean"] == pytest.approx(
        returned[2]["metric.mean_prediction"], rel=1e-5
    )
    reason = returned[1].custom_properties["reason"]
    assert f"share_above on all rows is {share:.4f}, demanded at least 0.9" in reason
    assert f"missed by {0.9 - share:.4f}" in reason
    assert "share_above on product: Card" in reason


@pytest.mark.slow
def test_both_engines_agree_on_own_metrics(
    evaluate: Evaluate, own: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A team's own metric depends on where it is computed."""
    from penstock.components.analyze import evaluator_executor

    wanted, code = config(above(0.3)), {"ShareAbove": own.ShareAbove}
    here = evaluate(wanted, code=code, example_splits=["train"])[2]
    monkeypatch.setattr(evaluator_executor, "unsupported", lambda plan: "the comparison")
    there = evaluate(wanted, code=code, example_splits=["train"])[2]
    assert (here.pop("engine"), there.pop("engine")) == ("local", "beam")
    assert here == pytest.approx(there)


@pytest.mark.slow
def test_own_extractors_are_used(evaluate: Evaluate, own: Any) -> None:
    """Extractors that TFX users have are ignored without a word."""
    wanted = config({"class_name": "MeanLabel"})
    plain = evaluate(wanted, example_splits=["train"])[2]
    code = {"custom_extractors": own.custom_extractors}
    turned = evaluate(wanted, example_splits=["train"], code=code)[2]
    assert turned["engine"] == "beam"
    assert turned["metric.mean_label"] == pytest.approx(1 - plain["metric.mean_label"])


@pytest.mark.slow
def test_own_models_are_used(evaluate: Evaluate, models: Any) -> None:
    """A function that gives TFMA a model in another format is ignored without a word."""
    import tensorflow_model_analysis as tfma

    def custom_eval_shared_model(
        eval_saved_model_path: str, model_name: str, eval_config: Any, **kwargs: Any
    ) -> Any:
        assert eval_saved_model_path == models["good"].path("Format-Serving")
        return tfma.default_eval_shared_model(
            eval_saved_model_path=models["flipped"].path("Format-Serving"),
            model_name=model_name,
            eval_config=eval_config,
            **kwargs,
        )

    wanted = config({"class_name": "AUC"})
    flipped = evaluate(wanted, "flipped")[2]
    code = {"custom_eval_shared_model": custom_eval_shared_model}
    own = evaluate(wanted, "good", code=code)[2]
    assert own["engine"] == "beam"
    assert own["metric.auc"] == pytest.approx(flipped["metric.auc"])


def test_what_is_no_metric_is_named(evaluate: Evaluate, own: Any) -> None:
    """The error would be one of TFMA's about a missing attribute."""
    with pytest.raises(ParameterError, match="NotAMetric in the module file is no metric"):
        evaluate(config({"class_name": "NotAMetric"}), code={"NotAMetric": own.NotAMetric})


def test_metrics_travel_with_the_pipeline(tmp_path: Path) -> None:
    """A metric's code does not reach the worker, or its change does not run the node again."""

    def compiled(module: Path) -> Any:
        examples = Importer(source_uri="/examples", artifact_type=Examples)
        model = Importer(source_uri="/model", artifact_type=Model).with_id("model")
        judged = Evaluator(
            examples=examples.outputs["result"],
            model=model.outputs["result"],
            eval_config=config(above(0.3), {"class_name": "AUC"}),
            module_file=str(module),
        )
        ir = compile_pipeline(Pipeline("own", str(tmp_path), [examples, model, judged]))
        (node,) = [each for each in ir.nodes if each.id == "Evaluator"]
        return node.code

    found = compiled(MODULE)
    assert sorted(found) == ["ShareAbove", "custom_extractors"]
    edited = tmp_path / "own_metrics.py"
    edited.write_text(MODULE.read_text().replace("> self._bound", ">= self._bound"))
    again = compiled(edited)
    assert again["ShareAbove"].fingerprint != found["ShareAbove"].fingerprint
    assert again["custom_extractors"].fingerprint == found["custom_extractors"].fingerprint


def test_a_combiner_of_any_shape_has_a_name() -> None:
    """If it fails, an evaluation ends with an error about TFMA's inner attributes."""
    from penstock.components.analyze.metric_failures import name_of

    class Odd:
        def _metrics(self) -> list[str]:
            return []

    assert name_of(Odd()) == "a metric"
