"""Settings a job gives by variables, with gitlab-runner's defaults and warnings.

Sources: job-execution.md 1.3 (attempts), 1.5, 3.7 (debug switches), 4.1 (git).

Content counts, also that of file variables. An empty variable means the default.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from pyrunner.protocol.job import Job
from pyrunner.protocol.variables import VariableSet, parse_bool
from pyrunner.system.golang import quoted

ATTEMPTS_MIN: Final = 1
ATTEMPTS_MAX: Final = 10
STRATEGIES: Final = ("clone", "fetch", "none", "empty")
#: Stands for a value of GIT_SUBMODULE_STRATEGY that is none: get_sources fails on it.
INVALID_SUBMODULE_STRATEGY: Final = "invalid"

_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,100}\Z")
_INT64: Final = range(-(2**63), 2**63)


@dataclass(frozen=True, slots=True)
class BuildSettings:
    """The parsed settings of one job."""

    debug_services: bool
    debug_trace: bool
    git_clone_path: str
    #: ``clone``, ``fetch``, ``none`` or ``empty``.
    git_strategy: str
    git_checkout: bool
    #: ``none``, ``normal``, ``recursive`` or :data:`INVALID_SUBMODULE_STRATEGY`.
    git_submodule_strategy: str
    git_submodule_paths: tuple[str, ...]
    git_submodule_depth: int
    git_clean_flags: tuple[str, ...]
    git_clone_extra_flags: tuple[str, ...]
    git_fetch_extra_flags: tuple[str, ...]
    git_submodule_update_flags: tuple[str, ...]
    git_lfs_skip_smudge: bool
    git_submodule_force_https: bool
    get_sources_attempts: int
    artifact_download_attempts: int
    restore_cache_attempts: int
    executor_job_section_attempts: int
    secrets_retrieval_attempts: int
    after_script_ignore_errors: bool
    #: Minutes.
    cache_request_timeout: int
    docker_auth_config: str

    @property
    def uses_repository(self) -> bool:
        """Sources are fetched or cloned at all."""
        return self.git_strategy in ("clone", "fetch")


def read_settings(
    variables: VariableSet, job: Job, debug_trace_disabled: bool = False
) -> tuple[BuildSettings, list[str]]:
    """Parse the settings of a job.

    :param variables: the job's variables, expanded.
    :returns: the settings and the warnings in the order in which they are printed; those of the
        feature flags follow them (twice, 3.3).
    """
    reader = _Reader(variables)
    debug_services = reader.boolean("CI_DEBUG_SERVICES", False)
    debug_trace = reader.boolean("CI_DEBUG_TRACE", False)
    clone_path = reader.text("GIT_CLONE_PATH")
    strategy = reader.strategy("fetch" if job.allow_git_fetch else "clone")
    checkout = reader.boolean("GIT_CHECKOUT", True)
    submodules = reader.submodule_strategy()
    paths = reader.words("GIT_SUBMODULE_PATHS")
    depth = reader.integer("GIT_SUBMODULE_DEPTH", job.git_info.depth)
    clean = reader.flags("GIT_CLEAN_FLAGS", ("-ffdx",))
    clone_flags = reader.flags("GIT_CLONE_EXTRA_FLAGS", ())
    fetch_flags = reader.flags("GIT_FETCH_EXTRA_FLAGS", ("--prune", "--quiet"))
    update_flags = reader.flags("GIT_SUBMODULE_UPDATE_FLAGS", ())
    skip_smudge = reader.boolean("GIT_LFS_SKIP_SMUDGE", False)
    force_https = reader.boolean("GIT_SUBMODULE_FORCE_HTTPS", False)
    get_sources = reader.integer("GET_SOURCES_ATTEMPTS", 1)
    downloads = reader.integer("ARTIFACT_DOWNLOAD_ATTEMPTS", 1)
    restores = reader.integer("RESTORE_CACHE_ATTEMPTS", 1)
    sections = reader.integer("EXECUTOR_JOB_SECTION_ATTEMPTS", 1)
    secrets = reader.integer("SECRETS_RETRIEVAL_ATTEMPTS", 1)
    ignore_errors = reader.boolean("AFTER_SCRIPT_IGNORE_ERRORS", True)
    cache_timeout = reader.integer("CACHE_REQUEST_TIMEOUT", 10)
    docker_auth = reader.text("DOCKER_AUTH_CONFIG")
    if debug_trace_disabled:
        debug_trace = reader.disabled("CI_DEBUG_TRACE", debug_trace)
        debug_services = reader.disabled("CI_DEBUG_SERVICES", debug_services)
    without_repository = strategy in ("none", "empty")
    settings = BuildSettings(
        debug_services=debug_services,
        debug_trace=debug_trace,
        git_clone_path=clone_path,
        git_strategy=strategy,
        git_checkout=checkout and not without_repository,
        git_submodule_strategy="none" if without_repository else submodules,
        git_submodule_paths=paths,
        git_submodule_depth=depth,
        git_clean_flags=clean,
        git_clone_extra_flags=clone_flags,
        git_fetch_extra_flags=fetch_flags,
        git_submodule_update_flags=update_flags,
        git_lfs_skip_smudge=skip_smudge,
        git_submodule_force_https=force_https,
        executor_job_section_attempts=reader.attempts("EXECUTOR_JOB_SECTION_ATTEMPTS", sections),
        get_sources_attempts=reader.attempts("GET_SOURCES_ATTEMPTS", get_sources),
        artifact_download_attempts=reader.attempts("ARTIFACT_DOWNLOAD_ATTEMPTS", downloads),
        restore_cache_attempts=reader.attempts("RESTORE_CACHE_ATTEMPTS", restores),
        secrets_retrieval_attempts=reader.attempts("SECRETS_RETRIEVAL_ATTEMPTS", secrets),
        after_script_ignore_errors=ignore_errors,
        cache_request_timeout=cache_timeout,
        docker_auth_config=docker_auth,
    )
    return settings, reader.warnings


class _Reader:
    """Reads variables one by one and keeps the warnings in that order."""

    def __init__(self, variables: VariableSet) -> None:
        self._variables = variables
        self.warnings: list[str] = []

    def text(self, name: str) -> str:
        return self._variables.value(name)

    def boolean(self, name: str, default: bool) -> bool:
        text = self.text(name)
        if not text:
            return default
        parsed = parse_bool(text)
        if parsed is None:
            word = "true" if default else "false"
            self.warnings.append(f"{name}: expected bool got {quoted(text)}, using default value: {word}")
            return default
        return parsed

    def integer(self, name: str, default: int) -> int:
        text = self.text(name)
        if not text:
            return default
        if _INTEGER.match(text) and (value := int(text)) in _INT64:
            return value
        self.warnings.append(f"{name}: expected int got {quoted(text)}, using default value: {default}")
        return default

    def attempts(self, name: str, value: int) -> int:
        clamped = max(ATTEMPTS_MIN, min(ATTEMPTS_MAX, value))
        if clamped != value:
            self.warnings.append(
                f"{name}: number of attempts out of the range [{ATTEMPTS_MIN}, {ATTEMPTS_MAX}], "
                f"clamping to: {clamped}"
            )
        return clamped

    def words(self, name: str) -> tuple[str, ...]:
        return tuple(self.text(name).split())

    def flags(self, name: str, default: tuple[str, ...]) -> tuple[str, ...]:
        text = self.text(name)
        if not text:
            return default
        return () if text == "none" else tuple(text.split())

    def strategy(self, default: str) -> str:
        text = self.text("GIT_STRATEGY")
        if text in STRATEGIES:
            return text
        if text:
            self.warnings.append(
                "GIT_STRATEGY: expected either 'clone', 'fetch', 'none' or 'empty' "
                f"got {quoted(text)}, using default value '{default}'"
            )
        return default

    def submodule_strategy(self) -> str:
        text = self.text("GIT_SUBMODULE_STRATEGY")
        if text in ("", "none", "normal", "recursive"):
            return text or "none"
        self.warnings.append(
            f"GIT_SUBMODULE_STRATEGY: expected either 'normal', 'recursive' or 'none' got {quoted(text)}"
        )
        return INVALID_SUBMODULE_STRATEGY

    def disabled(self, name: str, value: bool) -> bool:
        if value:
            self.warnings.append(f"{name}: usage is disabled on this Runner")
        return False
