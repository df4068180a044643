"""``exec``: the command line, and the order of things.

Exit codes: 0 passed, 1 failed, 2 refused (YAML or usage), 130 interrupted.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

import click

from pyrunner.cli.exec.options import FLAGS, Options
from pyrunner.cli.group import Invocation, RunnerCommand
from pyrunner.errors import PipelineError, PyrunnerError, UsageError

if TYPE_CHECKING:
    from pyrunner.ci.plan import Pipeline
    from pyrunner.cli.exec.prepare import Prepared

#: The YAML or the command line is not accepted.
REFUSED: Final = 2
_SHOWS: Final = ("list", "graph", "dry-run", "preview")


class ExecCommand(RunnerCommand):
    """A command whose usage errors have an exit code of their own."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read ``args``; see :meth:`RunnerCommand.parse_args`."""
        try:
            return super().parse_args(ctx, args)
        except UsageError:  # the message is out already
            ctx.exit(REFUSED)


def run(invocation: Invocation) -> int:
    """Do what was asked for; return the exit code."""
    try:
        options = Options.read(invocation.rest, invocation.values, invocation.session.environ)
        if any(options.flag(one) for one in _SHOWS):
            return show(invocation, options)
        from pyrunner.cli.exec.runs import run_jobs  # coordinator and manager: not to show something

        return run_jobs(invocation, options)
    except (UsageError, PipelineError) as error:
        return refuse(error)
    except ModuleNotFoundError as error:
        name = (error.name or "").partition(".")[0]
        if name in ("", "pyrunner"):
            raise
        return refuse(UsageError(f"exec needs the library {name!r}: run pip install 'pyrunner[server]'"))


def refuse(error: PyrunnerError) -> int:
    """Say what is wrong with YAML or usage and return the exit code."""
    click.echo(harmless_lines(f"{error}"), err=True)
    if isinstance(error, PipelineError) and error.hint:
        click.echo(harmless_lines(f"    hint: {error.hint}"), err=True)
    return REFUSED


def shown(lines: Iterable[str]) -> str:
    """Return lines for a terminal: what is in the names of a stranger's jobs does nothing there."""
    from pyrunner.cli.exec.joblog import harmless, plain

    return "\n".join(plain(harmless(one)) for one in lines)


def harmless_lines(text: str) -> str:
    """Return a message of several lines perhaps, likewise."""
    return shown(text.split("\n"))


def show(invocation: Invocation, options: Options) -> int:
    """Show the pipeline without running it.

    :raises PipelineError: for a configuration that GitLab would refuse.
    :raises UsageError: when the event cannot be told.
    """
    from pathlib import Path

    from pyrunner.cli.exec import listing
    from pyrunner.cli.exec.folders import ProjectFolder
    from pyrunner.cli.exec.lastrun import LastRun
    from pyrunner.cli.exec.prepare import prepare
    from pyrunner.snapshot.working_copy import WorkingCopy

    environ = invocation.session.environ
    copy = WorkingCopy.find(Path.cwd(), environ)
    last = LastRun.of(ProjectFolder.of(copy.top, environ))
    prepared = prepare(options, environ, copy, last.heads if last else {}, 1)
    sources = prepared.sources()
    if options.flag("preview"):
        from pyrunner.cli.exec.preview import preview

        click.echo(preview(prepared.text(sources), prepared.file, prepared.context(sources), options.inputs))
        return 0
    pipeline = prepared.compile(sources)
    if options.flag("dry-run"):
        reasons = listing.reasons(pipeline, prepared.played.basis)
        click.echo(listing.as_json(pipeline) if options.flag("json") else shown(reasons))
        return REFUSED if pipeline.refusal else 0
    if pipeline.refusal:
        return refused(pipeline)
    pipeline = selected(prepared, pipeline, last)
    if options.flag("json"):
        click.echo(listing.as_json(pipeline))
    else:
        lines = listing.graph(pipeline) if options.flag("graph") else listing.tree(pipeline)
        click.echo(shown(lines))
    return 0


def selected(prepared: Prepared, pipeline: Pipeline, last: object) -> Pipeline:
    """Return the part of the pipeline that the named jobs make up."""
    from pyrunner.cli.exec.choose import choose
    from pyrunner.cli.exec.lastrun import LastRun

    options = prepared.options
    if not options.jobs:
        return pipeline
    return choose(
        pipeline,
        options.jobs,
        with_needs=options.with_needs,
        manual=(),
        only_failed=False,
        last=last if isinstance(last, LastRun) else None,
    ).pipeline


def refused(pipeline: Pipeline) -> int:
    """Say why no pipeline comes of the event and return the exit code."""
    click.echo(pipeline.refusal, err=True)
    for one in pipeline.left_out:
        click.echo(shown([f"    {one.name}: {one.reason}"]), err=True)
    return REFUSED


COMMAND: Final = ExecCommand(
    "exec",
    run,
    FLAGS,
    help="run the pipeline of this working copy here, uncommitted changes included",
    usage="[JOB...]",
)
