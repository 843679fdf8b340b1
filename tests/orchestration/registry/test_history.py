# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import pytest

from penstock.orchestration.metadata.models import ModelEvent
from penstock.orchestration.registry.history import History
from penstock.orchestration.registry.registry import find_version
from penstock.orchestration.registry.semantic_version import SemanticVersion
from penstock.utils.errors import MetadataError, ParameterError


def told(*events: tuple[str, dict[str, Any]]) -> History:
    """The history that events come to."""
    history = History("m")
    history.take_in(
        ModelEvent("m", number, action, float(number), body)
        for number, (action, body) in enumerate(events, 1)
    )
    return history


def push(version: str, stage: str = "production", **body: Any) -> tuple[str, dict[str, Any]]:
    """A push of a version."""
    return "push", {"version": version, "stage": stage, **body}


def stages(history: History) -> dict[str, str]:
    """Stages by version."""
    return {each.version: each.stage for each in history.versions.values()}


def test_a_push_takes_the_place_of_what_was_in_production() -> None:
    """Two versions would be in production at once."""
    history = told(push("1.0.0"), push("1.0.1", "candidate"), push("1.1.0"))
    assert stages(history) == {
        "1.0.0": "archived", "1.0.1": "candidate", "1.1.0": "production",
    }  # fmt: skip
    assert history.production == "1.1.0" and history.generation == 3


def test_rolling_back_repeatedly_goes_further_back() -> None:
    """The second roll-back would bring the bad version back."""
    events = [push("1.0.0"), push("1.0.1"), push("1.0.2"), push("1.0.3")]
    assert told(*events).before_production() == "1.0.2"
    events.append(("rollback", {"version": "1.0.2"}))
    assert told(*events).before_production() == "1.0.1"
    events.append(push("1.0.4"))
    assert told(*events).before_production() == "1.0.2"
    events.append(("archive", {"version": "1.0.2"}))
    assert told(*events).before_production() == "1.0.1"
    assert told(push("1.0.0")).before_production() == ""


def test_a_move_changes_the_place_only() -> None:
    """Writing a model again, for its folder was lost, would undo a roll-back."""
    history = told(
        push("1.0.0"), push("1.0.1"), ("rollback", {"version": "1.0.0"}),
        ("move", {"version": "1.0.1", "destination": "/s/9", "number": 9}),
    )  # fmt: skip
    assert history.production == "1.0.0"
    assert history.versions["1.0.1"].number == 9
    assert history.versions["1.0.1"].stage == "archived"


def test_a_bump_hands_labels_and_stage_on() -> None:
    """A renumbered version would lose its traffic."""
    history = told(
        push("1.0.0", "candidate"),
        ("label", {"version": "1.0.0", "label": "canary"}),
        ("bump", {"version": "2.0.0", "was": "1.0.0", "stage": "candidate"}),
    )
    assert stages(history) == {"1.0.0": "archived", "2.0.0": "candidate"}
    assert history.versions["2.0.0"].labels == ("canary",)
    assert history.versions["1.0.0"].labels == ()


def test_unknown_events_change_nothing() -> None:
    """A store that a later Penstock wrote to could not be read."""
    history = told(push("1.0.0"), ("transmogrify", {"version": "1.0.0"}), ("promote", {}))
    assert stages(history) == {"1.0.0": "production"} and history.generation == 3


def test_a_copy_goes_on_by_itself() -> None:
    """What one reader holds would change under its hands."""
    one = told(push("1.0.0"))
    other = one.copy()
    other.take_in([ModelEvent("m", 2, "push", 2.0, {"version": "1.0.1", "stage": "production"})])
    assert stages(one) == {"1.0.0": "production"} and one.produced == ["1.0.0"]


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("1.0.0", "1.0.0"), ("v1.0.0", "1.0.0"), ("1.0", "1.0.10"), ("1", "1.1.0"),
        ("production", "1.1.0"), ("latest", "1.1.0"), ("canary", "1.0.2"), ("170", "1.0.2"),
    ],
)  # fmt: skip
def test_a_version_is_found_by_what_people_type(text: str, version: str) -> None:
    """`1.0` would mean 1.0.0, or 1.0.2 for it sorts after 1.0.10 as text."""
    history = told(
        push("1.0.0"), push("1.0.2", number=170), push("1.0.10"), push("1.1.0"),
        ("label", {"version": "1.0.2", "label": "canary"}),
    )  # fmt: skip
    assert find_version(history, text).version == version


def test_what_cannot_be_found_suggests() -> None:
    """A typing mistake would end in a search."""
    history = told(push("1.0.0", "candidate"))
    for text, words in [("production", "no version"), ("1.0.1", "did you mean: 1.0.0"),
                        ("", "has no version"), ("../1", "has no version")]:  # fmt: skip
        with pytest.raises(MetadataError, match=words):
            find_version(history, text)


def test_semantic_versions_compare_by_number() -> None:
    """1.10.0 would come before 1.9.0, and versions would go backwards."""
    assert SemanticVersion.parse("1.10.0") > SemanticVersion.parse("v1.9.9")
    version = SemanticVersion(1, 2, 3)
    assert [str(version.next(b)) for b in ("major", "minor", "patch")] == [
        "2.0.0", "1.3.0", "1.2.4",
    ]  # fmt: skip
    for text in ("1.2", "1.2.3.4", "01.2.3", "1.2.x", "", "1.2.-3"):
        with pytest.raises(ParameterError, match="three numbers"):
            SemanticVersion.parse(text)
