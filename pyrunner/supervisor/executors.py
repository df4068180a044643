"""Which executor runs a job, and what it is made of."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pyrunner.build.context import BuildContext
from pyrunner.build.report import JobReport
from pyrunner.config.model import RunnerConfig
from pyrunner.errors import BuildError
from pyrunner.executors.base import Executor
from pyrunner.executors.shell import ShellExecutor
from pyrunner.executors.traits import DOCKER_TRAITS, SHELL_TRAITS, ExecutorTraits
from pyrunner.jobdir.control import ControlDir
from pyrunner.jobdir.journal import Journal
from pyrunner.jobdir.record import JobRecord
from pyrunner.protocol.states import FailureReason
from pyrunner.trace.rawlog import RawLog

if TYPE_CHECKING:
    from pyrunner.executors.docker.executor import DockerExecutor

logger: Final = logging.getLogger(__name__)

#: The journal's key of where workspace stages run.
_WORKSPACE: Final = "workspace"
_TRAITS: Final[Mapping[str, ExecutorTraits]] = {one.name: one for one in (SHELL_TRAITS, DOCKER_TRAITS)}


def job_traits(record: JobRecord, journal: Journal) -> ExecutorTraits:
    """Return what sets a job's executor apart before any stage runs.

    :raises BuildError: when there is no such executor.
    """
    runner = RunnerConfig.from_dict(record.runner)
    traits = _TRAITS.get(runner.executor)
    if traits is None:
        raise BuildError(f"executor {runner.executor!r} not found", FailureReason.CONFIGURATION_ERROR)
    if traits is DOCKER_TRAITS:
        return _docker_traits(runner, record, journal)
    return traits


def _docker_traits(runner: RunnerConfig, record: JobRecord, journal: Journal) -> ExecutorTraits:
    """Return the traits of a docker job, which depend on where its workspace stages run.

    That is settled once: whoever resumes the job finds its stages' files where they were.
    """
    from pyrunner.executors.docker.workspaces.choice import choose
    from pyrunner.executors.sandbox.choice import SANDBOX
    from pyrunner.executors.sandbox.interpreter import Interpreter
    from pyrunner.executors.sandbox.plan import ARCHIVES

    kind = journal.record.steps.get(_WORKSPACE)
    if kind is None:
        hooks = any(hook.script for hook in record.job.hooks)
        chosen = choose(runner, runner.builds_dir or DOCKER_TRAITS.builds_dir, hooks, os.environ)
        logger.info("workspace stages run in the %s: %s", chosen.kind, chosen.reason)
        kind = chosen.kind
        journal.end(_WORKSPACE, kind, durable=False)
    if kind == SANDBOX:
        helper = Interpreter.current().helper_command
        return replace(DOCKER_TRAITS, helper_command=helper, archives_dir=ARCHIVES, sandbox=True)
    return replace(DOCKER_TRAITS, helper_command=("gitlab-runner-helper",))


def make_executor(context: BuildContext, control: ControlDir, raw_log: RawLog, report: JobReport) -> Executor:
    """Return a fresh executor for one try to prepare the job."""
    makers: Mapping[str, Callable[[BuildContext, ControlDir, RawLog, JobReport], Executor]] = {
        SHELL_TRAITS.name: _shell,
        DOCKER_TRAITS.name: _docker,
    }
    return makers[context.traits.name](context, control, raw_log, report)


def _shell(context: BuildContext, control: ControlDir, raw_log: RawLog, report: JobReport) -> ShellExecutor:
    hooks = context.runner.pre_get_sources_script or context.runner.post_get_sources_script
    record = context.record
    return ShellExecutor(
        control=control,
        record=record,
        raw_log=raw_log,
        report=report,
        shell=context.shell,
        grace=context.runner.tristan.effective_kill_grace,
        reuse_login=not record.user and not hooks and not context.job.hooks,
    )


def _docker(context: BuildContext, control: ControlDir, raw_log: RawLog, report: JobReport) -> DockerExecutor:
    # The SDK takes 130 ms and 15 MB; jobs of other executors do without it.
    from pyrunner.executors.docker.factory import make_docker_executor
    from pyrunner.executors.docker.job import DockerJob

    job = DockerJob(
        job=context.job,
        runner=context.runner,
        record=_with_its_sources(context),
        control=control.path,
        variables=context.variables,
        flag=context.features.on,
        builds_dir=context.builds_dir,
        project_dir=context.project_dir,
        temporary_dir=context.temporary_dir,
        cache_dir=context.cache_dir,
        protected=context.protected,
        git_strategy=context.settings.git_strategy,
        debug_services=context.settings.debug_services,
        auth_config=context.settings.docker_auth_config,
        section_attempts=context.settings.executor_job_section_attempts,
    )
    sandbox = context.traits.sandbox
    home = _home(context.record)
    return make_docker_executor(job, control, raw_log, report, os.environ, home, sandbox, context.shell)


def _with_its_sources(context: BuildContext) -> JobRecord:
    """Return the record with the folder that this job builds in: an empty one where it fetches nothing.

    gitlab-runner gives such a job a volume of its own (docker-executor.md 7.3).
    """
    record = context.record
    return replace(record, source=str(record.scratch)) if context.settings.git_strategy == "none" else record


def _home(record: JobRecord) -> Path | None:
    """Return the home folder that docker's own settings are read from: that of ``--user``, or ours."""
    try:
        return Path(f"~{record.user}").expanduser()
    except RuntimeError:
        return None
