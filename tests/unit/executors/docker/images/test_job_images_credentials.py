"""Credentials of pulls: told by their source, given to the engine alone (docker-executor.md 4)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pyrunner.errors import BuildError
from tests.support.fake_engine import FakeEngine
from tests.support.image_desk import Desk, brings


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A job and an engine that has nothing."""
    with FakeEngine() as fake:
        yield Desk(fake, tmp_path)


def test_credentials_are_told_by_source_and_go_to_the_engine(desk: Desk, tmp_path: Path) -> None:
    """The password is in the request alone: not in the trace, not in the journal."""
    desk.fake.pulls = [brings(1, "reg.tld/g/ruby:3")]
    credentials = [{"type": "registry", "url": "reg.tld", "username": "ci", "password": "hunter2"}]
    desk.run({"name": "reg.tld/g/ruby:3"}, job={"credentials": credentials})
    assert desk.lines()[1:3] == [
        "Authenticating with credentials from job payload (GitLab Registry)",
        "Pulling docker image reg.tld/g/ruby:3 ...",
    ]
    assert desk.fake.credentials == [{"username": "ci", "password": "hunter2", "serveraddress": "reg.tld"}]
    written = b"".join(one.read_bytes() for one in tmp_path.rglob("*") if one.is_file())
    assert b"hunter2" not in written


def test_no_credentials_but_those_of_the_job(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A pull without credentials is anonymous, whatever the SDK would find in this user's home."""
    (tmp_path / "config.json").write_text('{"auths": {"docker.io": {"username": "me", "password": "x"}}}')
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    desk.fake.pulls = [brings()]
    desk.run()
    assert desk.fake.credentials == [None]


def test_the_home_of_the_runners_user(desk: Desk, tmp_path: Path) -> None:
    """Its file is a source."""
    (tmp_path / ".dockercfg").write_text('{"auths": {"docker.io": {"username": "me", "password": "x"}}}')
    desk.fake.pulls = [brings()]
    desk.run(home=tmp_path)
    assert desk.lines()[1] == f"Authenticating with credentials from {tmp_path}/.dockercfg"


def test_a_bad_variable_is_told(desk: Desk) -> None:
    """And the pull is anonymous."""
    desk.fake.pulls = [brings()]
    desk.run(auth_config="{")
    assert desk.lines()[1].startswith("WARNING: Failed to resolve credentials from $DOCKER_AUTH_CONFIG: ")
    assert desk.fake.credentials == [None]


def test_a_helper_with_a_path_aborts_the_pull(desk: Desk) -> None:
    """A plain error; nothing is pulled."""
    (error,) = desk.run(auth_config='{"credsStore": "../x"}')
    assert not isinstance(error, BuildError)
    assert str(error).endswith("[always]: path traversal is not allowed")
    assert desk.fake.queries == []
