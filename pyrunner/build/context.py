"""Everything the stages of one job need to know, worked out once at its start."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from pyrunner.build.features import Features, resolve_features
from pyrunner.build.git_remote import GitRemote
from pyrunner.build.inputs import interpolate_inputs
from pyrunner.build.places import find_places
from pyrunner.build.settings import BuildSettings, read_settings
from pyrunner.build.variables import RUNNING, JobPlaces, VariableSources
from pyrunner.config.model import RunnerConfig
from pyrunner.errors import BuildError
from pyrunner.executors.traits import ExecutorTraits
from pyrunner.jobdir.record import JobRecord
from pyrunner.protocol.job import Job
from pyrunner.protocol.states import FailureReason
from pyrunner.protocol.variables import Variable, VariableSet, is_file_name
from pyrunner.system.golang import quoted

#: Shells that stage scripts can be written for.
SHELLS: Final = ("bash", "sh")


class PrepareRefused(BuildError):
    """No executor can be prepared for this job.

    :param context: good for header, warnings, trace options and masks; it has no folders, hence no scripts.
    """

    def __init__(self, cause: BuildError, context: BuildContext) -> None:
        super().__init__(str(cause), cause.failure_reason, cause.exit_code)
        self.context = context


@dataclass(frozen=True)
class BuildContext:
    """One job as its stages see it; nothing in it changes while the job runs."""

    record: JobRecord
    #: The payload, job inputs interpolated.
    job: Job
    runner: RunnerConfig
    traits: ExecutorTraits
    features: Features
    settings: BuildSettings
    #: For the trace: one ``WARNING:`` block, joined with newlines (1.1 step 10).
    setting_warnings: list[str]
    #: Expanded, ``CI_JOB_STATUS`` is ``running``.
    variables: VariableSet
    #: What the variables were made from.
    sources: VariableSources
    places: JobPlaces
    #: This machine's name where the executor shows it, else empty.
    host_name: str = ""
    #: Where prepare_script leaves environment, umask and folder of its login shell; see
    #: :mod:`pyrunner.shells.login_dump`.
    login_dump: str | None = None

    @classmethod
    def create(cls, record: JobRecord, traits: ExecutorTraits, login_dump: str | None = None) -> BuildContext:
        """Work out everything from the job record.

        :raises PrepareRefused: found when the executor is prepared, header and warnings being out.
        :raises BuildError: job inputs that cannot be interpolated: nothing is printed before.
        :raises PayloadError: a payload that does not decode.
        """
        runner = RunnerConfig.from_dict(record.runner)
        job = _interpolated(record, record.job, runner, traits)
        sources = _sources(record, job, runner, traits)
        places, refusal = JobPlaces(), _refusal(job, runner, traits)
        if refusal is None:
            try:
                places = find_places(record, job, runner, traits, sources)
            except BuildError as error:
                refusal = error
        resolution = sources.for_resolution(places)
        settings, warnings = read_settings(resolution, job, runner.debug_trace_disabled)
        features, flag_warnings = resolve_features(runner.feature_flags, resolution)
        context = cls(
            record=record,
            job=job,
            runner=runner,
            traits=traits,
            features=features,
            settings=settings,
            setting_warnings=[*warnings, *flag_warnings, *flag_warnings],
            variables=sources.all_variables(places, features),
            sources=sources,
            places=places,
            host_name=socket.gethostname() if traits.shows_host_name else "",
            login_dump=login_dump,
        )
        if refusal is not None:
            raise PrepareRefused(refusal, context)
        return context

    def variables_for(self, job_status: str) -> VariableSet:
        """Return the variables with another ``CI_JOB_STATUS``.

        It is ``success``, ``failed``, ``canceled`` or ``timedout``; the stages from after_script on see
        it. Values that refer to it keep what they were expanded to, and a variable of that name from the
        payload stays the last word.
        """
        if job_status == RUNNING:
            return self.variables
        return self.variables.with_first(Variable("CI_JOB_STATUS", job_status))

    @property
    def builds_dir(self) -> str:
        """``CI_BUILDS_DIR``."""
        return self.places.builds_dir

    @property
    def project_dir(self) -> str:
        """The work tree; ``CI_PROJECT_DIR`` unless the job overrides that variable."""
        return self.places.project_dir

    @property
    def temporary_dir(self) -> str:
        """``RUNNER_TEMP_PROJECT_DIR``."""
        return self.places.temporary_dir

    @property
    def cache_dir(self) -> str:
        """Folder of this project's cache archives."""
        return self.places.cache_dir

    @property
    def shell(self) -> str:
        """The shell of the stages: ``bash`` or ``sh``."""
        return self.runner.shell or self.traits.default_shell

    @property
    def cleans_git_config(self) -> bool:
        """Config and hooks of ``.git`` are removed around the job (4.3)."""
        configured = self.runner.clean_git_config
        if configured is not None:
            return configured
        return self.traits.clean_git_config and self.settings.git_strategy != "none"

    @property
    def marks_safe_directory(self) -> bool:
        """The project folder is added to git's ``safe.directory`` (2.1)."""
        configured = self.runner.safe_directory_checkout
        return self.traits.safe_directory if configured is None else configured

    @property
    def protected(self) -> bool:
        """The job's ref is protected (7.6): the payload says so, else the first CI_COMMIT_REF_PROTECTED."""
        stated = self.job.git_info.protected
        return self.variables.first_is_true("CI_COMMIT_REF_PROTECTED") if stated is None else stated

    @property
    def mask_phrases(self) -> list[str]:
        """Values that must not show in the trace (6.5), as they are: the masker trims and sorts them."""
        return self.variables.masked_values()

    @cached_property
    def remote(self) -> GitRemote:
        """Where the sources come from."""
        variables = self.variables
        return GitRemote(
            clone_url=self.runner.clone_url,
            server_url=self.runner.url,
            repo_url=self.job.git_info.repo_url,
            project_path=variables.value("CI_PROJECT_PATH"),
            token=self.job.token,
            authenticated=not self.features.on("FF_GIT_URLS_WITHOUT_TOKENS"),
            force_https=self.settings.git_submodule_force_https,
            server_host=variables.value("CI_SERVER_HOST"),
            ssh_host=variables.value("CI_SERVER_SHELL_SSH_HOST"),
            ssh_port=variables.value("CI_SERVER_SHELL_SSH_PORT"),
        )


def _sources(record: JobRecord, job: Job, runner: RunnerConfig, traits: ExecutorTraits) -> VariableSources:
    return VariableSources(
        job=job,
        runner=runner,
        traits=traits,
        concurrent_id=record.executor_id - 1,
        concurrent_project_id=record.concurrent_project_id,
        tls=record.tls,
    )


def _interpolated(record: JobRecord, job: Job, runner: RunnerConfig, traits: ExecutorTraits) -> Job:
    """Return the job with its inputs in place (1.1 step 3); the flag is read before any folder is known."""
    if not job.inputs:
        return job
    resolution = _sources(record, job, runner, traits).for_resolution(JobPlaces())
    features, _ = resolve_features(runner.feature_flags, resolution)
    return interpolate_inputs(job) if features.on("FF_ENABLE_JOB_INPUTS_INTERPOLATION") else job


def _refusal(job: Job, runner: RunnerConfig, traits: ExecutorTraits) -> BuildError | None:
    """Return why no executor can be prepared for this job, as far as folders do not matter."""
    shell = runner.shell or traits.default_shell
    if shell not in SHELLS:
        return BuildError(
            f"the shell {quoted(shell)} is not supported: "
            f"set `shell` to {' or '.join(SHELLS)} in config.toml",
            FailureReason.CONFIGURATION_ERROR,
        )
    if job.secrets:
        return BuildError(
            "the job needs `secrets:` from an external provider, and no secrets resolver is available "
            "in this version: pass the values as masked CI/CD variables",
            FailureReason.CONFIGURATION_ERROR,
        )
    hostile = next((one.key for one in job.variables if one.file and not is_file_name(one.key)), None)
    if hostile is not None:
        return BuildError(
            f"the file variable {quoted(hostile)} cannot be a file of that name: rename the variable",
            FailureReason.CONFIGURATION_ERROR,
        )
    return None
