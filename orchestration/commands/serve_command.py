# SPDX-License-Identifier: Apache-2.0
"""The command that serves a model."""

from __future__ import annotations

import json
import os
import shlex
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from .program import FAILED, HelpfulCommand
from .shared_options import WHERE, option
from .store_option import store_option

if TYPE_CHECKING:
    from ...components.serve.server_process import ServerProcess
    from ...components.serve.server_settings import LogSettings, ServerSettings

_WHICH, _LIMITS, _LOG = "Which versions", "Limits", "Prediction log"

#: Environment variable with the token; unlike an option, no list of processes shows it.
TOKEN_VARIABLE = "PENSTOCK_SERVE_TOKEN"


@click.command(
    "serve",
    cls=HelpfulCommand,
    examples=[
        ("serve serving/complaints", "a folder that a Pusher pushes to; follows what is pushed"),
        ("serve complaints", "a registered model; follows promotions and rollbacks"),
        ("serve complaints --log predictions --sample 0.1", "keep a tenth of what is asked"),
        ("serve serving/complaints --versions latest:2", "the version before as well"),
    ],
)
@click.argument("target", metavar="NAME|DIRECTORY")
@option("--host", default="127.0.0.1", show_default=True, heading=WHERE, help="Listen here.")
@option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True, heading=WHERE,
        help="0 takes a port that is free.")  # fmt: skip
@option("--name", metavar="NAME", heading=WHERE,
        help="The model's name in URLs [default: that of the folder or the registry].")  # fmt: skip
@option("--token", metavar="TOKEN", envvar=TOKEN_VARIABLE, heading=WHERE,
        help="What clients must send as a bearer token [default: a new one, printed].")  # fmt: skip
@option("--no-token", is_flag=True, heading=WHERE, help="Answer whoever asks.")
@option("--versions", default="latest", show_default=True, heading=_WHICH,
        help="latest, latest:N, all, or versions separated by commas; those with a label "
        "are served besides.")  # fmt: skip
@option("--label", "labels", multiple=True, metavar="LABEL=VERSION", heading=_WHICH,
        help="Give a version a label; 'production' answers by default. Repeatable.")  # fmt: skip
@option("--signature", default="", metavar="NAME", heading=_WHICH,
        help="Signature of a SavedModel [default: serving_default].")  # fmt: skip
@option("--schema", metavar="FILE", heading=_LIMITS,
        help="Check requests against this schema (schema.pbtxt) too.")  # fmt: skip
@option("--poll", "poll_seconds", type=click.FloatRange(min=0.05), default=2.0,
        show_default=True, metavar="SECONDS", heading=_LIMITS,
        help="Look for new versions this often.")  # fmt: skip
@option("--threads", type=click.IntRange(1, 256), default=4, show_default=True, heading=_LIMITS,
        help="Predictions computed at a time.")  # fmt: skip
@option("--max-body", "max_body_mib", type=click.FloatRange(min=0.001), default=16.0,
        show_default=True, metavar="MIB", heading=_LIMITS, help="Largest request.")  # fmt: skip
@option("--max-rows", type=click.IntRange(min=1), default=10_000, show_default=True,
        heading=_LIMITS, help="Most records in a request.")  # fmt: skip
@option("--log", "log_folder", metavar="DIR", heading=_LOG,
        help="Write what is asked and answered below this folder, as Parquet.")  # fmt: skip
@option("--sample", type=click.FloatRange(0, 1, min_open=True), default=1.0, show_default=True,
        heading=_LOG, help="Share of the records to log.")  # fmt: skip
@option("--log-size", type=click.IntRange(min=1), default=1024, show_default=True, metavar="MIB",
        heading=_LOG, help="Delete the oldest files above this size.")  # fmt: skip
@store_option
@click.pass_context
def serve(
    ctx: click.Context,
    /,
    target: str,
    token: str | None,
    no_token: bool,
    labels: tuple[str, ...],
    schema: str | None,
    metadata: str | None,
    log_folder: str | None,
    sample: float,
    log_size: int,
    **plain: Any,
) -> None:
    """Serve a model by KServe's V1 and V2 protocols, on this machine only by default.

    DIRECTORY holds versions (1/, 2/, …), as a Pusher leaves them, or one model. NAME is a
    registered model (`penstock models list`). What is pushed, promoted or rolled back
    while the server runs is followed without a gap. Ctrl-C or SIGTERM ends it once all
    requests have their answers.
    """
    import secrets

    settings = _settings(
        target,
        metadata,
        plain,
        token="" if no_token else token or secrets.token_urlsafe(24),
        labels=_labels(labels),
        schema=os.path.abspath(schema) if schema else "",
        log=_log(log_folder, sample, log_size),
        verbosity=_verbosity(),
    )
    # A token of the environment's is meant to be seen by nobody.
    hidden = ctx.get_parameter_source("token") is ParameterSource.ENVIRONMENT
    ctx.exit(_run(settings, hidden))


def _run(settings: ServerSettings, hidden: bool) -> int:
    """Serves until told to stop; gives the exit code."""
    import signal
    import threading

    from ...components.serve.server_process import ServerProcess

    asked = threading.Event()
    before = {
        each: signal.signal(each, lambda *_: asked.set())
        for each in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        with ServerProcess(settings, on_event=_told) as server:
            ready = _wait_ready(server, asked)
            if ready is None:
                return 0
            _introduce(settings, server, ready, hidden)
            while not asked.wait(0.2):
                if not server.running:
                    click.echo(f"the model server ended: {server.wait()}", err=True)
                    return FAILED
            click.echo("stopping: requests under way get their answers", err=True)
        return 0
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _wait_ready(server: ServerProcess, asked: Any) -> dict[str, Any] | None:
    """The event `ready`; None where somebody asked to stop before."""
    from ...components.serve.server_process import NotReady

    while not asked.is_set():
        try:
            return server.wait_ready(0.2)
        except NotReady:
            continue
    return None


def _introduce(
    settings: ServerSettings, server: ServerProcess, ready: dict[str, Any], hidden: bool
) -> None:
    click.echo(f"serving {settings.name} at {server.url}")
    for version in ready["versions"]:
        marks = [label for label, name in ready["labels"].items() if name == version]
        click.echo(f"  version {version}" + (f" ({', '.join(marks)})" if marks else ""))
    if not ready["default"]:
        click.echo("  no version is in production: ask for one by version or label")
    click.echo()
    click.echo(_curl(settings, server.url, ready, hidden))
    click.echo()
    click.echo(f"health: {server.url}/v2/health/ready   metrics: {server.url}/metrics")
    if settings.log is not None:
        click.echo(f"predictions are logged below {settings.log.folder}/{settings.name}")
    click.echo("Ctrl-C stops it", err=True)


def _curl(settings: ServerSettings, url: str, ready: dict[str, Any], hidden: bool) -> str:
    """A command that gets a prediction, to copy."""
    place = "" if ready["default"] else f"/versions/{ready['versions'][-1]}"
    body = json.dumps({"instances": [ready["example"]]}, ensure_ascii=False)
    lines = [f"curl {url}/v1/models/{settings.name}{place}:predict"]
    if settings.token:
        shown = f"${TOKEN_VARIABLE}" if hidden else settings.token
        lines.append(f'-H "Authorization: Bearer {shown}"')
    lines += ["-H 'Content-Type: application/json'", f"-d {shlex.quote(body)}"]
    return " \\\n  ".join(lines)


def _told(event: dict[str, Any]) -> None:
    """Says what happens while it serves; failures are in the server's log already."""
    if event["event"] == "serving":
        production = event["labels"].get("production", "none")
        click.echo(
            f"now serving {', '.join(event['versions']) or 'nothing'}; production: {production}",
            err=True,
        )


def _settings(
    target: str, metadata: str | None, plain: dict[str, Any], **more: Any
) -> ServerSettings:
    from ...components.serve.server_settings import ServerSettings

    name = plain.pop("name")
    if os.path.isdir(target) or os.sep in target:
        place = os.path.abspath(os.path.expanduser(target))
        return ServerSettings(
            name=_checked(name or os.path.basename(place)), location=place, **plain, **more
        )
    return ServerSettings(
        name=_checked(name or target),
        location=target,
        source="registry",
        metadata=_registered(target, metadata),
        **plain,
        **more,
    )


def _registered(target: str, metadata: str | None) -> str:
    """The store in which a model is registered.

    Raises:
        MetadataError: There is no store, or no such model in it.
    """
    from ...utils.errors import MetadataError
    from ..registry.registry import ModelRegistry
    from .record_lookup import open_store

    try:
        with open_store(metadata) as store:
            ModelRegistry(store).versions(target)
            return metadata or store.setting
    except MetadataError as error:
        error.got = f"{error.got or target}; there is no folder {target!r} either"
        raise


def _checked(name: str) -> str:
    """A model's name that can stand in a URL.

    Raises:
        ParameterError: It cannot.
    """
    import re

    from ...utils.errors import ParameterError

    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise ParameterError(
            "the model's name cannot stand in a URL",
            expected="letters, digits, '.', '_' and '-'",
            got=repr(name),
            fix="give it a name: --name NAME",
        )
    return name


def _labels(given: tuple[str, ...]) -> dict[str, str]:
    from ...utils.errors import ParameterError

    found = {}
    for text in given:
        label, _, version = text.partition("=")
        if not label or not version or "/" in label:
            raise ParameterError(
                "--label does not name a version",
                expected="LABEL=VERSION, such as candidate=1700000300",
                got=text,
            )
        found[label] = version
    return found


def _log(folder: str | None, sample: float, size: int) -> LogSettings | None:
    from ...components.serve.server_settings import LogSettings

    if folder is None:
        return None
    return LogSettings(os.path.abspath(folder), sample=sample, max_mib=size)


def _verbosity() -> int:
    import logging

    level = logging.getLogger("penstock").level
    return 2 if level == logging.DEBUG else 1 if level == logging.INFO else 0
