"""Which caches and artifacts a stage has to deal with (job-execution.md 1.2, 7, 8).

Moving them is not offered in this version: each stage that would have something to do says so for
each entry, and succeeds.
"""

from __future__ import annotations

import posixpath

from pyrunner.build.context import BuildContext
from pyrunner.build.exports import export_variables
from pyrunner.protocol.job import ArtifactSpec, CacheSpec, Dependency
from pyrunner.protocol.variables import VariableSet
from pyrunner.shells.bash import BashWriter

_ON_SUCCESS = ("", "on_success", "always")
_ON_FAILURE = ("on_failure", "always")


def caches_to_restore(context: BuildContext) -> list[CacheSpec]:
    """Return the cache entries that name anything."""
    return [one for one in context.job.cache if one.paths or one.untracked]


def caches_to_archive(context: BuildContext, success: bool) -> list[CacheSpec]:
    """Return the cache entries that name anything and are saved after this outcome."""
    wanted = _ON_SUCCESS if success else _ON_FAILURE
    return [one for one in caches_to_restore(context) if one.when in wanted]


def artifacts_to_download(context: BuildContext) -> list[Dependency]:
    """Return the dependencies that have an archive."""
    return [one for one in context.job.dependencies if one.artifacts_file.filename]


def artifacts_to_upload(context: BuildContext, success: bool) -> list[ArtifactSpec]:
    """Return the artifact entries that name anything and are uploaded after this outcome."""
    if not context.runner.url:
        return []
    wanted = _ON_SUCCESS if success else _ON_FAILURE
    named = [one for one in context.job.artifacts if one.paths or one.exclude or one.untracked]
    return [one for one in named if one.when in wanted]


def cache_key(context: BuildContext, cache: CacheSpec) -> str:
    """Return the key as the user knows it: expanded, ``<job name>/<ref>`` when empty."""
    if cache.key:
        return context.variables.expand_value(cache.key)
    path = posixpath.normpath(f"/{context.job.job_info.name}/{context.job.git_info.ref}")
    return path.lstrip("/")


def write_unavailable(
    writer: BashWriter, context: BuildContext, variables: VariableSet, sentences: list[str]
) -> None:
    """Write a stage that only says what it does not do."""
    export_variables(writer, context, variables)
    writer.change_directory(context.project_dir)
    for sentence in sentences:
        writer.warning(f"{sentence}: not available in this version yet")
