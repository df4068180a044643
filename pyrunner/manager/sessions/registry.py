"""The sessions of the jobs that run here: by their path, with the token that opens them."""

from __future__ import annotations

import hmac
import logging
import os
import secrets
import threading
from typing import Final

from pyrunner.errors import JobDirError
from pyrunner.jobdir.control import ControlDir
from pyrunner.jobdir.record import JobRecord, SessionData, job_marker

_log: Final = logging.getLogger(__name__)

#: What every session's path begins with; 64 hexadecimal digits follow.
PREFIX: Final = "/session/"
_DIGITS: Final = 64


class Session:
    """One job's session; used by the threads of its connections."""

    def __init__(self, data: SessionData, control: ControlDir, marker: str) -> None:
        self.endpoint = data.endpoint
        self.control = control
        #: Names the job's processes (:mod:`pyrunner.system.proctree`).
        self.marker = marker
        self._token = data.token.encode()
        self._lock = threading.Lock()
        self._taken = False
        self._over = threading.Event()
        self._wakeup = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)

    def admits(self, authorization: str) -> bool:
        """Tell whether a request with this ``Authorization`` header may open the job's terminal."""
        sent = authorization.encode("utf-8", "surrogateescape")
        return bool(self._token) and hmac.compare_digest(sent, self._token)

    def take(self) -> bool:
        """Become the one terminal of the job; False when there is one."""
        with self._lock:
            taken, self._taken = self._taken, True
            return not taken

    def release(self) -> None:
        """Let another terminal come."""
        with self._lock:
            self._taken = False

    @property
    def over(self) -> bool:
        """The job has ended, or this process is about to."""
        return self._over.is_set()

    def await_over(self, seconds: float) -> bool:
        """Wait; True as soon as :attr:`over`."""
        return self._over.wait(seconds)

    def fileno(self) -> int:
        """Return a descriptor that is readable, for all who watch it, once :attr:`over`."""
        return self._wakeup

    def end(self) -> None:
        """The job has ended: its terminal has to. Safe twice."""
        if not self._over.is_set():
            self._over.set()
            os.eventfd_write(self._wakeup, 1)

    def __del__(self) -> None:
        # Not before: the thread of a connection may still watch it.
        os.close(self._wakeup)


class SessionRegistry:
    """All sessions; safe for any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sessions: dict[str, Session] = {}

    def open(self, control: ControlDir) -> None:
        """Let the terminal of a job be opened, if a session was offered with its request."""
        try:
            record = JobRecord.load(control.job)
        except (OSError, JobDirError) as error:
            _log.warning("no terminal can be opened of a job whose record cannot be read: %s", error)
            return
        data = record.session
        if data.endpoint:
            session = Session(data, control, job_marker(control.path, record.received_at))
            with self._lock:
                self._sessions[data.endpoint] = session

    def close(self, control: ControlDir) -> None:
        """End the terminal of a job that is over. Safe twice."""
        with self._lock:
            found = [one for one in self._sessions.values() if one.control == control]
            for one in found:
                del self._sessions[one.endpoint]
        for one in found:
            one.end()

    def find(self, path: str) -> tuple[Session, str] | None:
        """Return the session that a request's path belongs to, and what follows its own."""
        end = len(PREFIX) + _DIGITS
        endpoint, rest = path[:end], path[end:]
        if not rest.startswith("/"):
            return None
        with self._lock:
            session = self._sessions.get(endpoint)
        return None if session is None else (session, rest)

    def end(self) -> None:
        """End all of them."""
        with self._lock:
            sessions = list(self._sessions.values())
            self._sessions.clear()
        for one in sessions:
            one.end()


def new_endpoint() -> str:
    """Return the path of a new session."""
    return PREFIX + secrets.token_hex(_DIGITS // 2)


def new_token() -> str:
    """Return what opens a new session."""
    return secrets.token_hex(_DIGITS // 2)
