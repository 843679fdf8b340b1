# SPDX-License-Identifier: Apache-2.0
"""Tells the webhook that a version was pushed with of its promotion or roll-back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from ...utils.hashing import digest_json
from .push_destination import PushDestination, Webhook
from .webhook import post

if TYPE_CHECKING:
    from ...orchestration.registry.model_version import ModelVersion

PROMOTED, ROLLED_BACK = "model.promoted", "model.rolled_back"


def webhook_of(parameters: Mapping[str, Any]) -> Webhook | None:
    """The webhook in the recorded parameters of a node that pushed; None where it had none."""
    try:
        return PushDestination.model_validate(parameters.get("push_destination")).webhook
    except ValidationError:
        return None  # A pusher of somebody's own.


def tell_stage(
    settings: Webhook,
    event: str,
    version: ModelVersion,
    *,
    before: str | None,
    by: str,
    note: str,
    generation: int,
) -> None:
    """Sends the message that a version is in production now.

    Args:
        settings: Where to.
        event: `PROMOTED` or `ROLLED_BACK`.
        version: The version, as it is now.
        before: The version that was in production until then.
        by: Who did it.
        note: Why.
        generation: Number of the registry's newest event: tells repetitions from news.

    Raises:
        ParameterError: The secret is not in the environment.
        ExecutionError: The server refused it, or did not take it in time.
    """
    message = {
        "event": event,
        "name": version.model,
        "version": version.version,
        "number": version.number or None,
        "uri": version.destination or version.uri,
        "digest": version.digest,
        "stage": version.stage,
        "pipeline": version.pipeline,
        "node": version.node_id,
        "run_id": version.run_id,
        "before": before,
        "by": by,
        "note": note,
    }
    key = digest_json([event, version.model, version.version, version.number, generation])
    post(settings, message, key[:32])
