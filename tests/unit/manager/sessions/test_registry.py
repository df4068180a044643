"""The sessions of the jobs that run here."""

from __future__ import annotations

import re
import select
from pathlib import Path

import pytest

from pyrunner.jobdir.control import ControlDir
from pyrunner.jobdir.record import JobRecord, SessionData
from pyrunner.manager.sessions.registry import Session, SessionRegistry, new_endpoint, new_token


def control_with(folder: Path, session: SessionData) -> ControlDir:
    control = ControlDir(folder)
    control.create()
    JobRecord(session=session).store(control.job)
    return control


def opened(registry: SessionRegistry, path: str) -> Session:
    found = registry.find(path)
    assert found is not None
    return found[0]


def test_names_cannot_be_guessed() -> None:
    """64 hexadecimal digits each, as GitLab's users know them, never the same."""
    assert re.fullmatch("/session/[0-9a-f]{64}", new_endpoint())
    assert re.fullmatch("[0-9a-f]{64}", new_token())
    assert new_token() != new_token()


def test_found_by_its_path(tmp_path: Path) -> None:
    """With what follows; not by a part of it, and not without anything behind."""
    registry, endpoint = SessionRegistry(), new_endpoint()
    control = control_with(tmp_path, SessionData(endpoint, "t", 1.0))
    registry.open(control)
    session, rest = registry.find(f"{endpoint}/exec") or (None, "")
    assert session is not None
    assert (session.control, rest) == (control, "/exec")
    for path in (endpoint, endpoint[:-1] + "/exec", endpoint + "0/exec", "/exec", "", "/session//exec"):
        assert registry.find(path) is None


def test_the_token_opens_it(tmp_path: Path) -> None:
    """The raw value and nothing else; a session without a token is closed to all."""
    control = control_with(tmp_path, SessionData())
    session = Session(SessionData("/session/x", "secret", 1.0), control, "marker")
    assert session.admits("secret")
    for wrong in ("", "Secret", "Bearer secret", "secret ", "sécret"):
        assert not session.admits(wrong)
    assert not Session(SessionData("/session/x"), control, "marker").admits("")


def test_one_terminal_at_a_time(tmp_path: Path) -> None:
    """The second is refused until the first has gone."""
    session = Session(SessionData("/session/x", "t", 1.0), ControlDir(tmp_path), "marker")
    assert session.take()
    assert not session.take()
    session.release()
    assert session.take()


def test_the_end_is_told(tmp_path: Path) -> None:
    """Whoever watches the descriptor wakes up, whoever comes finds nothing; safe twice."""
    registry, endpoint = SessionRegistry(), new_endpoint()
    control = control_with(tmp_path, SessionData(endpoint, "t", 1.0))
    registry.open(control)
    session = opened(registry, f"{endpoint}/exec")
    assert select.select([session], [], [], 0)[0] == []
    registry.close(control)
    registry.close(control)
    assert session.over
    assert select.select([session], [], [], 0)[0] == [session]
    assert registry.find(f"{endpoint}/exec") is None


def test_jobs_without_a_session(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A job of a time without a server has none; a record that cannot be read is said."""
    registry = SessionRegistry()
    registry.open(control_with(tmp_path / "a", SessionData()))
    assert caplog.text == ""
    registry.open(ControlDir(tmp_path / "b"))
    assert "no terminal can be opened" in caplog.text
