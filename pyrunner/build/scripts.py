"""The script of each stage, and its title in the trace (job-execution.md 1.2)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from pyrunner.build import artifact_scripts, cache_scripts
from pyrunner.build.context import BuildContext
from pyrunner.build.exports import new_writer
from pyrunner.build.git_cleanup import write_clear_worktree
from pyrunner.build.remote_handover import find_remote_cache
from pyrunner.build.sources import write_get_sources
from pyrunner.build.user_scripts import (
    after_script_commands,
    find_step,
    write_after_script,
    write_cleanup,
    write_prepare,
    write_step,
)
from pyrunner.build.variables import RUNNING
from pyrunner.protocol.variables import VariableSet
from pyrunner.shells.bash import BashWriter
from pyrunner.system.golang import quoted

_TITLES: Final = {
    "prepare_script": "Preparing environment",
    "get_sources": "Getting source from Git repository",
    "clear_worktree": "Deleting all tracked and untracked files due to source fetch failure",
    "restore_cache": "Restoring cache",
    "download_artifacts": "Downloading artifacts",
    "after_script": "Running after_script",
    "archive_cache": "Saving cache for successful job",
    "archive_cache_on_failure": "Saving cache for failed job",
    "upload_artifacts_on_success": "Uploading artifacts for successful job",
    "upload_artifacts_on_failure": "Uploading artifacts for failed job",
    "cleanup_file_variables": "Cleaning up project directory and file based variables",
}


def stage_title(stage: str) -> str:
    """Return the visible title of a stage's section."""
    return _TITLES.get(stage) or f"Executing {quoted(stage)} stage of the job script"


def stage_script(context: BuildContext, stage: str, job_status: str = RUNNING) -> str | None:
    """Return the script of ``stage``; None when the stage has nothing to do and leaves no section.

    :param stage: section name: a key of the table above or ``step_<lower-case step name>``.
    :param job_status: ``CI_JOB_STATUS``: what after_script and the stages behind it are told.
    :raises PyrunnerError: for settings that are found wrong only here; the stage has failed then.
    """
    writer = new_writer(context)
    variables = context.variables_for(job_status)
    if (write := _FIXED.get(stage)) is not None:
        write(writer, context)
    elif stage == "cleanup_file_variables":
        write_cleanup(writer, context, variables)
    elif stage == "after_script":
        if not after_script_commands(context):
            return None
        write_after_script(writer, context, variables)
    elif (transfer := _TRANSFERS.get(stage)) is not None:
        if not transfer(writer, context, variables):
            return None
    elif (step := find_step(context, stage)) is not None:
        write_step(writer, context, step, variables)
    else:
        return None
    return writer.finish()


_FIXED: Final[dict[str, Callable[[BashWriter, BuildContext], None]]] = {
    "prepare_script": write_prepare,
    "get_sources": write_get_sources,
    "clear_worktree": write_clear_worktree,
}


_Transfer = Callable[[BashWriter, BuildContext, VariableSet], bool]


def _restore_cache(writer: BashWriter, context: BuildContext, variables: VariableSet) -> bool:
    caches = cache_scripts.caches_to_restore(context)
    if caches:
        cache_scripts.write_restore(writer, context, variables, caches, find_remote_cache(context))
    return bool(caches)


def _archive_cache(success: bool) -> _Transfer:
    def write(writer: BashWriter, context: BuildContext, variables: VariableSet) -> bool:
        caches = cache_scripts.caches_to_archive(context, success)
        if caches:
            cache_scripts.write_archive(writer, context, variables, caches, find_remote_cache(context))
        return bool(caches)

    return write


def _download_artifacts(writer: BashWriter, context: BuildContext, variables: VariableSet) -> bool:
    dependencies = artifact_scripts.artifacts_to_download(context)
    if dependencies:
        artifact_scripts.write_downloads(writer, context, variables, dependencies)
    return bool(dependencies)


def _upload_artifacts(success: bool) -> _Transfer:
    def write(writer: BashWriter, context: BuildContext, variables: VariableSet) -> bool:
        artifacts = artifact_scripts.artifacts_to_upload(context, success)
        if artifacts:
            artifact_scripts.write_uploads(writer, context, variables, artifacts)
        return bool(artifacts)

    return write


_TRANSFERS: Final[dict[str, _Transfer]] = {
    "restore_cache": _restore_cache,
    "download_artifacts": _download_artifacts,
    "archive_cache": _archive_cache(True),
    "archive_cache_on_failure": _archive_cache(False),
    "upload_artifacts_on_success": _upload_artifacts(True),
    "upload_artifacts_on_failure": _upload_artifacts(False),
}
