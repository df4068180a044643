"""Folders of a job as its environment sees them (job-execution.md 2.1, 2.2; tristan-layout.md 2)."""

from __future__ import annotations

import posixpath
from urllib.parse import unquote, urlsplit

from pyrunner.build.settings import read_settings
from pyrunner.build.variables import JobPlaces, VariableSources
from pyrunner.config.model import RunnerConfig
from pyrunner.errors import BuildError
from pyrunner.executors.docker.storage.volume_plan import is_shared_builds_dir
from pyrunner.executors.traits import ExecutorTraits
from pyrunner.jobdir.names import safe_name
from pyrunner.jobdir.record import JobRecord
from pyrunner.protocol.job import Job
from pyrunner.protocol.states import FailureReason
from pyrunner.system.golang import quoted


def find_places(
    record: JobRecord, job: Job, runner: RunnerConfig, traits: ExecutorTraits, sources: VariableSources
) -> JobPlaces:
    """Return the folders of a job.

    On this host the builds directory is the ``source`` folder of the job's ref, the work tree a folder in
    it that is called like the project. Containers have that folder as ``/builds``, and the work tree where
    gitlab-runner has it.

    :raises BuildError: when a folder is not configured or ``GIT_CLONE_PATH`` is not allowed.
    """
    builds = (runner.builds_dir or traits.builds_dir) if traits.builds_dir else record.source
    for name, value in (("builds_dir", builds), ("cache_dir", record.cache)):
        if not value:
            raise BuildError(f"the {name} is not configured", FailureReason.CONFIGURATION_ERROR)
    settings, _ = read_settings(sources.for_resolution(JobPlaces(builds)), job)
    suffix = "-empty" if settings.git_strategy == "empty" else ""
    if settings.git_clone_path:
        project = _custom(settings.git_clone_path, builds, runner, traits)
    elif traits.builds_dir:
        shared = _is_shared(builds, runner, sources)
        owner = (runner.short_token, str(record.concurrent_project_id)) if shared else ()
        project = posixpath.join(builds, *owner, project_slug(job) + suffix)
    else:
        project = posixpath.join(builds, project_folder(job) + suffix)
    # Archives are safe to share: only the host has a second folder for them, as gitlab-runner has.
    return JobPlaces(builds, project, traits.archives_dir or record.cache + suffix)


def project_slug(job: Job) -> str:
    """Return the path of a project below a container's builds directory: that of its repository (2.1)."""
    try:
        parts = urlsplit(job.git_info.repo_url)
    except ValueError:
        parts = urlsplit("")
    path = posixpath.normpath("/" + unquote(parts.path).lstrip("/")).removesuffix(".git").strip("/")
    if (not parts.netloc and parts.scheme != "file") or ".." in path or not path:
        return f"project-{job.job_info.project_id}"
    return path


def project_folder(job: Job) -> str:
    """Return the folder name of a project: the last segment of its repository's path.

    It comes from the repository's URL, which no variable of the job can change.
    """
    try:
        parts = urlsplit(job.git_info.repo_url)
    except ValueError:
        parts = urlsplit("")
    path = posixpath.normpath(unquote(parts.path).removesuffix(".git"))
    name = posixpath.basename(path)
    if (not parts.netloc and parts.scheme != "file") or ".." in path or name in ("", "."):
        return f"project-{job.job_info.project_id}"
    return safe_name(name)


def _is_shared(builds: str, runner: RunnerConfig, sources: VariableSources) -> bool:
    """Tell whether jobs of other runners may build in the same folder: config brings it from the host."""
    volumes = runner.docker.volumes if runner.docker is not None else []
    return is_shared_builds_dir(builds, volumes, sources.for_resolution(JobPlaces(builds)).expand_value)


def _custom(path: str, builds_dir: str, runner: RunnerConfig, traits: ExecutorTraits) -> str:
    enabled = runner.custom_build_dir.enabled
    if not (traits.custom_build_dir if enabled is None else enabled):
        raise BuildError(
            "setting GIT_CLONE_PATH is not allowed, enable `custom_build_dir` feature",
            FailureReason.CONFIGURATION_ERROR,
        )
    if posixpath.isabs(path) != posixpath.isabs(builds_dir):
        raise BuildError(
            f"Rel: can't make {path} relative to {builds_dir}", FailureReason.CONFIGURATION_ERROR
        )
    if "\0" in path or posixpath.relpath(path, builds_dir).startswith(".."):
        raise BuildError(
            f"the GIT_CLONE_PATH={quoted(path)} has to be within {quoted(builds_dir)}",
            FailureReason.CONFIGURATION_ERROR,
        )
    return posixpath.normpath("/" + path.lstrip("/") if path.startswith("//") else path)
