"""Keeps a sandbox's network: a namespace, the program that serves it, and an end for both.

The keeper is a fork of the stage's wrapper and the first process of a process namespace of its own: when it
ends, however it ends, the kernel kills the program with it. It ends when the last holder of the sandbox's
life line has closed it: the wrapper, and the first process of the sandbox (bubblewrap's ``--sync-fd``). So
neither a killed wrapper nor a killed bubblewrap leaves a program behind, nor a sandbox without its network.

While it lives it makes networks of other containers unreachable as they appear (:mod:`.bridges`).
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import stat
import time
from collections.abc import Sequence
from typing import Any, Final

from pyrunner.errors import PyrunnerError, SandboxNetworkError
from pyrunner.executors.sandbox.bridges import Neighbours
from pyrunner.executors.sandbox.namespaces import (
    NEW_PROCESSES,
    cover_with_memory,
    enter_network,
    private_mounts,
    unshare,
)
from pyrunner.executors.sandbox.netlink import ADDRESS_EVENTS, ROUTE_EVENTS, Netlink
from pyrunner.executors.sandbox.server import Server
from pyrunner.executors.sandbox.tools import GATEWAY, Tool

#: Seconds within which a network has to be up.
PATIENCE: Final = 5.0
#: User ids from here on, by process id: no system gives them to anybody.
_FIRST_USER: Final = 2_000_000_000
_TUN: Final = "/dev/net/tun"


class SandboxNetwork:
    """A network that lives as long as this object and the sandbox do."""

    def __init__(self, keeper: int, namespace: int, alive: int) -> None:
        self._keeper = keeper
        #: Descriptor of the network namespace.
        self.namespace = namespace
        #: The life line: to be held by the sandbox's first process.
        self.alive = alive

    @classmethod
    def start(cls, tools: Sequence[Tool], neighbours: Neighbours) -> SandboxNetwork:
        """Make a network and return when it is up; this process becomes the keeper's parent.

        :raises SandboxNetworkError: when no tool gets one up.
        """
        life_line, alive = os.pipe2(os.O_CLOEXEC)
        answer, tell = os.pipe2(os.O_CLOEXEC)
        _fork_keeper(life_line, tell, tools, neighbours)
        os.close(life_line)
        os.close(tell)
        with open(answer, "rb") as file:
            text = file.readline()
        told: dict[str, Any] = json.loads(text) if text else {"error": "its keeper has vanished"}
        if "error" in told:
            os.close(alive)
            raise SandboxNetworkError(f"no network for the workspace sandbox: {told['error']}")
        keeper = int(told["keeper"])
        namespace = os.open(f"/proc/{keeper}/fd/{told['namespace']}", os.O_RDONLY | os.O_CLOEXEC)
        return cls(keeper, namespace, alive)

    @property
    def keeper(self) -> int:
        """Return the keeper's process id, whose parent is the caller or its sub-reaper's."""
        return self._keeper

    def close(self) -> None:
        """End the network; the keeper has still to be waited for."""
        os.close(self.alive)
        os.close(self.namespace)
        # Its parent reaps it when that has time: the kernel takes 30 ms to take such namespaces down.
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._keeper, signal.SIGKILL)


def _fork_keeper(life_line: int, tell: int, tools: Sequence[Tool], neighbours: Neighbours) -> None:
    """Fork the keeper by way of a process that lives just long enough to give it its own ids."""
    between = os.fork()
    if between:
        os.waitpid(between, 0)
        return
    try:
        unshare(NEW_PROCESSES)
        if os.fork() == 0:
            _keep(life_line, tell, tools, neighbours)
    except OSError as error:
        _tell(tell, {"error": str(error)})
    finally:
        os._exit(0)


def _tell(tell: int, message: dict[str, Any]) -> None:
    os.write(tell, json.dumps(message).encode() + b"\n")


def _keep(life_line: int, tell: int, tools: Sequence[Tool], neighbours: Neighbours) -> None:
    try:
        # Held by us, the wrapper's lock and pipes would make a dead wrapper look alive.
        kept = sorted((life_line, tell))
        for first, last in zip((2, *kept), (*kept, 65536), strict=True):
            os.closerange(first + 1, last)
        for ignored in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
            signal.signal(ignored, signal.SIG_IGN)
        os.setsid()
        _Keeper(life_line, neighbours).run(tell, tools)
    except (OSError, PyrunnerError) as error:
        with contextlib.suppress(OSError):
            _tell(tell, {"error": str(error)})
    finally:
        os._exit(0)


class _Keeper:
    def __init__(self, life_line: int, neighbours: Neighbours) -> None:
        self._life_line = life_line
        self._neighbours = neighbours
        #: As /proc has it: our own namespace counts from 1.
        self._pid = int(os.readlink("/proc/self"))
        self._user = _FIRST_USER + self._pid
        self._host = Netlink(ADDRESS_EVENTS)

    def run(self, tell: int, tools: Sequence[Tool]) -> None:
        """Make the network with the first tool that can, tell of it, and stay as long as it is wanted."""
        failures: list[str] = []
        self._offer_tun()
        for tool in tools:
            server = Server.start(self._user, tool)
            namespace = os.open(server.namespace, os.O_RDONLY | os.O_CLOEXEC)
            inside = _socket_inside(namespace)
            # Before there is a way out: at no moment are they reachable.
            self._refuse(inside)
            server.go()
            if _leads_out(inside, server):
                self._refuse(inside, ways=True)
                _tell(tell, {"keeper": self._pid, "namespace": namespace, "tool": tool.name})
                os.close(tell)
                self._watch(inside)
                return
            failures.append(f"{tool.name}: {server.end()}")
            os.close(namespace)
            inside.close()
        raise SandboxNetworkError("; ".join(failures) or "neither slirp4netns nor pasta is installed")

    def _offer_tun(self) -> None:
        """Make sure that an ordinary user may open the tunnel device, as on most systems; here only."""
        status = os.stat(_TUN)
        if status.st_mode & 0o006 == 0o006:
            return
        private_mounts()
        cover_with_memory(os.path.dirname(_TUN))
        os.mknod(_TUN, stat.S_IFCHR | 0o666, status.st_rdev)
        os.chmod(_TUN, 0o666)  # noqa: S103 - what it is on most systems, and seen by our tool alone

    def _watch(self, inside: Netlink) -> None:
        """Return when the sandbox has ended."""
        poller = select.poll()
        poller.register(self._life_line, select.POLLHUP)
        poller.register(self._host.fileno(), select.POLLIN)
        while True:
            for fd, event in poller.poll():
                if fd == self._life_line and event & (select.POLLHUP | select.POLLERR):
                    return
                self._host.drop_events()
                self._refuse(inside, ways=True)

    def _refuse(self, inside: Netlink, ways: bool = False) -> None:
        """Make networks of other containers unreachable; with ``ways`` the host's address there is not."""
        for network, own in self._neighbours.refused(self._host.addresses()):
            inside.refuse(network)
            if ways:
                inside.lead(own, GATEWAY)


def _socket_inside(namespace: int) -> Netlink:
    home = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        enter_network(namespace)
        try:
            return Netlink(ROUTE_EVENTS)
        finally:
            enter_network(home)
    finally:
        os.close(home)


def _leads_out(inside: Netlink, server: Server) -> bool:
    """Wait until the namespace has a way out; False when the server ended, or took too long."""
    ends = time.monotonic() + PATIENCE
    poller = select.poll()
    poller.register(inside.fileno(), select.POLLIN)
    while not inside.has_default_route():
        if server.ended() or time.monotonic() > ends:
            return False
        poller.poll(5)
        inside.drop_events()
    return True
