# SPDX-License-Identifier: Apache-2.0
"""Commands that change which version of a model is in production, and what versions are called."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from .model_commands import (
    VERSION_HELP,
    by_option,
    login_name,
    models_group,
    note_option,
    republish_option,
    version_document,
    webhook_option,
)
from .output import dim, print_json
from .program import FAILED, say_error
from .shared_options import HOW, json_option, option
from .store_option import store_option

__all__ = ["models_group"]

if TYPE_CHECKING:
    from ...components.push.push_destination import Webhook
    from ..metadata.store import MetadataStore
    from ..registry.model_version import ModelVersion
    from ..registry.registry import ModelRegistry


@models_group.command(
    "promote",
    examples=[
        ("models promote complaints latest", "the newest candidate goes into production"),
        ("models promote complaints 1.4.0 --note 'won the A/B test'", "and why"),
    ],
)
@click.argument("name")
@click.argument("version")
@republish_option
@webhook_option
@note_option
@by_option
@store_option
@json_option
def models_promote(
    name: str,
    version: str,
    republish: bool,
    webhook: bool,
    note: str,
    by: str | None,
    metadata: str | None,
    as_json: bool,
) -> None:
    """Put a version into production, in one step; the one that was is archived."""
    from ..registry.registry import ModelRegistry
    from .record_lookup import open_store

    with open_store(metadata) as store:
        registry = ModelRegistry(store)
        found = registry.find(name, version)
        hook = _webhook(store, found) if webhook else None
        _produce(registry, found, republish, note, by, as_json, hook, rolling_back=False)


models_promote.help = f"{models_promote.help}\n\n{VERSION_HELP}"


@models_group.command(
    "rollback",
    examples=[
        ("models rollback complaints", "to what was in production before"),
        ("models rollback complaints --to 1.2.0 --note 'odd scores'", "to a certain version"),
    ],
)
@click.argument("name")
@option("--to", "version", metavar="VERSION", heading=HOW,
        help="Go back to this version [default: the one before].")  # fmt: skip
@republish_option
@webhook_option
@note_option
@by_option
@store_option
@json_option
def models_rollback(
    name: str,
    version: str | None,
    republish: bool,
    webhook: bool,
    note: str,
    by: str | None,
    metadata: str | None,
    as_json: bool,
) -> None:
    """Put an earlier version into production again, in one step.

    Servers that follow the registry switch at once. Those that only watch the folder serve
    its highest number, so the earlier version is first written there again as the newest.
    Killed in between, it has done only that; run it again.
    """
    from ..registry.registry import ModelRegistry
    from .record_lookup import open_store

    with open_store(metadata) as store:
        registry = ModelRegistry(store)
        found = registry.find(name, version) if version else registry.before_production(name)
        hook = _webhook(store, found) if webhook else None
        _produce(registry, found, republish, note, by, as_json, hook, rolling_back=True)


def _webhook(store: MetadataStore, found: ModelVersion) -> Webhook | None:
    """The webhook to tell, if there is one.

    Raises:
        ParameterError: Its secret is not in the environment.
    """
    from ...components.push.stage_notice import webhook_of
    from ...components.push.webhook import secret_of

    if not found.execution_id:
        return None
    settings = webhook_of(store.get_execution(found.execution_id).parameters)
    if settings is not None:
        secret_of(settings)  # Before anything is changed.
    return settings


def _produce(
    registry: ModelRegistry,
    found: ModelVersion,
    republish: bool,
    note: str,
    by: str | None,
    as_json: bool,
    webhook: Webhook | None,
    *,
    rolling_back: bool,
) -> None:
    before = registry.production(found.model)
    who = by or login_name()
    destination, number = "", 0
    if republish and found.destination:
        from ...components.push.version_store import repeat_version

        record = {
            "pushed_by": f"penstock models ({who})",
            "model_name": found.model,
            "model_version": found.version,
            "model_digest": found.digest,
            "run_id": found.run_id,
        }
        # The folder first: if this is killed here, doing it again finds the version there.
        done = repeat_version(found.destination, found.uri, record)
        if done.path != found.destination:
            destination, number = done.path, done.version
    done_now = registry.promote(
        found.model, found.version, by=who, note=note, destination=destination, number=number,
        rolling_back=rolling_back,
    )  # fmt: skip
    if as_json:
        print_json({**version_document(done_now), "before": before.version if before else None})
    else:
        _tell_produced(done_now, before, number, republish)
    if webhook is not None:
        from ...components.push.stage_notice import PROMOTED, ROLLED_BACK, tell_stage
        from ...utils.errors import ExecutionError

        try:
            tell_stage(
                webhook, ROLLED_BACK if rolling_back else PROMOTED, done_now,
                before=before.version if before else None, by=who, note=note,
                generation=registry.generation(found.model),
            )  # fmt: skip
        except ExecutionError as error:
            say_error(str(error))
            click.get_current_context().exit(FAILED)


def _tell(done: ModelVersion, what: str, as_json: bool) -> None:
    if as_json:
        print_json(version_document(done))
    else:
        click.echo(what)


def _tell_produced(
    done: ModelVersion, before: ModelVersion | None, number: int, republish: bool
) -> None:
    if before and before.version == done.version:
        click.echo(f"{done.model} {done.version} is in production already")
    else:
        was = before.version if before else "none"
        click.echo(f"{done.model}: production is {done.version} (was {was})")
    if number:
        click.echo(dim(f"servers that watch the folder find it as version {number}"))
    elif done.destination and not republish:
        click.echo(dim("servers that only watch the folder go on with its highest number"))
    if done.facts.get("kserve"):
        click.echo(dim(f"to KServe: penstock models manifest {done.model} | kubectl apply -f -"))


@models_group.command(
    "archive",
    examples=[("models archive complaints 1.3.0 --note 'leaked the label'", "never go back to it")],
)
@click.argument("name")
@click.argument("version")
@note_option
@by_option
@store_option
@json_option
def models_archive(
    name: str, version: str, note: str, by: str | None, metadata: str | None, as_json: bool
) -> None:
    """Put a version away: roll-backs pass over it, and its labels are taken off.

    Its files stay. It can be promoted again.
    """
    from ..registry.registry import ModelRegistry
    from .record_lookup import open_store

    with open_store(metadata) as store:
        done = ModelRegistry(store).archive(name, version, by=by or login_name(), note=note)
    _tell(done, f"{name} {done.version} is archived", as_json)


@models_group.command(
    "label",
    examples=[
        ("models label complaints 1.4.0 canary", "servers offer it under that name too"),
        ("models label complaints --remove canary", "not any more"),
    ],
)
@click.argument("name")
@click.argument("version", required=False)
@click.argument("label", required=False)
@option("--remove", metavar="LABEL", heading=HOW, help="Take this label off whatever has it.")
@by_option
@store_option
@json_option
def models_label(
    name: str,
    version: str | None,
    label: str | None,
    remove: str | None,
    by: str | None,
    metadata: str | None,
    as_json: bool,
) -> None:
    """Give a version a label, which moves to it from whatever version had it."""
    from ..registry.registry import ModelRegistry
    from .record_lookup import open_store

    if bool(remove) == bool(version and label):
        raise click.UsageError("Give VERSION and LABEL, or --remove LABEL.")
    with open_store(metadata) as store:
        registry = ModelRegistry(store)
        who = by or login_name()
        if remove:
            registry.remove_label(name, remove, by=who)
        else:
            registry.label(name, str(version), str(label), by=who)
        labels = registry.labels(name)
    if as_json:
        print_json(labels)
    else:
        said = ", ".join(f"{each} → {found}" for each, found in sorted(labels.items()))
        click.echo(f"labels of {name}: {said or 'none'}")


@models_group.command(
    "bump",
    examples=[
        ("models bump complaints major", "the newest version becomes the next major one"),
        ("models bump complaints 2.0.0 --version 1.4.0", "a certain one, a certain number"),
    ],
)
@click.argument("name")
@click.argument("to", metavar="major|minor|patch|VERSION")
@option("--version", metavar="VERSION", default="latest", show_default=True, heading=HOW,
        help="Which version.")  # fmt: skip
@note_option
@by_option
@store_option
@json_option
def models_bump(
    name: str, to: str, version: str, note: str, by: str | None, metadata: str | None, as_json: bool
) -> None:
    """Register a version's model again under a higher version, which takes its place."""
    from ..registry.registry import ModelRegistry
    from .record_lookup import open_store

    with open_store(metadata) as store:
        registry = ModelRegistry(store)
        was = registry.find(name, version)
        done = registry.bump(name, was.version, to, by=by or login_name(), note=note)
    _tell(done, f"{name} {was.version} is {done.version} now ({done.stage})", as_json)


@models_group.command(
    "manifest",
    examples=[("models manifest complaints | kubectl apply -f -", "what is in production")],
)
@click.argument("name")
@click.argument("version", default="production", required=False)
@store_option
def models_manifest(name: str, version: str, metadata: str | None) -> None:
    """Print the KServe InferenceService that a version was pushed with."""
    from ...utils.errors import DataError
    from ..registry.registry import ModelRegistry
    from .record_lookup import open_store

    with open_store(metadata) as store:
        found = ModelRegistry(store).find(name, version)
    text = str(found.facts.get("kserve") or "")
    if not text:
        raise DataError(
            f"version {found.version} of model {name!r} was not pushed to KServe",
            expected="a push_destination with kserve",
            got=found.destination or "another destination",
        )
    click.echo(text, nl=False)


models_manifest.help = f"{models_manifest.help}\n\n{VERSION_HELP}"
