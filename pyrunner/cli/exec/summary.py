"""The end of a run: what became of each job, what failed, and where to look further."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from pyrunner.cli.exec.words import Words, seconds
from pyrunner.coordinator.pipelines.status import Status
from pyrunner.coordinator.pipelines.views import JobView


def failures(
    jobs: Sequence[JobView], tails: dict[int, list[str]], logs: dict[int, Path], words: Words
) -> Iterator[str]:
    """Yield the last lines of each failed job, and how to look further."""
    for job in jobs:
        if job.status is not Status.FAILED or job.retried:
            continue
        yield ""
        yield f"{words.sign(job)} {words.paint(job.name, '1')} {words.outcome(job)}"
        for line in tails.get(job.id, []):
            yield f"    {line}" + ("\x1b[0m" if words.colour and "\x1b" in line else "")
        if job.id in logs:
            yield words.paint(f"    whole log:  {logs[job.id]}", "2")
        if not job.triggers:
            command = f"pyrunner exec --shell-into {shlex.quote(job.name)}"
            yield words.paint(f"    look around: {command}", "2")


def table(jobs: Sequence[JobView], words: Words) -> Iterator[str]:
    """Yield one line for each job."""
    shown = [one for one in jobs if not one.retried]
    width = max((len(one.name) for one in shown), default=0)
    stages = max((len(one.stage) for one in shown), default=0)
    for job in shown:
        yield f"{words.sign(job)} {job.name:<{width}}  {job.stage:<{stages}}  {words.outcome(job)}"


def verdict(status: Status, jobs: Sequence[JobView], took: float, interrupted: bool, words: Words) -> str:
    """Return the last line."""
    shown = [one for one in jobs if not one.retried]
    warned = any(one.status is Status.FAILED and one.allow_failure for one in shown)
    waiting = [one.name for one in shown if one.status is Status.MANUAL]
    failed = [one.name for one in shown if one.failed]
    if interrupted:
        text, colour = "interrupted", "33"
    elif failed or status in (Status.FAILED, Status.CANCELED):
        text, colour = "failed" if failed or status is Status.FAILED else "canceled", "31"
    elif status is Status.MANUAL:
        text, colour = "waits for a manual job", "35"
    else:
        text, colour = "passed with warnings" if warned else "passed", "32"
    line = f"{words.paint(f'pipeline {text}', colour)} in {seconds(took)}"
    if waiting and not interrupted:
        line += f"; to play {'them' if len(waiting) > 1 else 'it'}: " + " ".join(
            f"--manual {shlex.quote(name)}" for name in waiting
        )
    return line
