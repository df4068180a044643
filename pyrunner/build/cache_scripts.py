"""The scripts of restore_cache and archive_cache (job-execution.md 7.2, 7.3).

Neither fails because of a cache: what is missing or broken is said, and the job goes on.
"""

from __future__ import annotations

import json
from typing import Final

from pyrunner.build.cache_keys import CacheKey, CacheKeys, UnusableKey
from pyrunner.build.context import BuildContext
from pyrunner.build.exports import export_variables
from pyrunner.build.helper_call import guarded
from pyrunner.build.remote_handover import Handover, RemoteCache
from pyrunner.errors import PyrunnerError
from pyrunner.protocol.job import CacheSpec
from pyrunner.protocol.variables import VariableSet
from pyrunner.shells.bash import BashWriter
from pyrunner.shells.dotenv import write_dotenv
from pyrunner.shells.quoting import Assignment, Word
from pyrunner.system.golang import quoted

#: File in the temp dir with the credentials of one cache command (2.4).
CACHE_ENV_FILE: Final = "gitlab_runner_cache_env"

_ON_SUCCESS: Final = ("", "on_success", "always")
_ON_FAILURE: Final = ("on_failure", "always")
_BLOCKED_FALLBACK: Final = "-protected"


def caches_to_restore(context: BuildContext) -> list[CacheSpec]:
    """Return the cache entries that name anything."""
    return [one for one in context.job.cache if one.paths or one.untracked]


def caches_to_archive(context: BuildContext, success: bool) -> list[CacheSpec]:
    """Return the cache entries that name anything and are saved after this outcome."""
    wanted = _ON_SUCCESS if success else _ON_FAILURE
    return [one for one in caches_to_restore(context) if one.when in wanted]


def write_restore(
    writer: BashWriter,
    context: BuildContext,
    variables: VariableSet,
    caches: list[CacheSpec],
    remote: RemoteCache | None,
) -> None:
    """Write the script that restores ``caches``.

    :raises PyrunnerError: for a policy that is none; the stage has failed then.
    """
    export_variables(writer, context, variables)
    writer.change_directory(context.project_dir)
    script = _CacheScript(writer, context, variables, remote)
    for one in caches:
        script.restore(one)


def write_archive(
    writer: BashWriter,
    context: BuildContext,
    variables: VariableSet,
    caches: list[CacheSpec],
    remote: RemoteCache | None,
) -> None:
    """Write the script that saves ``caches``.

    :raises PyrunnerError: for a policy that is none; the stage has failed then.
    """
    export_variables(writer, context, variables)
    writer.change_directory(context.project_dir)
    script = _CacheScript(writer, context, variables, remote)
    for one in caches:
        script.archive(one)


class _CacheScript:
    """The caches of one stage."""

    def __init__(
        self, writer: BashWriter, context: BuildContext, variables: VariableSet, remote: RemoteCache | None
    ) -> None:
        self._writer = writer
        self._context = context
        self._variables = variables
        self._remote = remote
        self._keys = CacheKeys(context, variables, writer.warning)
        self._timeout = ("--timeout", str(context.settings.cache_request_timeout))

    # ---- restore

    def restore(self, cache: CacheSpec) -> None:
        """Write one entry of restore_cache."""
        try:
            key = self._keys.find(cache.key)
        except UnusableKey as error:
            self._skipped("extraction", error)
            return
        assert key is not None
        if not self._policy(cache, key, "pull"):
            self._writer.notice(f"Not downloading cache {key.shown} due to policy")
            return
        candidates = [key, *self._fallbacks(cache)]
        with guarded(self._writer, self._context, "Extracting cache") as helper:
            self._extract(helper, candidates, cache.paths)

    def _fallbacks(self, cache: CacheSpec) -> list[CacheKey]:
        # Expanded here and, as a key, once more.
        wanted = [(self._variables.expand_value(one), False) for one in cache.fallback_keys]
        wanted.append((self._variables.value("CACHE_FALLBACK_KEY"), True))
        found = []
        for text, from_variable in wanted:
            if not text:
                continue
            try:
                key = self._keys.find(text, self._unprotected if from_variable else None)
            except UnusableKey as error:
                self._skipped("extraction", error)
                continue
            if key is not None:
                found.append(key)
        return found

    def _unprotected(self, key: str) -> bool:
        """Tell whether a job may name this key by a variable, which everybody who starts it can set (7.6)."""
        allowed = not key.rstrip(". ").endswith(_BLOCKED_FALLBACK)
        if not allowed:
            self._writer.warning(
                f"CACHE_FALLBACK_KEY {quoted(key)} not allowed to end in {quoted(_BLOCKED_FALLBACK)}"
            )
        return allowed

    def _extract(self, helper: tuple[str, ...], candidates: list[CacheKey], paths: list[str]) -> None:
        """Write the try of the first candidate, and within its failure those of the others."""
        key, *others = candidates
        self._writer.notice(f"Checking cache for {key.shown}...")
        handover = self._download(key)
        arguments: list[Word] = [*helper, "cache-extractor", "--file", key.file, *self._timeout]
        arguments += [*handover.flags, *self._environment(handover)]
        with self._writer.if_command(*arguments, output=True):
            self._writer.notice("Successfully extracted cache")
            self._writer.otherwise()
            self._writer.warning("Failed to extract cache")
            if self._context.features.on("FF_CLEAN_UP_FAILED_CACHE_EXTRACT"):
                for path in paths:
                    self._writer.message(f"Removing {path}")
                    self._writer.remove_directory(path)
            if others:
                self._extract(helper, others, paths)
        self._forget(handover)

    def _download(self, key: CacheKey) -> Handover:
        if self._remote is None:
            return Handover()
        try:
            return self._remote.download(key.stored, key.alternate)
        except PyrunnerError as error:
            self._writer.warning(f"Failed to obtain environment for cache {key.shown}: {error}")
            return Handover()

    # ---- archive

    def archive(self, cache: CacheSpec) -> None:
        """Write one entry of archive_cache."""
        try:
            key = self._keys.find(cache.key)
        except UnusableKey as error:
            self._skipped("archiving", error)
            return
        assert key is not None
        if not self._policy(cache, key, "push"):
            self._writer.notice(f"Not uploading cache {key.shown} due to policy")
            return
        metadata = {"cachekey": key.shown}
        handover = self._upload(key, metadata)
        with guarded(self._writer, self._context, "Creating cache") as helper:
            self._writer.notice(f"Creating cache {key.shown}...")
            arguments: list[Word] = [
                Assignment("CACHE_METADATA", json.dumps(metadata, separators=(",", ":")))
            ]
            arguments += [*helper, "cache-archiver", "--file", key.file]
            arguments += ["--alternate-file", key.alternate_file, *self._timeout, *self._limit()]
            for path in cache.paths:
                arguments += ["--path", path]
            if cache.untracked:
                arguments.append("--untracked")
            arguments += [*handover.flags, *self._environment(handover)]
            with self._writer.if_command(*arguments, output=True):
                self._writer.notice("Created cache")
                self._writer.otherwise()
                self._writer.warning("Failed to create cache")
            self._forget(handover)

    def _limit(self) -> tuple[str, ...]:
        limit = self._context.runner.cache.max_uploaded_archive_size
        return ("--max-uploaded-archive-size", str(limit)) if limit > 0 else ()

    def _upload(self, key: CacheKey, metadata: dict[str, str]) -> Handover:
        if self._remote is None:
            return Handover()
        try:
            return self._remote.upload(key.stored, metadata)
        except PyrunnerError as error:
            self._writer.warning(f"Unable to generate cache upload environment: {error}")
            return Handover()

    # ---- both

    def _skipped(self, what: str, error: UnusableKey) -> None:
        self._writer.notice(f"Skipping cache {what} due to {error}")

    def _policy(self, cache: CacheSpec, key: CacheKey, wanted: str) -> bool:
        policy = self._variables.expand_value(cache.policy)
        if policy not in ("", "pull-push", "pull", "push"):
            raise PyrunnerError(f"unknown cache policy {policy} for {key.shown}")
        return policy in ("", "pull-push", wanted)

    def _environment(self, handover: Handover) -> list[Word]:
        """Write the credentials to their file and return the flag that names it."""
        if not handover.environment:
            return []
        file = self._writer.temporary_file(CACHE_ENV_FILE)
        write_dotenv(self._writer, file, handover.environment)
        return ["--env-file", file]

    def _forget(self, handover: Handover) -> None:
        if handover.environment:
            self._writer.remove_file(self._writer.temporary_file(CACHE_ENV_FILE))
