"""What one workspace stage in the sandbox sees and may do."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pyrunner.errors import JobDirError
from pyrunner.executors.sandbox.accounts import HOME
from pyrunner.executors.sandbox.interpreter import OWN, Interpreter
from pyrunner.executors.sandbox.trust import check_mount_source
from pyrunner.system.proctree import MARKER

#: The project's cache archives (GitLab ``cache:``) inside: ``ExecutorTraits.archives_dir``.
ARCHIVES: Final = f"{OWN}/cache"
PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#: What files of a workspace stage get, so that any user of the build image can write them (8.4).
OPEN_UMASK: Final = 0
#: The same with ``FF_DISABLE_UMASK_FOR_DOCKER_EXECUTOR``.
USUAL_UMASK: Final = 0o022
#: A job's folder cannot be at, above or below one of these.
_TAKEN: Final = (
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/etc",
    "/proc",
    "/dev",
    "/sys",
    OWN,
)


@dataclass(frozen=True)
class Mount:
    """A folder of the host inside the sandbox."""

    source: Path
    #: Absolute path inside.
    target: str
    writable: bool = True


@dataclass(frozen=True)
class SandboxPlan:
    """One stage; nothing that it does not name can be seen or changed."""

    #: This job's part of the layout for this stage: sources, its slot's ``/cache``, its archives.
    mounts: tuple[Mount, ...]
    #: Without a network there is none at all, not even the host's loopback or abstract sockets.
    network: bool
    interpreter: Interpreter
    #: The shell; the script comes on standard input.
    command: tuple[str, ...] = ("bash",)
    umask: int = OPEN_UMASK
    #: Beyond ``PATH``, ``HOME`` and ``LANG``. On a command line of the host: never a secret.
    environment: Mapping[str, str] = field(default_factory=dict)
    working_directory: str = "/"
    host_name: str = "workspace"
    #: The one step that gives files to the build container's user may (``FF_DISABLE_UMASK…``, 8.4).
    may_chown: bool = False

    def check(self) -> None:
        """Make sure that no mount leads elsewhere or hides what is ours.

        :raises JobDirError: naming the folder at fault.
        """
        for mount in self.mounts:
            reason = unusable_target(mount.target, self.interpreter)
            if reason:
                raise JobDirError(reason)
            check_mount_source(mount.source)
            for folder in (*self.interpreter.folders, str(self.interpreter.package)):
                if mount.writable and Path(folder).is_relative_to(mount.source):
                    raise JobDirError(
                        f"{folder} lies in {mount.source}, which jobs can write: install pyrunner elsewhere"
                    )

    def variables(self, marker: str) -> dict[str, str]:
        """Return the whole environment of the stage.

        :param marker: see :mod:`pyrunner.system.proctree`.
        """
        base = {"PATH": PATH, "HOME": HOME, "LANG": "C.UTF-8", "PYTHONSAFEPATH": "1", MARKER: marker}
        return {**base, **self.environment}


def unusable_target(target: str, interpreter: Interpreter) -> str:
    """Return why a job's folder cannot be mounted at ``target``; empty when it can."""
    if target[:1] != "/" or target[:2] in ("/", "//") or posixpath.normpath(target) != target:
        return f"{target!r} is not an absolute path of a folder below /"
    if target == ARCHIVES:
        return ""
    # Above /root or /tmp nothing is: only they themselves, which are new folders of each stage.
    for taken in (*_TAKEN, *interpreter.folders):
        if within(target, taken) or within(taken, target):
            return f"{target} is a folder of the sandbox itself ({taken})"
    return ""


def within(path: str, outer: str) -> bool:
    """Tell whether ``path`` is ``outer`` or below it."""
    return path == outer or path.startswith(outer.rstrip("/") + "/")
