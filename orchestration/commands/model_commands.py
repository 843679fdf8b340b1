# SPDX-License-Identifier: Apache-2.0
"""Commands about registered models: what versions there are, which is in production."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import click

from .output import dim, print_json, print_pairs, print_table
from .program import HelpfulGroup
from .shared_options import HOW, json_option, limit_option, option
from .store_option import store_option

if TYPE_CHECKING:
    from ..registry.model_version import ModelVersion

#: For the help of commands that take a version.
VERSION_HELP = (
    "VERSION is as 1.4.0, or 1.4 for the newest such; production; latest; a label; or the number "
    "of the folder that was pushed."
)

note_option = option("--note", metavar="TEXT", default="", heading=HOW, help="Why; is recorded.")
by_option = option(
    "--by", metavar="NAME", heading=HOW, help="Who does it [default: your login name]."
)
republish_option = option(
    "--republish/--no-republish", default=True, show_default=True, heading=HOW,
    help="Also make the version the newest in the folder or bucket that it was pushed to, for "
    "servers that only watch that.",
)  # fmt: skip

webhook_option = option(
    "--webhook/--no-webhook", default=True, show_default=True, heading=HOW,
    help="Also tell the webhook of the version's push_destination, if it has one.",
)  # fmt: skip


@click.group("models", cls=HelpfulGroup)
def models_group() -> None:
    """Versions of pushed models: list, compare, promote, roll back."""


@models_group.command(
    "list",
    examples=[("models list", "all of them"), ("models list --json", "for a script")],
)
@store_option
@json_option
def models_list(metadata: str | None, as_json: bool) -> None:
    """List registered models, with what is in production."""
    from ...utils.readable import moment
    from ..registry.registry import ModelRegistry
    from .record_lookup import open_store

    with open_store(metadata) as store:
        registry = ModelRegistry(store)
        found = [registry.history(name) for name in registry.names()]
    documents: list[dict[str, Any]] = []
    for history in found:
        newest = list(history.versions.values())[-1]
        documents.append(
            {
                "model": history.model,
                "production": history.production or None,
                "latest": newest.version,
                "versions": len(history.versions),
                "candidates": [
                    each.version for each in history.versions.values() if each.stage == "candidate"
                ],
                "labels": history.labels,
                "pipeline": newest.pipeline,
                "pushed_at": newest.created_at,
                "generation": history.generation,
            }
        )
    if as_json:
        print_json(documents)
        return
    rows = [
        (
            each["model"],
            each["production"] or "–",
            each["latest"],
            str(each["versions"]),
            moment(each["pushed_at"]),
            each["pipeline"],
        )
        for each in documents
    ]
    print_table(
        ["model", "production", "latest", "versions", "pushed", "pipeline"], rows,
        empty="No model was pushed yet.",
    )  # fmt: skip


@models_group.command(
    "show",
    examples=[
        ("models show complaints", "its versions"),
        ("models show complaints production", "one version: what made it, where it is"),
    ],
)
@click.argument("name")
@click.argument("version", required=False)
@limit_option("How many versions at most, newest first.")
@store_option
@json_option
def models_show(
    name: str, version: str | None, limit: int, metadata: str | None, as_json: bool
) -> None:
    """Show the versions of a model, newest first, or all about one."""
    from ..registry.registry import ModelRegistry
    from .record_lookup import open_store

    with open_store(metadata) as store:
        registry = ModelRegistry(store)
        if version is not None:
            _show_version(registry.find(name, version), as_json)
            return
        found = list(reversed(registry.versions(name)))[:limit]
    if as_json:
        print_json([version_document(each) for each in found])
        return
    rows = [
        (
            each.version,
            each.stage,
            ", ".join(each.labels),
            _moment(each.created_at),
            str(each.number or ""),
            each.reason,
        )
        for each in found
    ]
    print_table(["version", "stage", "labels", "pushed", "number", "because"], rows)


models_show.help = f"{models_show.help}\n\n{VERSION_HELP}"


def _show_version(found: ModelVersion, as_json: bool) -> None:
    from ...utils.source_location import display_path

    if as_json:
        print_json(version_document(found, whole=True))
        return
    print_pairs(
        [
            ("model", found.model),
            ("version", found.version),
            ("stage", found.stage),
            ("labels", ", ".join(found.labels)),
            ("because", found.reason),
            ("registered", _moment(found.created_at) + (f" by {found.by}" if found.by else "")),
            ("made by", f"{found.pipeline}/{found.node_id}, run {found.run_id}"),
            ("destination", display_path(found.destination) if found.destination else ""),
            ("files", display_path(found.uri)),
            ("digest", found.digest),
        ]
    )
    metrics: dict[str, float] = found.facts.get("metrics", {})
    if metrics:
        click.echo()
        print_table(["metric", "value"], [(n, f"{v:.6g}") for n, v in sorted(metrics.items())])
    changes = found.facts.get("changes", [])
    if changes:
        click.echo(dim("\nagainst the version before:"))
        print_table(["raises", "what", "change"], _change_rows(changes))


def _change_rows(changes: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    return [(each["bump"], each["kind"], each["what"]) for each in changes]


def version_document(found: ModelVersion, *, whole: bool = False) -> dict[str, Any]:
    """A version as plain data: every key is always there.

    Args:
        found: The version.
        whole: Also what made it.
    """
    document: dict[str, Any] = {
        name: getattr(found, name)
        for name in (
            "model", "version", "stage", "labels", "uri", "destination", "number", "digest",
            "created_at", "pipeline", "run_id", "node_id", "execution_id", "model_artifact_id",
            "bump", "reason", "by",
        )
    }  # fmt: skip
    document["metrics"] = dict(found.facts.get("metrics", {}))
    if whole:
        for name in ("changes", "recipe", "ir", "parameters", "root"):
            document[name] = found.facts.get(name)
    return document


@models_group.command(
    "diff",
    examples=[
        ("models diff complaints", "what is in production against the one before it"),
        ("models diff complaints 1.2.0 1.3.0 --json", "two versions, for a script"),
    ],
)
@click.argument("name")
@click.argument("before", required=False)
@click.argument("after", default="production", required=False)
@store_option
@json_option
def models_diff(
    name: str, before: str | None, after: str, metadata: str | None, as_json: bool
) -> None:
    """Show what changed between two versions: data, schema, code, parameters, metrics.

    Without BEFORE the two are what is in production and the version registered before it.
    """
    from ...utils.errors import MetadataError
    from ..registry.model_diff import diff_versions
    from ..registry.registry import ModelRegistry
    from .record_lookup import open_store

    with open_store(metadata) as store:
        registry = ModelRegistry(store)
        second = registry.find(name, after)
        if before is None:
            versions = registry.versions(name)
            place = [each.version for each in versions].index(second.version)
            if place == 0:
                raise MetadataError(
                    f"version {second.version} of model {name!r} is the first",
                    expected="two versions to compare",
                    fix=f"penstock models show {name}",
                )
            first = versions[place - 1]
        else:
            first = registry.find(name, before)
        found = diff_versions(store, first, second)
    if as_json:
        print_json(found)
        return
    _print_diff(found)


models_diff.help = f"{inspect.cleandoc(models_diff.help or '')}\n\nBEFORE and AFTER: {VERSION_HELP}"


def _print_diff(found: dict[str, Any]) -> None:
    said = "the same model" if found["same"] else f"a {found['bump']} change by the rule"
    click.echo(f"{found['model']} {found['from']} → {found['to']}: {said}")
    if found["changes"]:
        click.echo()
        print_table(["raises", "what", "change"], _change_rows(found["changes"]))
    sections = [(part, found[part]) for part in ("schema", "transform")]
    rows = [
        (each["name"], part, _short(each["from"]), _short(each["to"]), _differs(each))
        for part, listed in sections
        for each in listed
    ]
    for each in found["data"]:
        sides = [each[side] or {} for side in ("from", "to")]
        digests = [side.get("digest") for side in sides]
        counts = [side.get("rows") for side in sides]
        told = "same" if digests[0] == digests[1] else "changed"
        if counts[0] is not None and counts[1] is not None:
            told += f", {counts[0]:,} → {counts[1]:,} rows"
        rows.append((each["name"], "data", *map(_short, digests), told))
    if rows:
        click.echo()
        print_table(["artifact", "what", found["from"], found["to"], ""], rows)
    if found["metrics"]:
        click.echo()
        print_table(
            ["metric", found["from"], found["to"], "change"],
            [
                (each["name"], _figure(each["from"]), _figure(each["to"]),
                 "" if each["change"] is None else f"{each['change']:+.4g}")
                for each in found["metrics"]
            ],
        )  # fmt: skip


def _short(digest: str | None) -> str:
    return (digest or "–")[:12]


def _differs(each: dict[str, Any]) -> str:
    return "same" if each["from"] == each["to"] else "changed"


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.6g}"


def _moment(seconds: float) -> str:
    from ...utils.readable import moment

    return moment(seconds)


def login_name() -> str:
    """Who runs this command."""
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):  # A container's user may have no name.
        return "unknown"
