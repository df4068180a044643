"""Where a job's terminal is (runner-api.md 9.1)."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyrunner.coordinator.records import JobRecord, JobStatus, TraceFile
from pyrunner.coordinator.terminals import channel_of, remember_session

SESSION = {"url": "https://a.example.com:8093/session/0", "certificate": "pem", "authorization": "secret"}


def job(state: JobStatus = JobStatus.RUNNING) -> JobRecord:
    return JobRecord(1, {}, "token", TraceFile(Path("trace")), state=state)


def test_as_gitlab_tells_workhorse() -> None:
    """A WebSocket's URL with ``/exec``, one subprotocol, the raw token, and the only certificate to trust."""
    one = job()
    remember_session(one, SESSION)
    assert channel_of(one) == {
        "url": "wss://a.example.com:8093/session/0/exec",
        "subprotocols": ["terminal.gitlab.com"],
        "headers": {"Authorization": "secret"},
        "ca_pem": "pem",
    }


def test_no_terminal() -> None:
    """None without a session, none of a job that does not run."""
    one, other = job(), job(JobStatus.SUCCESS)
    remember_session(one, None)
    remember_session(other, SESSION)
    for each in (one, other):
        with pytest.raises(KeyError, match="has no terminal"):
            channel_of(each)
