"""The process that serves a network namespace: root of a user namespace, nobody on the host.

A process of the keeper's makes a user namespace, whose root is a user id that nobody else has, has a child
make the network namespace in it and hand it over, and becomes the tool. It needs no right that a system may
keep from ordinary users (Ubuntu and hardened kernels do not let them make user namespaces), and has no
right on the host.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from dataclasses import dataclass

from pyrunner.errors import SandboxNetworkError
from pyrunner.executors.sandbox.namespaces import NEW_NETWORK, NEW_USERS, become_owner, unshare
from pyrunner.executors.sandbox.tools import Tool


@dataclass
class Server:
    """A tool that is about to run, or runs."""

    #: Our child; the id that fork gave us.
    _pid: int
    #: The network namespace, as a path that we can open.
    namespace: str
    _start: int
    _output: int
    _status: int | None = None

    @classmethod
    def start(cls, user: int, tool: Tool) -> Server:
        """Make the namespaces; the tool waits for :meth:`go`.

        :raises SandboxNetworkError: when the kernel refuses.
        """
        output = os.memfd_create("tool", os.MFD_CLOEXEC)
        told, tell = os.pipe2(os.O_CLOEXEC)
        start, begin = os.pipe2(os.O_CLOEXEC)
        pid = os.fork()
        if pid == 0:
            os.close(told)
            os.close(begin)
            _serve(user, tool, tell, start, output)
        os.close(tell)
        os.close(start)
        with open(told) as answers:
            own = answers.readline().strip()
            if own.isdigit():
                _map(int(own), user)
                os.write(begin, b"m")
                namespace = answers.readline().strip()
        if not own.isdigit() or not namespace.isdigit():
            raise SandboxNetworkError(f"no namespaces: {namespace if own.isdigit() else own}")
        return cls(pid, f"/proc/{own}/fd/{namespace}", begin, output)

    def go(self) -> None:
        """Have the tool begin."""
        os.write(self._start, b"g")
        os.close(self._start)

    def ended(self) -> bool:
        """Tell whether it has ended."""
        if self._status is None:
            pid, status = os.waitpid(self._pid, os.WNOHANG)
            self._status = status if pid else None
        return self._status is not None

    def end(self) -> str:
        """End it; returns the last that it said."""
        if not self.ended():
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
        text = os.pread(self._output, 4096, 0).decode(errors="replace").strip().splitlines()
        return text[-1] if text else "no way out of the namespace in time"


def _map(pid: int, user: int) -> None:
    """Make ``user`` and the group of that number the only ones of a new user namespace, as its root."""
    for file, text in (("setgroups", "deny"), ("uid_map", f"0 {user} 1"), ("gid_map", f"0 {user} 1")):
        with open(f"/proc/{pid}/{file}", "w") as opened:
            opened.write(text)


def _serve(user: int, tool: Tool, tell: int, start: int, output: int) -> None:
    try:
        become_owner(user)
        unshare(NEW_USERS)
        os.write(tell, os.readlink("/proc/self").encode() + b"\n")
        if not os.read(start, 1):
            return
        namespace = _new_network()
        os.write(tell, f"{namespace}\n".encode())
        os.close(tell)
        if not os.read(start, 1):
            return
        null = os.open(os.devnull, os.O_RDONLY)
        for number, fd in enumerate((null, output, output)):
            os.dup2(fd, number)
        # pasta takes a SIGPIPE that is ignored already for a failure to ignore it.
        for one in (signal.SIGPIPE, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
            signal.signal(one, signal.SIG_DFL)
        os.set_inheritable(namespace, True)
        words = tool.command(f"/proc/self/fd/{namespace}")
        os.execvpe(words[0], words, {"PATH": os.environ.get("PATH", os.defpath)})  # noqa: S606
    except OSError as error:
        for fd in (tell, output):  # whichever is still listened to
            with contextlib.suppress(OSError):
                os.write(fd, f"{error}\n".encode())
    finally:
        os._exit(1)


def _new_network() -> int:
    """Return a new network namespace of our user namespace; we stay in the host's, as the tool has to."""
    here, there = socket.socketpair()
    with here, there:
        child = os.fork()
        if child == 0:
            try:
                unshare(NEW_NETWORK)
                made = os.open("/proc/self/ns/net", os.O_RDONLY)
                socket.send_fds(there, [b"n"], [made])
            finally:
                os._exit(0)
        there.close()
        _, descriptors, _, _ = socket.recv_fds(here, 1, 1)
        os.waitpid(child, 0)
    if not descriptors:
        raise OSError("cannot make a network namespace")
    return descriptors[0]
