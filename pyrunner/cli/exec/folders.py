"""Where ``exec`` keeps things: never in the repository.

``<data>/exec/<project>-<hash>/`` has ``lanes/<n>/`` (checkouts and caches; one run at a time has a lane),
``runs/<n>/`` (what each run left) and ``latest``, a link to the last run.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pyrunner.config.locations import home_folder
from pyrunner.errors import JobDirError, PyrunnerError
from pyrunner.jobdir.names import safe_name
from pyrunner.system.files import make_private, read_json, write_json
from pyrunner.system.lock import OpenFileLock, is_held

#: Runs that are kept.
KEPT_RUNS: Final = 10
LOOPBACK: Final = "127.0.0.1"
_LANES: Final = 16
#: Seconds between the making of a run's folder and the lock in it, at most.
_BEGINNING: Final = 60.0
_RESULT: Final = "result.json"
_KEEP: Final = ".keep"
#: Held while a run goes on.
RUN_LOCK: Final = "lock"


@dataclass
class Lane:
    """Checkouts and caches for one run at a time.

    :param host: what the coordinator listens on, with ``port``. Both stay from run to run: caches are kept by
        them, and jobs that a killed run has left behind look for it there.
    """

    path: Path
    host: str
    port: int
    lock: OpenFileLock

    @property
    def root(self) -> Path:
        """The run directory of the runners."""
        return self.path / "root"

    def close(self) -> None:
        """Let another run have the lane."""
        self.lock.close()


@dataclass(frozen=True)
class ProjectFolder:
    """All that ``exec`` keeps of one working copy."""

    path: Path

    @classmethod
    def of(cls, top: Path, environ: Mapping[str, str]) -> ProjectFolder:
        """Return the folder of the working copy at ``top``.

        :raises PyrunnerError: when this user has no home.
        """
        data = environ.get("XDG_DATA_HOME", "")
        if not data.startswith("/"):
            home = home_folder(environ, os.getuid())
            if home is None:
                raise PyrunnerError("there is no place for the jobs: set HOME or XDG_DATA_HOME")
            data = str(home / ".local" / "share")
        digest = hashlib.sha256(os.fsencode(top)).hexdigest()[:8]
        return cls(Path(data) / "pyrunner" / "exec" / f"{safe_name(top.name or 'root')}-{digest}")

    def take_lane(self, bridge: str = "") -> Lane:
        """Return a lane that nobody else has.

        :param bridge: address of this machine that containers reach; empty when there will be none.
        :raises PyrunnerError: when all are taken.
        """
        for number in range(1, _LANES + 1):
            path = self.path / "lanes" / str(number)
            make_private(path)
            lock = OpenFileLock.take(path / "lock")
            if lock is None:
                continue
            address = _free_address(path / "address.json", bridge)
            if address is not None:
                return Lane(path, *address, lock)
            lock.close()
        raise PyrunnerError(f"{_LANES} runs of this working copy are under way; wait for one to end")

    def new_run(self) -> Path:
        """Make the folder of a new run, and empty those of runs that were killed: secrets may be in them."""
        runs = self.path / "runs"
        make_private(runs)
        for one in runs.iterdir():
            if one.name.isdecimal() and _was_killed(one):
                for left in one.iterdir():  # the folder itself stays: no number is given twice
                    if left.is_dir() and not left.is_symlink():
                        shutil.rmtree(left, ignore_errors=True)
                    else:
                        left.unlink(missing_ok=True)
        number = max((int(one.name) for one in runs.iterdir() if one.name.isdecimal()), default=0) + 1
        while True:
            try:
                (runs / str(number)).mkdir(mode=0o700)
                break
            except FileExistsError:
                number += 1
        return runs / str(number)

    def finish_run(self, run: Path, result: Mapping[str, Any], keep: bool) -> None:
        """Keep what a run came to, and remove the oldest runs."""
        write_json(run / _RESULT, result, durable=False)
        if keep:
            (run / _KEEP).touch(mode=0o600)
        link = self.path / "latest"
        fresh = self.path / f".latest.{os.getpid()}"
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(run.relative_to(self.path))
        fresh.replace(link)
        runs = [one for one in run.parent.iterdir() if one.name.isdecimal() and not (one / _KEEP).exists()]
        for old in sorted(runs, key=lambda one: int(one.name))[:-KEPT_RUNS]:
            if not is_held(old / RUN_LOCK):
                shutil.rmtree(old, ignore_errors=True)

    def last_result(self) -> tuple[Path, dict[str, Any]] | None:
        """Return folder and result of the last run that has ended; None before the first."""
        try:
            run = (self.path / "latest").resolve(strict=True)
            result = read_json(run / _RESULT)
        except (OSError, JobDirError):
            return None
        return (run, result) if isinstance(result, dict) else None


def _was_killed(run: Path) -> bool:
    """Tell whether a run has no end: nobody works in its folder, which is not just being begun."""
    try:
        age = time.time() - run.stat().st_mtime
        return age > _BEGINNING and not (run / _RESULT).exists() and not is_held(run / RUN_LOCK)
    except OSError:
        return False


def _free_address(memory: Path, bridge: str) -> tuple[str, int] | None:
    """Return the address of a lane, which is remembered; None when something else has its port."""
    host, port = LOOPBACK, 0
    with contextlib.suppress(OSError, JobDirError, KeyError, TypeError):
        remembered = read_json(memory)
        host, port = str(remembered["host"]), int(remembered["port"])
    for candidate in dict.fromkeys((bridge,) if bridge else (host, LOOPBACK)):
        try:
            found = _bind(candidate, port)
        except OSError as error:
            if error.errno == errno.EADDRNOTAVAIL and candidate == host:
                continue  # docker is gone, and its bridge with it
            return None
        write_json(memory, {"host": candidate, "port": found}, durable=False)
        return candidate, found
    return None


def _bind(host: str, port: int) -> int:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))
        return int(probe.getsockname()[1])
