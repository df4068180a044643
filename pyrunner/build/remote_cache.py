"""The remote cache of a job: object names, and operations as the helper takes them (job-execution.md 7.5)."""

from __future__ import annotations

import json
import os
import posixpath
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pyrunner.build.remote.signed import Opening, Request, Signed
from pyrunner.build.remote.signing import SigningProcess
from pyrunner.build.remote_handover import Handover
from pyrunner.config.cache import CacheConfig
from pyrunner.errors import RemoteCacheError

#: What ``Type`` may be; the names with v2 are gitlab-runner's own for the same.
TYPES: Final = ("azure", "gcs", "gcsv2", "s3", "s3v2")

#: The helper's name in images that are not ours: it knows no variables for URLs.
STOCK_HELPER: Final = "gitlab-runner-helper"


def remote_cache(
    config: CacheConfig,
    *,
    short_token: str,
    project_id: int,
    timeout: float,
    hashed_keys: bool,
    private: Path | None = None,
    stock_helper: bool = False,
    environment: Mapping[str, str] | None = None,
) -> RemoteCache | None:
    """Return the remote cache of a job; None when only the local one is configured.

    :param timeout: of the job in seconds; what is signed lives as long.
    :param hashed_keys: ``FF_HASH_CACHE_KEYS``.
    :param private: folder that no job can read, for the credentials of assumed roles; None: none are kept.
    :param stock_helper: gitlab-runner's own helper is called: it takes URLs as arguments only.
    :param environment: for the providers' libraries; this process's when absent.
    :raises RemoteCacheError: for a type that is none.
    """
    if not config.type:
        return None
    if config.type not in TYPES:
        raise RemoteCacheError(
            f'cache factory not found: factory for cache adapter "{config.type}" was not registered '
            f"(registered adapters: {', '.join(TYPES)})"
        )
    opening = Opening(config, timeout, str(private) if private else "")
    process = SigningProcess(opening, os.environ if environment is None else environment)
    names = ObjectNames(config, short_token, project_id, hashed_keys)
    return RemoteCache(names, process, stock_helper)


class ObjectNames:
    """Under which names the archives of one project are stored; gitlab-runner uses the same."""

    def __init__(self, config: CacheConfig, short_token: str, project_id: int, hashed: bool) -> None:
        owner = "" if config.shared else f"runner/{short_token}"
        self._folder = _joined(config.path, owner, "project", str(project_id))
        self._hashed = hashed

    def name(self, key: str, alternate: bool = False) -> str:
        """Return the object name for a storage key.

        :param alternate: the key is one of the other scheme.
        :raises RemoteCacheError: for a key that names nothing below the project's own folder.
        """
        if not key:
            raise RemoteCacheError("Empty cache key. Skipping adapter selection.")
        parts = [key]
        if self._hashed is not alternate:  # spread over as many places of the bucket
            if len(key) < 2:
                raise RemoteCacheError(f"cache key too short to shard (length {len(key)})")
            parts = [key[:2], key]
        name = _joined(self._folder, *parts)
        if not name.startswith(f"{self._folder}/"):
            raise RemoteCacheError(
                "computed cache path outside of project bucket. Please remove `../` from cache key"
            )
        return name


class RemoteCache:
    """Hands the operations of one job's remote cache over to the helper."""

    def __init__(self, names: ObjectNames, process: SigningProcess, stock_helper: bool) -> None:
        self._names = names
        self._process = process
        self._stock_helper = stock_helper

    def download(self, key: str, alternate: str = "") -> Handover:
        """Return how to fetch the archive stored under ``key``.

        :param alternate: the key by the other scheme; the newer archive counts.
        :raises RemoteCacheError: when it cannot be had.
        """
        name = self._names.name(key)
        try:
            other = self._names.name(alternate, alternate=True) if alternate else ""
        except RemoteCacheError:
            other = ""  # a raw key need not be a name; then nothing is stored under it
        return self._handover(self._process.ask(Request("download", name, other)), check="--head-url")

    def upload(self, key: str, metadata: Mapping[str, str]) -> Handover:
        """Return how to store an archive under ``key``.

        :raises RemoteCacheError: when it cannot be had.
        """
        request = Request("upload", self._names.name(key), metadata=dict(metadata))
        return self._handover(self._process.ask(request), check="--check-url")

    def close(self) -> None:
        """End the signing process, which otherwise ends with this object. Safe twice."""
        self._process.close()

    def _handover(self, signed: Signed, check: str) -> Handover:
        flags: list[str] = []
        environment = dict(signed.environment)
        for flag, value in (
            ("--gocloud-url", signed.gocloud_url),
            ("--alternate-gocloud-url", signed.alternate_gocloud_url),
        ):
            if value:
                flags += [flag, value]
        # Whoever knows a presigned URL can use it, and everybody on a machine sees arguments.
        for flag, value in (
            ("--url", signed.url),
            (check, signed.head_url),
            ("--alternate-url", signed.alternate_url),
            ("--alternate-head-url", signed.alternate_head_url),
        ):
            if value and self._stock_helper:
                flags += [flag, value]
            elif value:
                environment[variable_of(flag)] = value
        if self._stock_helper:
            for name, value in signed.headers.items():
                flags += ["--header", f"{name}: {value}"]
        elif signed.headers:
            environment[variable_of("--header")] = json.dumps(signed.headers)
        return Handover(flags, environment)


def variable_of(flag: str) -> str:
    """Return the name under which our helper finds the value of ``flag`` in the file of ``--env-file``."""
    return f"PYRUNNER_CACHE_{flag.lstrip('-').replace('-', '_').upper()}"


def _joined(*parts: str) -> str:
    """Join as Go's ``path.Join`` does: empty parts do not count, dots are resolved."""
    path = posixpath.normpath("/".join(filter(None, parts)))
    return f"/{path.lstrip('/')}" if path.startswith("//") else path
