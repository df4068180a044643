"""The bubblewrap command line of a plan: exactly the wall of design R8, flag by flag."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pyrunner.executors.sandbox.accounts import HOME
from pyrunner.executors.sandbox.host_view import HostView
from pyrunner.executors.sandbox.interpreter import PROGRAM
from pyrunner.executors.sandbox.plan import SandboxPlan

#: Bytes of memory that temporary files of a stage may take.
TEMPORARY_SIZE: Final = 1 << 30
#: What of /proc Docker hides as well: keys, devices and timers belong to the machine.
_HIDDEN_FILES: Final = (
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/timer_list",
    "/proc/timer_stats",
)
_HIDDEN_FOLDERS: Final = ("/proc/acpi", "/proc/asound", "/proc/scsi")


@dataclass(frozen=True)
class Descriptors:
    """Open files that bubblewrap gets by number; it closes all of them before the stage begins."""

    #: The BPF program.
    seccomp: int
    #: Held by the sandbox's first process as long as anything in the sandbox lives; -1: none.
    alive: int = -1
    #: Path inside → content of a generated file.
    files: Mapping[str, int] = field(default_factory=dict)

    @property
    def all(self) -> tuple[int, ...]:
        """Return every number to pass on."""
        return tuple(one for one in (self.seccomp, self.alive, *self.files.values()) if one >= 0)


def sandbox_command(
    plan: SandboxPlan, descriptors: Descriptors, host: HostView, marker: str, hidden: HiddenInProc
) -> list[str]:
    """Return the words that start ``plan.command`` in the sandbox.

    The network namespace is the caller's unless the plan has none: whoever starts this has entered one.
    ``--die-with-parent`` is left out on purpose: the sandbox outlives a killed wrapper until the supervisor
    stops it as a tree, and has a result to tell otherwise.
    """
    words = [
        *("bwrap", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"),
        *(() if plan.network else ("--unshare-net",)),
        *("--hostname", plan.host_name, "--new-session", "--clearenv"),
        *("--cap-drop", "ALL", "--cap-add", "CAP_DAC_OVERRIDE", "--cap-add", "CAP_FOWNER"),
        *(("--cap-add", "CAP_CHOWN") if plan.may_chown else ()),
        *("--seccomp", str(descriptors.seccomp)),
        *(("--sync-fd", str(descriptors.alive)) if descriptors.alive >= 0 else ()),
    ]
    words += _host(host)
    words += _own_files(descriptors)
    words += ["--proc", "/proc"]
    for file in hidden.files:
        words += ["--ro-bind", "/dev/null", file]
    for folder in hidden.folders:
        words += ["--perms", "0555", "--size", "4096", "--tmpfs", folder, "--remount-ro", folder]
    words += ["--remount-ro", "/proc", "--dev", "/dev"]
    size = str(TEMPORARY_SIZE)
    words += ["--perms", "1777", "--size", size, "--tmpfs", "/dev/shm", "--remount-ro", "/dev"]  # noqa: S108
    words += ["--perms", "1777", "--size", size, "--tmpfs", "/tmp"]  # noqa: S108
    words += ["--perms", "0700", "--size", size, "--tmpfs", HOME]
    words += _interpreter(plan)
    # Outer folders first: an inner one is mounted over its place in the outer.
    for mount in sorted(plan.mounts, key=lambda one: one.target):
        words += ["--bind" if mount.writable else "--ro-bind", str(mount.source), mount.target]
    words += ["--remount-ro", "/", "--chdir", plan.working_directory]
    for name, value in plan.variables(marker).items():
        words += ["--setenv", name, value]
    return [*words, "--", *plan.command]


@dataclass(frozen=True)
class HiddenInProc:
    """What this kernel's /proc has of what is not to be seen: it cannot be covered where it is not."""

    files: tuple[str, ...]
    folders: tuple[str, ...]

    @classmethod
    def of(cls) -> HiddenInProc:
        """Look at the kernel's own."""
        files = tuple(one for one in _HIDDEN_FILES if Path(one).exists())
        return cls(files, tuple(one for one in _HIDDEN_FOLDERS if Path(one).is_dir()))


def _host(host: HostView) -> list[str]:
    words: list[str] = []
    for path in host.visible:
        words += ["--ro-bind", path, path]
    for path, target in host.links:
        words += ["--symlink", target, path]
    for path in host.hidden:
        words += ["--perms", "0555", "--size", "4096", "--tmpfs", path, "--remount-ro", path]
    return words


def _own_files(descriptors: Descriptors) -> list[str]:
    words: list[str] = []
    for path, fd in descriptors.files.items():
        words += ["--perms", "0444", "--file", str(fd), path]
    return words


def _interpreter(plan: SandboxPlan) -> list[str]:
    python = plan.interpreter
    words: list[str] = []
    for folder in python.folders:
        words += ["--ro-bind", folder, folder]
    words += ["--ro-bind", str(python.package), f"{PROGRAM}/pyrunner"]
    return [*words, "--ro-bind", str(python.program), f"{PROGRAM}/__main__.py"]
