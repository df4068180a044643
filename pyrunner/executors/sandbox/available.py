"""Whether the workspace sandbox can work on this host, and what stands in its way."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pyrunner.executors.sandbox.syscalls import ARCHITECTURES
from pyrunner.executors.sandbox.tools import installed

#: The first with ``--size`` (``--perms`` and ``--clearenv`` are older).
OLDEST: Final = (0, 7, 0)
_SELINUX: Final = "sys/fs/selinux/enforce"
_MOST_USER_NAMESPACES: Final = "proc/sys/user/max_user_namespaces"


@dataclass(frozen=True)
class Host:
    """What is asked of a host; replaceable in tests."""

    root: Path = Path("/")
    user: int = -1
    machine: str = ""
    which: Callable[[str], str | None] = shutil.which
    #: Program and arguments → what it printed and its exit code.
    run: Callable[[list[str]], tuple[int, str]] | None = None

    def execute(self, words: list[str]) -> tuple[int, str]:
        """Run a program of the host."""
        if self.run is not None:
            return self.run(words)
        try:
            done = subprocess.run(
                words,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                timeout=30,
                check=False,
            )
        except (OSError, subprocess.SubprocessError) as error:
            return 127, str(error)
        return done.returncode, done.stdout


def sandbox_available(host: Host | None = None) -> str | None:
    """Return why the sandbox cannot work here, None when it can. Takes about 20 ms: ask once a process.

    The text is for logs and ``doctor``, and says what to do about it.
    """
    host = Host(user=os.geteuid(), machine=os.uname().machine) if host is None else host
    for check in (_user, _machine, _bubblewrap, _network, _selinux, _trial):
        reason = check(host)
        if reason:
            return reason
    return None


def _user(host: Host) -> str | None:
    return "the runner manager is not root" if host.user != 0 else None


def _machine(host: Host) -> str | None:
    if host.machine in ARCHITECTURES:
        return None
    return f"there is no system call filter for the architecture {host.machine}"


def _bubblewrap(host: Host) -> str | None:
    if host.which("bwrap") is None:
        return "bubblewrap is not installed (package bubblewrap)"
    _, text = host.execute(["bwrap", "--version"])
    found = re.search(r"(\d+)\.(\d+)\.(\d+)", text)
    version = tuple(int(one) for one in found.groups()) if found else (0, 0, 0)
    if version < OLDEST:
        wanted = ".".join(map(str, OLDEST))
        return f"bubblewrap is {'.'.join(map(str, version))}, older than {wanted}"
    return None


def _network(host: Host) -> str | None:
    if not installed(host.which):
        return "neither slirp4netns nor pasta (package passt) is installed"
    if not (host.root / "dev/net/tun").exists():
        return "there is no /dev/net/tun (modprobe tun)"
    most = _text(host.root / _MOST_USER_NAMESPACES)
    if most == "0":
        return "the kernel makes no user namespaces (user.max_user_namespaces is 0)"
    return None


def _selinux(host: Host) -> str | None:
    if _text(host.root / _SELINUX) == "1":
        return "SELinux is enforcing: what the sandbox writes may not carry the label that containers need"
    return None


def _trial(host: Host) -> str | None:
    """Have bubblewrap make the namespaces and mounts that it will have to make: nested runners may not."""
    code, text = host.execute(
        [
            *("bwrap", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-net", "--clearenv"),
            *("--cap-drop", "ALL", "--cap-add", "CAP_DAC_OVERRIDE", "--cap-add", "CAP_FOWNER"),
            *("--ro-bind", "/", "/", "--proc", "/proc", "--remount-ro", "/proc", "--dev", "/dev"),
            *("--", "/bin/sh", "-c", "exit 0"),
        ]
    )
    if code == 0:
        return None
    last = text.strip().splitlines()
    return f"bubblewrap cannot work here: {last[-1] if last else f'exit status {code}'}"


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
