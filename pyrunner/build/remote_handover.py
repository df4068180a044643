"""What a stage script gives the helper for a remote cache, and who works it out (job-execution.md 7.5)."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn, Protocol, cast

from pyrunner.build.context import BuildContext
from pyrunner.build.helper_call import helper_command
from pyrunner.errors import PyrunnerError


@dataclass(frozen=True, slots=True)
class Handover:
    """One remote operation in the words of the helper commands.

    :param flags: ``--url``, ``--head-url``, ``--header``, ``--check-url``, ``--gocloud-url`` and the like.
    :param environment: credentials. The script writes them to a file that only the job's user can read,
        names it with ``--env-file``, and removes it after the command.
    """

    flags: list[str] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)


class RemoteCache(Protocol):
    """The remote cache of one job; both methods raise PyrunnerError, then the local cache goes on alone."""

    def download(self, key: str, alternate: str = "") -> Handover:
        """Return how to fetch the archive stored under ``key``.

        :param alternate: its name by the other scheme of ``FF_HASH_CACHE_KEYS``; the newer one counts.
        """

    def upload(self, key: str, metadata: Mapping[str, str]) -> Handover:
        """Return how to store an archive under ``key``, with ``metadata`` on the object where it can be."""


class _Unusable:
    """Stands for a remote cache that cannot be used; says so at each operation."""

    def __init__(self, reason: str) -> None:
        self._reason = reason

    def download(self, key: str, alternate: str = "") -> NoReturn:
        raise PyrunnerError(self._reason)

    def upload(self, key: str, metadata: Mapping[str, str]) -> NoReturn:
        raise PyrunnerError(self._reason)


def find_remote_cache(context: BuildContext) -> RemoteCache | None:
    """Return the remote cache of this job's runner; None where only the local one is configured."""
    config = context.runner.cache
    if not config.type:
        return None
    try:
        # Signing needs the providers' libraries: they are not even looked for without a remote cache.
        module = cast("Any", importlib.import_module("pyrunner.build.remote_cache"))
        found: RemoteCache | None = module.remote_cache(
            config,
            short_token=context.runner.short_token,
            project_id=context.job.job_info.project_id,
            timeout=float(context.job.timeout),
            hashed_keys=context.features.on("FF_HASH_CACHE_KEYS"),
            private=_private_folder(context),
            stock_helper=Path(helper_command(context)[0]).name.startswith("gitlab-runner"),
        )
    except ImportError as error:
        return _Unusable(f"a cache of type {config.type!r} is not offered by this installation: {error.name}")
    except PyrunnerError as error:
        return _Unusable(str(error))
    return found


def _private_folder(context: BuildContext) -> Path | None:
    """Return where credentials that several jobs share may lie: where what is the manager's own lies."""
    business = context.record.business
    return Path(business) / "jobs" / "remote_cache" if business else None
