"""A terminal in the running build container of a job (docker-executor.md 11.5)."""

from __future__ import annotations

import contextlib
import re
import select
import ssl
import sys
import time
from collections.abc import Callable
from typing import Any, Final, Self

from pyrunner.errors import EngineError
from pyrunner.executors.docker.container.command_line import TERMINAL, hang_up_command
from pyrunner.executors.docker.engine.attachment import socket_of
from pyrunner.executors.docker.engine.connection import Endpoint, Engine
from pyrunner.executors.docker.labels import JOB_LABEL
from pyrunner.executors.terminal.far_end import TerminalUnavailable
from pyrunner.jobdir.terminal import TerminalPlan

#: Seconds that the container, and then the shell in it, may take to run.
_PATIENCE: Final = 15.0
_LOOK: Final = 0.25
#: Seconds that one request to the engine may take.
_REQUEST: Final = 20
_NOT_NOW: Final = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
_FIRST_LINE: Final = re.compile(re.escape(TERMINAL.encode()) + rb" ([1-9][0-9]{0,9})\r?\n")
#: The first line is no longer than this.
_LONGEST: Final = 4096


class ContainerTerminal:
    """See :class:`pyrunner.executors.terminal.far_end.FarEnd`.

    :param response: what the SDK handed out: it closes the socket when nobody holds it any more.
    """

    def __init__(self, plan: TerminalPlan, container: str, response: Any) -> None:
        self._endpoint = Endpoint(**plan.endpoint)
        self._container = container
        self._response = response
        self._connection = socket_of(response)
        self._connection.setblocking(False)
        self._process = 0
        self._rest = b""

    @classmethod
    def open(cls, plan: TerminalPlan, clock: Callable[[], float] = time.monotonic) -> Self:
        """Start the shell.

        :raises TerminalUnavailable: when the container does not run in time, or has no shell.
        :raises EngineError: when the engine refuses.
        """
        engine = Engine(Endpoint(**plan.endpoint), _REQUEST)
        container = _running(engine, plan, clock)
        made = engine.call(
            lambda api: api.exec_create(container, plan.argv, stdin=True, tty=True),
            "failed to create exec for build container: ",
        )
        response = engine.call(
            lambda api: api.exec_start(made["Id"], tty=True, socket=True),
            "failed to attach tty to build container: ",
        )
        terminal = cls(plan, container, response)
        terminal._begin(clock)
        return terminal

    def _begin(self, clock: Callable[[], float]) -> None:
        """Take the first line, which names the shell's process.

        :raises TerminalUnavailable: when it does not come.
        """
        ends, said = clock() + _PATIENCE, b""
        while b"\n" not in said and len(said) < _LONGEST:
            piece = self.receive(_LONGEST)
            if piece is None:
                left = ends - clock()
                if left > 0:
                    select.select([self._connection], [], [], left)
                    continue
            if not piece:
                break
            said += piece
        found = _FIRST_LINE.match(said)
        if found is None or found[1] == b"1":  # a container's first process is never one of ours
            self._connection.close()
            words = said.decode(errors="replace").strip()[:200]
            raise TerminalUnavailable(f"no shell can be started in the build container: {words}")
        self._process = int(found[1])
        self._rest = said[found.end() :]

    def fileno(self) -> int:
        """Return the descriptor to wait for."""
        return int(self._connection.fileno())

    def receive(self, most: int) -> bytes | None:
        """Return output; see the contract."""
        if self._rest:
            rest, self._rest = self._rest, b""
            return rest
        try:
            data: bytes = self._connection.recv(most)
        except _NOT_NOW:
            return None
        return data

    def send(self, data: memoryview) -> int:
        """Type; see the contract."""
        try:
            return int(self._connection.send(data))
        except _NOT_NOW:
            return 0

    def close(self) -> None:
        """Hang up: an engine lets the shell go on when its terminal is gone."""
        with contextlib.suppress(OSError):
            self._connection.close()
        with contextlib.closing(Engine(self._endpoint, _REQUEST)) as engine:
            try:
                made = engine.call(
                    lambda api: api.exec_create(self._container, hang_up_command(self._process))
                )
                engine.call(lambda api: api.exec_start(made["Id"]))
            except EngineError as error:
                # 404, 409: the container has ended, and the shell with it.
                if error.status not in (404, 409):
                    print(f"the terminal's shell goes on: {error}", file=sys.stderr)  # noqa: T201


def _running(engine: Engine, plan: TerminalPlan, clock: Callable[[], float]) -> str:
    """Return the id of the build container once it runs; it may be about to be started.

    :raises TerminalUnavailable: when it does not within the time that gitlab-runner gives it.
    """
    ends = clock() + _PATIENCE
    while True:
        try:
            found = engine.call(lambda api: api.inspect_container(plan.container))
        except EngineError as error:
            if not error.not_found:
                raise
        else:
            own = (found["Config"].get("Labels") or {}).get(JOB_LABEL) == plan.marker
            if own and found["State"]["Running"]:
                return str(found["Id"])
        if clock() >= ends:
            raise TerminalUnavailable("timeout for waiting for build container")
        select.select([], [], [], _LOOK)
