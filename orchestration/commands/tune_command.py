# SPDX-License-Identifier: Apache-2.0
"""`penstock tune`: searches any parameter of any node of a pipeline."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from .output import dim, heading, print_json, print_table
from .program import FAILED, OK, STOPPED, HelpfulCommand
from .shared_options import (
    HOW,
    SHOW,
    VALUES,
    cache_options,
    cache_policy,
    given_again,
    json_at_end_option,
    load_with_settings,
    option,
    parameters,
    place_options,
    read_by_node,
    setting_options,
    split_assignment,
    target_argument,
)

if TYPE_CHECKING:
    from ..runners.local.tuning.pipeline_search import TrialObserver
    from ..runners.local.tuning.tune_result import TuneResult

#: Options whose values a resumed study has already.
_FIXED = ("objective", "direction", "spaces", "space_files", "sampler", "seed", "max_failures",
          "study", "params", "cache", "no_cache")  # fmt: skip


@click.command(
    cls=HelpfulCommand,
    examples=[
        (
            "tune --objective Evaluator.auc --direction maximize --trials 20 "
            "--param 'Trainer.custom_config.rate=float(1e-4, 0.1, log)'",
            "a learning rate",
        ),
        (
            "tune train.py --objective Trainer.loss --direction minimize "
            "--param 'Transform.custom_config.buckets=int(4, 64, log)' "
            "--param 'Trainer.custom_config.activation=choice(relu, tanh)'",
            "parameters of two nodes together",
        ),
        (
            "tune --objective Trainer.loss --direction minimize",
            "what the nodes themselves declare (with_search_space)",
        ),
        ("tune --resume last", "go on with a study that was stopped or killed"),
        ("tune --resume last --trials 40", "add to one"),
    ],
)
@target_argument
@option(
    "--objective", metavar="NODE.NAME", heading=VALUES,
    help="What to optimize: a metric of an evaluation, a property, or an output of a node.",
)  # fmt: skip
@option(
    "--direction", type=click.Choice(["minimize", "maximize"]), heading=VALUES,
    help="Whether less of it is better, or more.",
)  # fmt: skip
@option(
    "--param", "spaces", multiple=True, metavar="NODE.PARAM=SPEC", heading=VALUES,
    help="Search this parameter of a node, or runtime parameter. SPEC is float(LOW, HIGH), "
    "int(LOW, HIGH), either with log or step=S, or choice(A, B, ...); without =SPEC it is the one "
    "that the node declares. Repeatable [default: all that nodes declare].",
)  # fmt: skip
@option(
    "--space", "space_files", multiple=True, metavar="FILE",
    type=click.Path(dir_okay=False), heading=VALUES,
    help="Search the parameters in a YAML file: {node: {param: spec}}. Repeatable.",
)  # fmt: skip
@setting_options
@option(
    "--run-param", "params", multiple=True, metavar="NAME=VALUE", heading=VALUES,
    help="Give a runtime parameter one value in all trials. Repeatable.",
)  # fmt: skip
@option(
    "--trials", type=click.IntRange(min=1), metavar="N", heading=HOW,
    help="How many trials [default: 20].",
)  # fmt: skip
@option(
    "--sampler", type=click.Choice(["tpe", "random", "grid"]), default="tpe", show_default=True,
    heading=HOW, help="tpe learns from earlier trials, random does not, grid tries all.",
)  # fmt: skip
@option("--seed", type=int, default=0, show_default=True, heading=HOW, help="Of random choices.")
@option(
    "--parallel", type=click.IntRange(min=1), metavar="N", heading=HOW,
    help="Run so many trials at the same time [default: 1].",
)  # fmt: skip
@option(
    "--max-failures", type=click.IntRange(min=0), metavar="N", heading=HOW,
    help="Give up once more trials failed [default: half of them, at least 2].",
)  # fmt: skip
@option("--study", metavar="NAME", heading=HOW, help="Name the study instead of making one up.")
@option(
    "--resume", metavar="STUDY", heading=HOW,
    help="Go on with a study (its name, or last), with the settings that it has.",
)  # fmt: skip
@cache_options
@place_options
@option("-q", "--quiet", is_flag=True, heading=SHOW, help="Say nothing of each trial.")
@json_at_end_option
@click.pass_context
def tune(ctx: click.Context, /, quiet: bool, as_json: bool, **options: Any) -> None:
    """Search for the parameters with which a pipeline does best.

    Each trial is a recorded run of the node that the objective is about and of all that it
    needs. What trials have in common is executed once and comes from the cache after that;
    nodes after the objective's, such as a Pusher, are not run.
    """
    from ...utils.errors import Cancelled, ExecutionError
    from ..runners.local.tuning.tune import resume_tuning

    show = _Progress(quiet=quiet, to_stderr=as_json)
    pipeline = load_with_settings(options["target"], options["settings"], options["configs"])
    where = {"root": options["root"], "metadata": options["metadata"] or ""}
    try:
        if options["resume"]:
            _refuse_fixed(ctx)
            result = resume_tuning(
                pipeline,
                options["resume"],
                trials=options["trials"],
                parallel=options["parallel"],
                observer=show.observer(),
                **where,
            )
        else:
            result = _begin(pipeline, options, show.observer(), where)
    except Cancelled:
        click.echo(f"\nstopped; to go on:\n  {_again(ctx, show.study)}", err=True)
        ctx.exit(STOPPED)
    except ExecutionError as error:
        from .program import say_error

        if not show.study:
            raise
        say_error(str(error))
        click.echo(f"to go on all the same:\n  {_again(ctx, show.study)}", err=True)
        ctx.exit(FAILED)
    if as_json:
        print_json(result.to_dict())
    else:
        _show(result, _run_words(ctx))
    ctx.exit(OK if result.best else FAILED)


def _begin(
    pipeline: Any, options: Mapping[str, Any], observer: TrialObserver, where: Mapping[str, Any]
) -> TuneResult:
    from ..runners.local.tuning import tune as tuning

    for name in ("objective", "direction"):
        if not options[name]:
            raise click.UsageError(f"--{name} is missing: what is to be optimized, and which way?")
    return tuning.tune(
        pipeline,
        objective=options["objective"],
        direction=options["direction"],
        trials=options["trials"] or tuning.TRIALS,
        space=_space(options["spaces"], options["space_files"]),
        sampler=options["sampler"],
        seed=options["seed"],
        parallel=options["parallel"] or 1,
        max_failures=options["max_failures"],
        study=options["study"],
        parameters=parameters(options["params"]),
        cache=cache_policy(options["cache"], options["no_cache"]),
        observer=observer,
        **where,
    )


def _space(texts: Sequence[str], files: Sequence[str]) -> dict[str, Any]:
    """Descriptions by parameter, those of files first; None for the declared one."""
    space: dict[str, Any] = {}
    for path in files:
        space.update(read_by_node(path, "a file of search spaces", "float(low, high)"))
    for text in texts:
        if "=" not in text:
            space[text] = None
            continue
        name, description = split_assignment(text, "--param", "node.param=float(low, high)")
        space[name] = description
    return space


def _refuse_fixed(ctx: click.Context) -> None:
    for name in _FIXED:
        source = ctx.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            flag = next(
                max(each.opts, key=len) for each in ctx.command.get_params(ctx) if each.name == name
            )
            raise click.UsageError(
                f"{flag} cannot be changed when a study is resumed: begin another one."
            )


def _again(ctx: click.Context, study: str) -> str:
    dropped = dict.fromkeys((*_FIXED, "resume", "quiet", "as_json"))
    return shlex.join([*given_again(ctx, without=dropped), "--resume", study])


def _run_words(ctx: click.Context) -> str:
    """The command that runs the pipeline, with what was given of it here."""
    words = ["penstock", "run"]
    if ctx.params["target"] != ".":
        words.append(ctx.params["target"])
    for flag, name in (("--set", "settings"), ("--config", "configs"), ("--param", "params")):
        words += [word for each in ctx.params[name] for word in (flag, each)]
    for flag in ("root", "metadata"):
        if ctx.params[flag]:
            words += [f"--{flag}", ctx.params[flag]]
    return shlex.join(words)


def _show(result: TuneResult, run: str) -> None:
    from ...components.train.tuning.trial_records import cell_text, parameter_names
    from ...utils.source_location import display_path

    names = parameter_names(result.trials)
    best = result.best
    rows = [
        [
            f"{each.number}{' *' if best and each.number == best.number else ''}",
            each.state,
            "" if each.value is None else f"{each.value:.6g}",
            *(cell_text(each.parameters.get(name, "")) for name in names),
            each.reason or each.run_id,
        ]
        for each in result.trials
    ]
    click.echo()
    print_table(["trial", "state", result.objective, *names, "run"], rows)
    if best is None:
        click.echo("\nno trial is complete", err=True)
    else:
        click.echo(f"\n{heading('best')}: {result.objective} {best.value:.6g}, trial {best.number}")
        click.echo(f"to run with it:\n  {run} {' '.join(result.options)}")
    if result.importance:
        shares = ", ".join(f"{name} {share:.0%}" for name, share in result.importance.items())
        click.echo(f"importance: {shares}")
    for path in result.files:
        click.echo(dim(display_path(path)))


class _Progress:
    """One line for each trial."""

    def __init__(self, *, quiet: bool, to_stderr: bool) -> None:
        self.study = ""
        self._quiet = quiet
        self._stream = sys.stderr if to_stderr else sys.stdout

    def say(self, text: str) -> None:
        """Prints a line, unless nothing is to be said."""
        if not self._quiet:
            click.echo(text, file=self._stream)

    def observer(self) -> TrialObserver:
        """What a search tells."""
        from ...components.train.tuning.trial_records import cell_text
        from ...utils.readable import duration
        from ..runners.local.tuning import pipeline_search
        from ..runners.local.tuning.study_folder import SearchSettings

        progress = self

        class Observer(pipeline_search.TrialObserver):
            def study_started(self, settings: SearchSettings, folder: str, done: int) -> None:
                progress.study = settings.study
                after = f", after {done}" if done else ""
                progress.say(
                    f"study {settings.study}: {settings.trials} trials{after}, "
                    f"{settings.direction} {settings.objective}, seed {settings.seed}"
                )

            def trial_ended(self, news: pipeline_search.TrialNews) -> None:
                record = news.record
                tried = ", ".join(f"{k}={cell_text(v)}" for k, v in record.parameters.items())
                value = record.state if record.value is None else f"{record.value:.6g}"
                work = f"{news.executed} ran, {news.reused} reused, {duration(news.seconds)}"
                note = f"  {record.reason}" if record.reason else ""
                progress.say(f"trial {record.number:3d}  {value:<10} {tried}  ({work}){note}")

        return Observer()
