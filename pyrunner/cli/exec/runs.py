"""Runs jobs: takes the snapshot, compiles, chooses, runs a session, and says what came of it."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO, cast

import click

from pyrunner.cli.exec.choose import choose, named_jobs
from pyrunner.cli.exec.command import refused
from pyrunner.cli.exec.display import Display, JSONDisplay, LineDisplay, QuietDisplay, as_plain, harmless_view
from pyrunner.cli.exec.folders import RUN_LOCK, Lane, ProjectFolder
from pyrunner.cli.exec.joblog import harmless, plain
from pyrunner.cli.exec.junit import write_junit
from pyrunner.cli.exec.keep import keep_artifacts, keep_logs
from pyrunner.cli.exec.lastrun import LastRun
from pyrunner.cli.exec.options import Options
from pyrunner.cli.exec.output import Output
from pyrunner.cli.exec.prepare import Prepared, for_snapshot, prepare
from pyrunner.cli.exec.runners import Executors, lent_settings
from pyrunner.cli.exec.session import Outcome, Plan, Session, clean_up, summary_of
from pyrunner.cli.exec.summary import failures, table, verdict
from pyrunner.cli.exec.words import Words, seconds
from pyrunner.cli.group import Invocation
from pyrunner.coordinator.pipelines.creation import Origin
from pyrunner.snapshot.take import Snapshot, cut_history, open_store, publish, take_snapshot
from pyrunner.snapshot.working_copy import WorkingCopy
from pyrunner.system.lock import OpenFileLock
from pyrunner.system.logs import configure_logging, current_settings

PASSED, FAILED, INTERRUPTED = 0, 1, 130


def run_jobs(invocation: Invocation, options: Options) -> int:
    """Run what was asked for; return the exit code.

    :raises PyrunnerError: when it cannot be run.
    """
    if options.text("shell-into"):
        from pyrunner.cli.exec.shell_into import shell_into

        return shell_into(invocation, options)
    if options.flag("watch"):
        from pyrunner.cli.exec.watch import watch

        return watch(invocation, options, lambda: run_once(invocation, options))
    return run_once(invocation, options)


def run_once(invocation: Invocation, options: Options) -> int:
    """Run the pipeline once; return the exit code.

    :raises PyrunnerError: when it cannot be run.
    """
    words = Words(has_colour(invocation.session.environ) and not options.flag("json"))
    with planned(invocation, options, words) as plan:
        if isinstance(plan, int):
            return plan
        display = make_display(options, words)
        with runner_log(options, plan.folder):
            try:
                outcome = Session(plan, display).run()
            finally:
                display.close()
        return report(invocation, plan, outcome, display, words)


@contextmanager
def planned(invocation: Invocation, options: Options, words: Words) -> Iterator[Plan | int]:
    """Yield what is to be run, or the exit code when nothing comes of it; cleans up behind it.

    :raises PyrunnerError: when it cannot be run.
    """
    environ = invocation.session.environ
    copy = WorkingCopy.find(Path.cwd(), environ)
    project = ProjectFolder.of(copy.top, environ)
    last = LastRun.of(project)
    folder = project.new_run()
    lock = OpenFileLock.take(folder / RUN_LOCK)
    lane: Lane | None = None
    try:
        prepared = prepare(options, environ, copy, last.heads if last else {}, int(folder.name))
        store = open_store(copy, folder / "repository")
        revision = prepared.played.revision
        taken = Snapshot(revision, "", False, 0.0) if revision else take_snapshot(copy, store)
        event = for_snapshot(prepared.played.event, taken.sha)
        publish(store, event, taken.sha)
        cut_history(copy, store, taken.sha)
        pipeline = prepared.compile(prepared.commit_sources(store, taken.sha), event)
        if pipeline.refusal:
            yield refused(pipeline)
            return
        chosen = choose(
            pipeline,
            options.jobs,
            with_needs=options.with_needs,
            manual=options.values["manual"],
            only_failed=options.flag("only-failed"),
            last=last,
        )
        executors = Executors(options.text("executor"), options.text("docker-image"), environ)
        used = executors.all_of(chosen.pipeline)
        lane = project.take_lane(executors.bridge(used))
        plan = Plan(
            options=options,
            chosen=chosen,
            origin=Origin(event.project.path, taken.sha, prepared.played.changed),
            folder=folder,
            repository=folder / "repository",
            git_directory=copy.common,
            lane=lane,
            used=used,
            executors=executors,
            lent=lent_settings(options.text("config"), environ),
            environ=environ,
            elsewhere=prepared.elsewhere,
        )
        _announce(prepared, plan, taken, words)
        yield plan
    finally:
        clean_up(folder, options.flag("keep"))
        if lock is not None:
            lock.close()
        if lane is not None:
            lane.close()


def _announce(prepared: Prepared, plan: Plan, taken: Snapshot, words: Words) -> None:
    options = plan.options
    for finding in plan.chosen.pipeline.warnings:
        place = ":".join(str(one) for one in finding.position if one)
        message = plain(harmless(f"warning: {place}: {finding.message}"))
        click.echo(words.paint(message, "33"), err=True)
    if options.flag("quiet") or options.flag("json"):
        return
    event = plan.chosen.pipeline.event
    what = "uncommitted changes included" if taken.changed else "nothing uncommitted"
    if prepared.played.revision:
        what = "as committed"
    elif (ref := options.text("ref") or options.text("tag")) and ref != prepared.copy.branch:
        what += f"; there is no {ref} here, so it is played with what is checked out"
    line = f"{event.project.path} {event.ref} {event.commit.sha[:8]} ({event.source}, {what})"
    click.echo(words.paint(f"{line}, snapshot in {seconds(taken.seconds)}", "2"))


def make_display(options: Options, words: Words) -> Display:
    """Return what shows the run: by the options, and by what standard output is."""
    output = Output(sys.stdout)
    write = output.line
    everything = options.flag("verbose")
    if options.flag("json"):
        return JSONDisplay(write, words, everything)
    if options.flag("quiet"):
        return QuietDisplay(write, words)
    if sys.stdout.isatty() and not everything and os.environ.get("TERM", "") not in ("", "dumb"):
        from rich.console import Console

        from pyrunner.cli.exec.live import LiveDisplay

        console = Console(file=cast("TextIO", output), highlight=False, no_color=not words.colour)
        return LiveDisplay(console, words)
    return LineDisplay(write, words, everything)


def has_colour(environ: Mapping[str, str]) -> bool:
    """Tell whether to paint: on a terminal, unless ``NO_COLOR`` says not to."""
    return sys.stdout.isatty() and not environ.get("NO_COLOR")


@contextmanager
def runner_log(options: Options, folder: Path) -> Iterator[None]:
    """Have the runner's own log in a file, or on standard error when everything is to be seen."""
    log_format, level = current_settings()
    if options.flag("verbose"):
        yield
        return
    with (folder / "runner.log").open("w", encoding="utf-8") as file:
        configure_logging("text", level, file)
        try:
            yield
        finally:
            configure_logging(log_format, level)


def report(invocation: Invocation, plan: Plan, outcome: Outcome, display: Display, words: Words) -> int:
    """Keep and say what came of a run; return the exit code.

    :raises UsageError: when a file that was asked for cannot be written.
    """
    options = plan.options
    project = ProjectFolder(plan.folder.parent.parent)
    logs = keep_logs(plan.folder, outcome.jobs, outcome.records)
    targets = [plan.folder / "artifacts"]
    if options.text("artifacts"):
        targets.append(Path(options.text("artifacts")).absolute())
    artifacts, complaints = keep_artifacts(plan.folder, outcome.jobs, outcome.records, targets)
    last = LastRun.of(project)
    heads = {
        **(last.heads if last else {}),
        plan.chosen.pipeline.event.ref: plan.chosen.pipeline.event.commit.sha,
    }
    project.finish_run(plan.folder, summary_of(outcome, artifacts, heads), options.flag("keep"))
    tails = {job.id: display.tail(job.id) for job in outcome.jobs}
    if options.text("junit"):
        write_junit(Path(options.text("junit")), plan.origin.project, outcome.jobs, tails)
    code = INTERRUPTED if outcome.interrupted else PASSED if outcome.passed else FAILED
    if isinstance(display, JSONDisplay):
        jobs = [as_plain(one) for one in outcome.jobs if not one.retried]
        folder = str(plan.folder)
        display.event("result", status=str(outcome.status), exit_code=code, folder=folder, jobs=jobs)
        return code
    jobs_shown = [harmless_view(job) for job in outcome.jobs]
    lines = list(failures(jobs_shown, {} if options.flag("verbose") else tails, logs, words))
    if not outcome.interrupted:
        click.echo("\n".join(lines), nl=bool(lines))
    click.echo()
    click.echo("\n".join(table(jobs_shown, words)))
    names = [job.name for job in outcome.jobs]
    complaints += [
        f"--manual {one}: no such job" for one in options.values["manual"] if not named_jobs(names, one)
    ]
    for complaint in (*complaints, *outcome.violations):
        logging.getLogger(__name__).warning("%s", complaint)
    if artifacts:
        click.echo(words.paint(f"artifacts:  {plan.folder / 'artifacts'}", "2"))
    click.echo(words.paint(f"logs:       {plan.folder / 'logs'}", "2"))
    click.echo(verdict(outcome.status, jobs_shown, outcome.took, outcome.interrupted, words))
    return code
