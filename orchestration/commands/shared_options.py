# SPDX-License-Identifier: Apache-2.0
"""Options that several commands share, and what they mean.

A pipeline's settings come, each overriding the ones before, from its Python file, from
`--config`, and from `--set`; its runtime parameters from `--param`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

from .completion import complete_node, complete_run
from .program import HelpfulOption

if TYPE_CHECKING:
    from ..ir import PipelineIR
    from ..launch.run import Run
    from ..pipeline import Pipeline
    from ..runners.local.selection import Selection

F = TypeVar("F", bound=Callable[..., Any])

VALUES, WHERE, WHICH, HOW, SHOW = "Values", "Where", "Which nodes", "How", "Output"

#: What a folder's pipeline is in.
_DEFAULT_FILES = ("pipeline.py", "pipeline.yaml", "pipeline.yml")

#: Names of the environment variables that stand for options.
METADATA_VARIABLE = "PENSTOCK_METADATA"


def option(*names: str, heading: str, **kwargs: Any) -> Callable[[F], F]:
    """An option under a heading of the help."""
    return click.option(*names, cls=HelpfulOption, heading=heading, **kwargs)


def _all(*options: Callable[[F], F]) -> Callable[[F], F]:
    def decorate(function: F) -> F:
        for each in reversed(options):
            function = each(function)
        return function

    return decorate


def target_argument(function: F) -> F:
    """The pipeline: by default the `pipeline.py` of the current folder."""
    return click.argument("target", default=".", required=False)(function)


param_option = option(
    "--param", "params", multiple=True, metavar="NAME=VALUE", heading=VALUES,
    help="Give a runtime parameter a value. Repeatable.",
)  # fmt: skip

setting_options = _all(
    option(
        "--set", "settings", multiple=True, metavar="NODE.PARAM=VALUE", heading=VALUES,
        help="Change a parameter of a node; the value is read as YAML. Repeatable.",
    ),
    option(
        "--config", "configs", multiple=True, metavar="FILE",
        type=click.Path(dir_okay=False), heading=VALUES,
        help="Change parameters by a YAML file: {node: {param: value}}. Repeatable.",
    ),
)  # fmt: skip

value_options = _all(param_option, setting_options)

place_options = _all(
    option(
        "--root", metavar="DIR", heading=WHERE,
        help="Write outputs below this folder or URL instead of the pipeline's root.",
    ),
    option(
        "--metadata", metavar="PATH|URL", envvar=METADATA_VARIABLE, heading=WHERE,
        help="Record in this metadata store [default: the pipeline's own, else "
        "metadata.sqlite in its root].",
    ),
)  # fmt: skip

selection_options = _all(
    option(
        "--from-node", "from_nodes", multiple=True, metavar="NODE", heading=WHICH,
        shell_complete=complete_node, help="Only this node and those after it. Repeatable.",
    ),
    option(
        "--to-node", "to_nodes", multiple=True, metavar="NODE", heading=WHICH,
        shell_complete=complete_node, help="Only this node and those before it. Repeatable.",
    ),
    option(
        "--only", multiple=True, metavar="NODE", heading=WHICH,
        shell_complete=complete_node, help="Only this node. Repeatable.",
    ),
)  # fmt: skip

cache_options = _all(
    option(
        "--cache", type=click.Choice(["on", "off", "read-only"]), heading=HOW,
        help="Replace every node's cache policy.",
    ),
    option("--no-cache", is_flag=True, heading=HOW, help="The same as --cache off."),
)  # fmt: skip

resume_options = _all(
    option(
        "--resume", metavar="RUN", heading=HOW, shell_complete=complete_run,
        help="Go on with a run that failed or was stopped (its id, or last), with the runtime "
        "parameters that it had; what it finished is reused.",
    ),
    option(
        "--take-over", is_flag=True, heading=HOW,
        help="With --resume: even if an outside engine or another machine may still work at "
        "it; what that has under way can then be published no more.",
    ),
)  # fmt: skip

json_option = option("--json", "as_json", is_flag=True, heading=SHOW, help="Print JSON.")

json_at_end_option = option(
    "--json", "as_json", is_flag=True, heading=SHOW,
    help="Print one JSON object at the end; progress goes to standard error.",
)  # fmt: skip

max_workers_option = option(
    "--max-workers", type=click.IntRange(min=1), metavar="N", heading=HOW,
    help="Execute at most so many nodes at once.",
)  # fmt: skip


def limit_option(help: str = "How many at most.") -> Callable[[F], F]:
    """How many of the things that a command lists it shows."""
    return option(
        "-n", "--limit", type=click.IntRange(min=1), default=20, show_default=True, heading=SHOW,
        help=help,
    )  # fmt: skip


def run_id_argument(function: F) -> F:
    """A run, by its id or a part of it that no other has."""
    return click.argument("run_id", metavar="[RUN]", default="last", shell_complete=complete_run)(
        function
    )


@dataclass(frozen=True)
class Loaded:
    """A pipeline with everything that options changed about it.

    Attributes:
        ir: Compiled.
        run: The run that the options describe.
        metadata: Setting of the metadata store; empty for the default.
    """

    ir: PipelineIR
    run: Run
    metadata: str


def load(
    target: str,
    *,
    params: Sequence[str] = (),
    settings: Sequence[str] = (),
    configs: Sequence[str] = (),
    root: str | None = None,
    metadata: str | None = None,
    cache: str | None = None,
    no_cache: bool = False,
    run_id: str | None = None,
) -> Loaded:
    """The pipeline that a command line describes, compiled.

    Raises:
        PenstockError: It cannot be loaded or compiled, or a setting is not acceptable.
    """
    from ..launch.run import describe_run
    from ..pipeline import Pipeline

    pipeline = load_with_settings(target, settings, configs)
    ir = pipeline.compile() if isinstance(pipeline, Pipeline) else pipeline
    run = describe_run(
        ir,
        run_id=run_id,
        root=root,
        parameters=parameters(params),
        cache=cache_policy(cache, no_cache),
    )
    own = pipeline.metadata if isinstance(pipeline, Pipeline) else ""
    return Loaded(ir, run, metadata or own)


def load_given(options: Mapping[str, Any], *, run_id: str | None = None) -> Loaded:
    """The pipeline that a command's target, value, place and cache options describe.

    Raises:
        PenstockError: As `load`.
    """
    names = ("params", "settings", "configs", "root", "metadata", "cache", "no_cache")
    return load(options["target"], run_id=run_id, **{n: options[n] for n in names if n in options})


def load_with_settings(
    target: str, settings: Sequence[str], configs: Sequence[str]
) -> Pipeline | PipelineIR:
    """The pipeline of a target, with what `--config` and `--set` change.

    Raises:
        PenstockError: It cannot be loaded, or a setting is not acceptable.
    """
    from ...utils.errors import CodeError, ParameterError
    from ..pipeline import Pipeline
    from ..pipeline_loader import load_pipeline

    if target == "." and not any(map(os.path.exists, _DEFAULT_FILES)):
        raise CodeError(
            "no pipeline was named, and there is no pipeline.py in this folder",
            expected="a file (pipeline.py), a module (package.module) or a compiled pipeline",
            fix="penstock init, to start from a working project",
        )
    pipeline = load_pipeline(target)
    if not (settings or configs):
        return pipeline
    if not isinstance(pipeline, Pipeline):
        raise ParameterError(
            "the parameters of a compiled pipeline cannot be changed any more",
            got=target,
            fix="give --set and --config when compiling, or use runtime parameters (--param)",
        )
    for path in configs:
        _apply_config(pipeline, path)
    for setting in settings:
        _apply_setting(pipeline, setting)
    return pipeline


def _apply_config(pipeline: Pipeline, path: str) -> None:
    from ...utils.errors import ParameterError

    for name, value in read_by_node(path, "a configuration file", "value").items():
        try:
            pipeline.override({name: value})
        except ParameterError as error:
            error.location = path
            raise


def read_by_node(path: str, what: str, value: str) -> dict[str, Any]:
    """What a YAML file says of parameters of nodes, by `node.param`.

    Args:
        path: The file or URL.
        what: What the file is, for an error.
        value: What it gives for each parameter, for an error.

    Raises:
        ParameterError: It does not map node ids to parameters.
    """
    from ...utils import storage
    from ...utils.errors import ParameterError
    from ...utils.plain_yaml import read_yaml

    raw = read_yaml(storage.read_text(path), source=path) or {}
    if not isinstance(raw, dict) or not all(isinstance(each, dict) for each in raw.values()):
        raise ParameterError(
            f"{what} maps node ids to parameters",
            expected=f"{{node: {{param: {value}}}}}",
            got=f"{type(raw).__name__}: {str(raw)[:80]}",
            location=path,
        )
    return {f"{node}.{name}": each for node, found in raw.items() for name, each in found.items()}


def _apply_setting(pipeline: Pipeline, setting: str) -> None:
    from ...utils.errors import ParameterError
    from ...utils.plain_yaml import read_value

    path, text = split_assignment(setting, "--set", "node.param=value")
    value = read_value(text, source=f"--set {path}")
    try:
        pipeline.override({path: value})
    except ParameterError as error:
        if not isinstance(value, str):
            # `--set Pusher.name=2024`: a text that looks like a number is still a text.
            try:
                pipeline.override({path: text})
                return
            except ParameterError:
                pass
        error.location = f"--set {setting}"
        raise


def split_assignment(text: str, name: str, form: str) -> tuple[str, str]:
    """Both sides of `left=right`.

    Raises:
        click.UsageError: There is no equals sign.
    """
    left, equals, right = text.partition("=")
    if not equals or not left.strip():
        raise click.UsageError(f"{name} needs {form}, got {text!r}.")
    return left.strip(), right


def parameters(params: Sequence[str]) -> dict[str, str]:
    """Runtime parameters from `--param` options."""
    return dict(split_assignment(text, "--param", "name=value") for text in params)


def cache_policy(cache: str | None, no_cache: bool) -> str | None:
    """The cache policy that the options ask for, as the IR writes it."""
    if no_cache and cache not in (None, "off"):
        raise click.UsageError(f"--no-cache and --cache {cache} contradict each other.")
    return "off" if no_cache else cache.replace("-", "_") if cache else None


def selection(from_nodes: Sequence[str], to_nodes: Sequence[str], only: Sequence[str]) -> Selection:
    """The part of the pipeline that the options ask for."""
    from ..runners.local.selection import Selection

    return Selection(tuple(from_nodes), tuple(to_nodes), tuple(only))


def given_again(ctx: click.Context, without: Mapping[str, object]) -> list[str]:
    """The words of this very command line, less some of its options, ready to be quoted."""
    words = ctx.command_path.split()
    for parameter in ctx.command.get_params(ctx):
        name = parameter.name or ""
        source = ctx.get_parameter_source(name)
        if source is None or source.name != "COMMANDLINE" or name in without:
            continue
        value = ctx.params.get(name)
        if isinstance(parameter, click.Argument):
            words.append(str(value))
        elif isinstance(parameter, click.Option):
            words += _words(parameter, value)
    return words


def _words(parameter: click.Option, value: Any) -> list[str]:
    flag = max(parameter.opts, key=len)
    if parameter.is_flag or parameter.count:
        return [flag] if value else []
    values = value if parameter.multiple else [value]
    return [word for each in values for word in (flag, str(each))]
