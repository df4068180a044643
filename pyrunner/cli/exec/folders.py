"""Where ``exec`` keeps things: never in the repository.

``<data>/exec/<project>-<hash>/`` has ``lanes/<n>/`` (checkouts and caches; one run at a time has a lane),
``runs/<n>/`` (what each run left) and ``latest``, a link to the last run.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pyrunner.config.locations import home_folder
from pyrunner.errors import JobDirError, PyrunnerError
from pyrunner.jobdir.names import safe_name
from pyrunner.system.files import make_private, read_json, write_json
from pyrunner.system.lock import OpenFileLock

#: Runs that are kept.
KEPT_RUNS: Final = 10
_LANES: Final = 16
_RESULT: Final = "result.json"
_KEEP: Final = ".keep"


@dataclass
class Lane:
    """Checkouts and caches for one run at a time.

    :param port: what the coordinator listens on: jobs that an earlier run left behind look for it there.
    """

    path: Path
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

    def take_lane(self, host: str) -> Lane:
        """Return a lane that nobody else has.

        :param host: address that its port must be free on.
        :raises PyrunnerError: when all are taken.
        """
        for number in range(1, _LANES + 1):
            path = self.path / "lanes" / str(number)
            make_private(path)
            lock = OpenFileLock.take(path / "lock")
            if lock is None:
                continue
            port = _free_port(host, path / "port")
            if port:
                return Lane(path, port, lock)
            lock.close()
        raise PyrunnerError(f"{_LANES} runs of this working copy are under way; wait for one to end")

    def new_run(self) -> Path:
        """Make the folder of a new run; ``latest`` leads to it from now on."""
        runs = self.path / "runs"
        make_private(runs)
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
            shutil.rmtree(old, ignore_errors=True)

    def last_result(self) -> tuple[Path, dict[str, Any]] | None:
        """Return folder and result of the last run that has ended; None before the first."""
        try:
            run = (self.path / "latest").resolve(strict=True)
            result = read_json(run / _RESULT)
        except (OSError, JobDirError):
            return None
        return (run, result) if isinstance(result, dict) else None


def _free_port(host: str, memory: Path) -> int:
    """Return the port of a lane, which is remembered; 0 when something else has it."""
    remembered = 0
    with contextlib.suppress(OSError, ValueError):
        remembered = int(memory.read_text())
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, remembered))
        except OSError:
            return 0
        port = int(probe.getsockname()[1])
    memory.write_text(str(port))
    return port
