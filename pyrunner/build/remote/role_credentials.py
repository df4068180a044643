"""Credentials of assumed roles, kept and asked for in common by all jobs (config-and-commands.md 1.6).

gitlab-runner keeps them in its one process. Ours are many, so they share a private folder: a file for each
role, bucket, object and direction, and one lock a place in the queue to the token service.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from pyrunner.config.cache import DEFAULT_ASSUME_ROLE_MAX_CONCURRENCY
from pyrunner.errors import JobDirError, RemoteCacheError
from pyrunner.system.files import make_private, read_json, write_json
from pyrunner.system.lock import OpenFileLock

#: Seconds; where roles are chained, no session lasts longer.
SESSION: Final = 3600
#: However long a job may last: a session that is nearly new can still be used again.
_ENOUGH: Final = 55 * 60
_PAUSE: Final = 0.1
#: Seconds to wait for a place: less than whoever asked waits for us.
_PATIENCE: Final = 20.0

_log = logging.getLogger(__name__)

#: Role, session name, policy, seconds → ``Credentials`` of the token service's answer.
Assume = Callable[[str, str, str, int], Mapping[str, Any]]


class RoleCredentials:
    """Gets credentials from ``assume`` or from what is kept in ``private``.

    :param private: folder, made when it is needed; None: nothing is kept and nobody waits.
    :param concurrency: so many ask at once; 0: 5, negative: no limit.
    :param kept: use and store what is kept.
    """

    def __init__(self, assume: Assume, private: Path | None, concurrency: int = 0, kept: bool = True) -> None:
        self._assume = assume
        self._private = private
        self._concurrency = concurrency or DEFAULT_ASSUME_ROLE_MAX_CONCURRENCY
        self._kept = kept and private is not None

    def fetch(self, role: str, policy: str, owner: str, lifetime: float) -> dict[str, str]:
        """Return the variables of credentials for ``role``, limited by ``policy``.

        :param owner: access key that asks; another one has other credentials.
        :param lifetime: seconds they should still be good for.
        :raises RemoteCacheError: when they cannot be had.
        """
        needed = min(max(lifetime, 60.0), _ENOUGH)
        digest = hashlib.sha256("\0".join((role, policy, owner)).encode("utf-8", "surrogateescape"))
        name = f"{digest.hexdigest()}.json"
        if found := self._stored(name, needed):
            return found
        with self._place():
            # Another job may have asked for the same while this one waited.
            return self._stored(name, needed) or self._asked(name, role, policy)

    def _asked(self, name: str, role: str, policy: str) -> dict[str, str]:
        started = time.monotonic()
        # Trust policies of roles may name this prefix.
        session = f"gitlab-runner-cache-upload-{secrets.token_hex(4)}"
        try:
            answer = self._assume(role, session, policy, SESSION)
        except RemoteCacheError as error:
            took = time.monotonic() - started
            raise RemoteCacheError(f"failed to assume role (took {took:.2f}s): {error}") from error
        environment = {
            "AWS_ACCESS_KEY_ID": str(answer["AccessKeyId"]),
            "AWS_SECRET_ACCESS_KEY": str(answer["SecretAccessKey"]),
            "AWS_SESSION_TOKEN": str(answer["SessionToken"]),
            "AWS_PROFILE": "",  # whatever the job has: it would win
        }
        expires = answer.get("Expiration")
        if isinstance(expires, datetime):
            self._store(name, {"environment": environment, "expires_at": expires.timestamp()})
        return environment

    def _stored(self, name: str, needed: float) -> dict[str, str] | None:
        if not self._kept or self._private is None:
            return None
        try:
            value = read_json(self._private / name)
            if value["expires_at"] - time.time() < needed:
                return None
            return {str(key): str(text) for key, text in value["environment"].items()}
        except FileNotFoundError:
            return None
        except (OSError, JobDirError, KeyError, TypeError, AttributeError) as error:
            _log.warning("kept credentials are not usable", extra={"fields": {"error": str(error)}})
            return None

    def _store(self, name: str, value: object) -> None:
        if not self._kept or self._private is None:
            return
        try:
            make_private(self._private)
            write_json(self._private / name, value, durable=False)
            self._forget_old()
        except (OSError, JobDirError) as error:
            _log.warning("credentials cannot be kept", extra={"fields": {"error": str(error)}})

    def _forget_old(self) -> None:
        """Remove what has expired: no session lasts longer than an hour from its making."""
        assert self._private is not None
        for one in self._private.glob("*.json"):
            try:
                if time.time() - one.stat().st_mtime > SESSION:
                    one.unlink()
            except FileNotFoundError:
                continue  # another job was faster

    @contextmanager
    def _place(self) -> Iterator[None]:
        """Hold one of the places to ask from."""
        lock = self._taken_place()
        try:
            yield
        finally:
            if lock is not None:
                lock.close()

    def _taken_place(self) -> OpenFileLock | None:
        if self._private is None or self._concurrency < 0:
            return None
        deadline = time.monotonic() + _PATIENCE
        try:
            make_private(self._private)
            while True:
                for number in range(self._concurrency):
                    if lock := OpenFileLock.take(self._private / f"place.{number}.lock"):
                        return lock
                if time.monotonic() > deadline:
                    raise RemoteCacheError(
                        f"failed to assume role: {self._concurrency} other jobs are asking "
                        "(AssumeRoleMaxConcurrency)"
                    )
                time.sleep(_PAUSE)  # locks cannot be waited for without taking a place in one queue
        except (OSError, JobDirError) as error:
            _log.warning("no place to ask from, asking without", extra={"fields": {"error": str(error)}})
            return None
