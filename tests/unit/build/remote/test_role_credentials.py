"""Credentials of assumed roles: kept in common, asked for by few at a time (config-and-commands.md 1.6)."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pyrunner.build.remote import role_credentials
from pyrunner.build.remote.role_credentials import RoleCredentials
from pyrunner.errors import RemoteCacheError
from pyrunner.system.files import make_private
from pyrunner.system.lock import OpenFileLock


class Service:
    """A token service that counts its calls."""

    def __init__(self, seconds: float = 3600) -> None:
        self.calls: list[tuple[str, str, str, int]] = []
        self._seconds = seconds

    def __call__(self, role: str, session: str, policy: str, seconds: int) -> Mapping[str, Any]:
        self.calls.append((role, session, policy, seconds))
        return {
            "AccessKeyId": f"key{len(self.calls)}",
            "SecretAccessKey": "secret",
            "SessionToken": "token",
            "Expiration": datetime.fromtimestamp(time.time() + self._seconds, UTC),
        }


def test_what_is_kept_is_used_again(tmp_path: Path) -> None:
    """By whoever asks for the same: another process, another supervisor."""
    service = Service()
    first = RoleCredentials(service, tmp_path / "private").fetch("role", "policy", "owner", 600)
    assert first == {
        "AWS_ACCESS_KEY_ID": "key1",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_SESSION_TOKEN": "token",
        "AWS_PROFILE": "",
    }
    assert RoleCredentials(service, tmp_path / "private").fetch("role", "policy", "owner", 600) == first
    ((role, session, policy, seconds),) = service.calls
    assert (role, policy, seconds) == ("role", "policy", 3600)
    assert session.startswith("gitlab-runner-cache-upload-")


@pytest.mark.parametrize("other", [("other", "p", "o"), ("r", "other", "o"), ("r", "p", "other")])
def test_others_have_others(tmp_path: Path, other: tuple[str, str, str]) -> None:
    """Another role, another policy (object, direction) and another asker each get their own."""
    credentials = RoleCredentials(service := Service(), tmp_path / "private")
    assert credentials.fetch("r", "p", "o", 60) != credentials.fetch(*other, 60)
    assert len(service.calls) == 2


def test_a_session_has_to_last(tmp_path: Path) -> None:
    """As long as the job may, but never longer than an hour's session nearly new does."""
    credentials = RoleCredentials(service := Service(1800), tmp_path / "private")
    for lifetime, calls in ((60, 1), (1700, 1), (1900, 2)):
        credentials.fetch("r", "p", "o", lifetime)
        assert len(service.calls) == calls
    fresh = RoleCredentials(service := Service(), tmp_path / "other")
    fresh.fetch("r", "p", "o", 24 * 3600)
    fresh.fetch("r", "p", "o", 24 * 3600)
    assert len(service.calls) == 1


def test_keeping_can_be_turned_off(tmp_path: Path) -> None:
    """DisableAssumeRoleCredentialsCaching: each asks anew and leaves nothing."""
    credentials = RoleCredentials(service := Service(), tmp_path / "private", kept=False)
    credentials.fetch("r", "p", "o", 60)
    credentials.fetch("r", "p", "o", 60)
    assert len(service.calls) == 2
    assert list((tmp_path / "private").glob("*.json")) == []


def test_what_has_expired_is_removed(tmp_path: Path) -> None:
    """When something new is kept."""
    credentials = RoleCredentials(Service(), tmp_path / "private")
    credentials.fetch("r", "old", "o", 60)
    (old,) = (tmp_path / "private").glob("*.json")
    os.utime(old, (0, 0))
    credentials.fetch("r", "new", "o", 60)
    (left,) = (tmp_path / "private").glob("*.json")
    assert left != old


def test_a_torn_file_is_as_none(tmp_path: Path) -> None:
    """What is kept is only a help."""
    credentials = RoleCredentials(service := Service(), tmp_path / "private")
    credentials.fetch("r", "p", "o", 60)
    (kept,) = (tmp_path / "private").glob("*.json")
    for broken in ("", "[]", '{"expires_at": "x"}'):
        kept.write_text(broken)
        credentials.fetch("r", "p", "o", 60)
    assert len(service.calls) == 4


def test_so_many_ask_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All places taken: the next one waits, then gives up; without a limit nobody waits."""
    monkeypatch.setattr(role_credentials, "_PATIENCE", 0.0)
    private = tmp_path / "private"
    make_private(private)
    held = [OpenFileLock.take(private / f"place.{number}.lock") for number in range(2)]
    service = Service()
    with pytest.raises(RemoteCacheError, match="2 other jobs are asking"):
        RoleCredentials(service, private, concurrency=2).fetch("r", "p", "o", 60)
    assert service.calls == []
    RoleCredentials(service, private, concurrency=3).fetch("r", "p", "o", 60)
    RoleCredentials(service, private, concurrency=-1).fetch("r", "q", "o", 60)
    for lock in held:
        assert lock is not None
        lock.close()
    RoleCredentials(service, private, concurrency=2).fetch("r", "s", "o", 60)
    assert len(service.calls) == 3


def test_a_refusal_says_how_long_it_took(tmp_path: Path) -> None:
    """In gitlab-runner's words."""

    def refuse(_role: str, _session: str, _policy: str, _seconds: int) -> Mapping[str, Any]:
        raise RemoteCacheError("AccessDenied")

    with pytest.raises(RemoteCacheError, match=r"failed to assume role \(took \d+\.\d\ds\): AccessDenied"):
        RoleCredentials(refuse, tmp_path / "private").fetch("r", "p", "o", 60)
