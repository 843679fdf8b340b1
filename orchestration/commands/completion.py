# SPDX-License-Identifier: Apache-2.0
"""Shell completion: the script for a shell, and node and run ids where they are cheap.

No pipeline is imported and no store is opened while somebody presses Tab: ids come from the
compiled pipelines that runs leave behind as files.
"""

from __future__ import annotations

import glob
import json
import os

import click

from .program import HelpfulCommand

#: Where runs of this folder's pipelines leave their compiled pipeline.
_COMPILED = os.path.join(".penstock", "*", ".runs", "*", "pipeline.json")
_MOST = 50


def complete_node(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Node ids of the pipeline at hand, or of those that ran in this folder."""
    target = str(ctx.params.get("target") or ctx.params.get("ir_path") or "")
    if target.endswith(".json"):
        files = [target]
    else:
        newest: dict[str, str] = {}
        for path in _newest_first():
            newest.setdefault(path.split(os.sep)[1], path)
        files = list(newest.values())
    found = [node for path in files for node in _node_ids(path)]
    return [node for node in dict.fromkeys(found) if node.startswith(incomplete)]


def complete_run(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Ids of the newest runs in this folder."""
    ids = [os.path.basename(os.path.dirname(path)) for path in _newest_first()]
    return [run_id for run_id in ids if run_id.startswith(incomplete)][:_MOST]


def _newest_first() -> list[str]:
    def age(path: str) -> float:
        try:
            return -os.path.getmtime(path)
        except OSError:
            return 0.0

    return sorted(glob.glob(_COMPILED), key=age)


def _node_ids(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8") as file:
            return [str(node["id"]) for node in json.load(file)["nodes"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []


@click.command(
    cls=HelpfulCommand,
    examples=[
        ("completion bash > ~/.local/share/bash-completion/completions/penstock", "bash"),
        ('completion zsh > "${fpath[1]}/_penstock"', "zsh"),
        ("completion fish > ~/.config/fish/completions/penstock.fish", "fish"),
    ],
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the script that makes a shell complete commands, options and ids."""
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    assert found is not None
    root = ctx.find_root().command
    click.echo(found(root, {}, "penstock", "_PENSTOCK_COMPLETE").source())
