"""``--shell-into JOB``: the job up to its script, and then a shell where that would run.

The job takes the way of all jobs: sources, cache and artifacts are fetched, its container and services run.
Instead of its script, it runs one that writes down its environment and waits until the shell is left.
"""

from __future__ import annotations

import secrets
import shlex
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import click

from pyrunner.ci.checks.entry import flat_strings
from pyrunner.ci.plan import PlannedJob
from pyrunner.ci.tree import Map
from pyrunner.cli.exec.display import Display
from pyrunner.cli.exec.joblog import LogLine, plain
from pyrunner.cli.exec.options import Options
from pyrunner.cli.exec.runs import INTERRUPTED, PASSED, has_colour, planned, runner_log
from pyrunner.cli.exec.session import Plan, Session
from pyrunner.cli.exec.words import Words
from pyrunner.cli.group import Invocation
from pyrunner.coordinator.pipelines.views import JobView
from pyrunner.errors import UsageError

_FAILED: Final = 1
_JOB_LABEL: Final = "com.gitlab.gitlab-runner.job.id"
_ROLE: Final = "com.pyrunner.role=build"


def shell_into(invocation: Invocation, options: Options) -> int:
    """Open the shell; return 0 when it was reached, whatever its own end.

    :raises PyrunnerError: when the job cannot be prepared.
    """
    name = options.text("shell-into")
    words = Words(has_colour(invocation.session.environ))
    with planned(invocation, replace(options, jobs=(name,)), words) as plan:
        if isinstance(plan, int):
            return plan
        job = _the_job(plan, name)
        nonce = secrets.token_hex(8)
        changed = _with_waiting_script(plan, job, nonce)
        visit = Visit(job, nonce, plan.executors.of(job))
        display = ShellDisplay(words, visit)
        with runner_log(options, plan.folder):
            outcome = Session(changed, display).run()
        visit.join()
        if outcome.interrupted:
            return INTERRUPTED
        if visit.opened:
            return PASSED
        failed = [one for one in outcome.jobs if one.failed] or list(outcome.jobs)
        for one in failed:
            click.echo(f"{words.sign(one)} {one.name}: {words.outcome(one)}", err=True)
            for line in display.tail(one.id):
                click.echo(f"    {line}", err=True)
        return _FAILED


def _the_job(plan: Plan, name: str) -> PlannedJob:
    wanted = [one for one in plan.chosen.pipeline.jobs if one.name in plan.chosen.auto_play]
    if len(wanted) != 1:
        raise UsageError(f"{name} is several jobs; say which: " + ", ".join(one.name for one in wanted))
    if wanted[0].trigger is not None:
        raise UsageError(f"{name} runs no script: it triggers another pipeline")
    return wanted[0]


def waiting_script(nonce: str) -> list[str]:
    """Return what runs instead of the job's script; plain ``sh``, as its image may have no more."""
    folder = f'"${{TMPDIR:-/tmp}}/pyrunner-shell-{nonce}"'
    return [
        f"pyrunner_shell={folder}",
        '(umask 077; mkdir "$pyrunner_shell" && export -p > "$pyrunner_shell/env" && '
        'pwd > "$pyrunner_shell/pwd")',
        f'printf "%s %s\\n" "pyrunner-shell-{nonce}" "$pyrunner_shell"',
        'while [ -d "$pyrunner_shell" ]; do sleep 0.2 2> /dev/null || sleep 1; done',
    ]


def _with_waiting_script(plan: Plan, job: PlannedJob, nonce: str) -> Plan:
    """Return the plan with the job changed: nothing of the visit is kept as its result."""
    options = job.options.clone()
    options["script"] = waiting_script(nonce)
    options["after_script"] = options["artifacts"] = None
    options["cache"] = _only_pulled(options.get("cache"))
    made = replace(job, options=options, allow_failure=False, exit_codes=(), timeout=24 * 3600)
    jobs = tuple(made if one.name == job.name else one for one in plan.chosen.pipeline.jobs)
    return replace(plan, chosen=replace(plan.chosen, pipeline=replace(plan.chosen.pipeline, jobs=jobs)))


def _only_pulled(caches: object) -> object:
    if isinstance(caches, Map):
        pulled = caches.clone()
        pulled["policy"] = "pull"
        return pulled
    if isinstance(caches, list):
        return [_only_pulled(one) for one in caches]
    return caches


class Visit:
    """The shell itself, in a thread beside the manager's loop."""

    def __init__(
        self,
        job: PlannedJob,
        nonce: str,
        executor: str,
        call: Callable[[Sequence[str]], int] = subprocess.call,
    ) -> None:
        self._job = job
        self._marker = f"pyrunner-shell-{nonce}"
        self._executor = executor
        self._call = call
        self._thread: threading.Thread | None = None
        self.opened = False
        self.failure = ""

    def saw(self, job: JobView, text: str) -> None:
        """Take a line of the job's output: one of them says that all is ready."""
        found, _, folder = text.partition(" ")
        if job.name == self._job.name and found == self._marker and folder and self._thread is None:
            self._thread = threading.Thread(target=self._open, args=(job.id, folder), name="shell")
            self._thread.start()

    def join(self) -> None:
        """Wait until the shell is left, if there is one."""
        if self._thread is not None:
            self._thread.join()

    def _open(self, job_id: int, folder: str) -> None:
        self._greet()
        if self._executor == "docker":
            self._in_container(job_id, folder)
        else:
            self._on_host(Path(folder))

    def _greet(self) -> None:
        click.echo(f"\nYou are where {self._job.name} would run its script:\n")
        for line in script_of(self._job):
            for part in line.splitlines():
                click.echo(f"    {part}")
        click.echo("\nexit leaves.\n")

    def _on_host(self, folder: Path) -> None:
        start = folder / "rc"
        environment, place = (shlex.quote(str(folder / name)) for name in ("env", "pwd"))
        start.write_text(f'. {environment}\ncd "$(cat {place})"\n')
        self.opened = True
        try:
            self._call(["bash", "--rcfile", str(start), "-i"])
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _in_container(self, job_id: int, folder: str) -> None:
        """Use docker's own client: it knows how to pass a terminal on."""
        quoted = shlex.quote(folder)
        enter = f'. {quoted}/env; cd "$(cat {quoted}/pwd)"; command -v bash > /dev/null && exec bash -i; '
        enter += "exec sh -i"
        terminal = "-it" if sys.stdin.isatty() else "-i"
        for container in _containers(job_id):
            if self._call(["docker", "exec", container, "test", "-d", folder]) == 0:
                self.opened = True
                self._call(["docker", "exec", terminal, container, "sh", "-c", enter])
                self._call(["docker", "exec", container, "rm", "-rf", folder])
                return
        click.echo("the job's container cannot be entered; is the docker client installed?", err=True)


def _containers(job_id: int) -> list[str]:
    filters = ("--filter", f"label={_JOB_LABEL}={job_id}", "--filter", f"label={_ROLE}")
    try:
        done = subprocess.run(["docker", "ps", "-q", *filters], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return []
    return done.stdout.split()


def script_of(job: PlannedJob) -> list[str]:
    """Return the lines that the job would run."""
    parts = (flat_strings(job.options.get(key) or []) or [] for key in ("before_script", "script"))
    return [line for part in parts for line in part]


class ShellDisplay(Display):
    """Says what happens until the shell opens, on standard error; then nothing."""

    def __init__(self, words: Words, visit: Visit) -> None:
        super().__init__(lambda text: click.echo(text, err=True), words)
        self._visit = visit

    def job(self, job: JobView) -> None:
        """Say what a job does."""
        if not self._visit.opened:
            self._write(f"{self._words.sign(job)} {job.name}: {self._words.outcome(job)}")

    def line(self, job: JobView, line: LogLine) -> None:
        """Look for the line that says that all is ready."""
        self._visit.saw(job, plain(line.text))
