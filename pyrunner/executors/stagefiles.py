"""The files of one stage attempt in the control directory (design R3)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from pyrunner.jobdir.control import ControlDir
from pyrunner.jobdir.names import safe_name
from pyrunner.system.files import write_atomic


@dataclass(frozen=True, slots=True)
class StageFiles:
    """Names the files; ``key`` is the stage's ordinal and name, harmless as a file name."""

    control: ControlDir
    key: str

    @classmethod
    def of(cls, control: ControlDir, number: int, name: str, restart: int = 0) -> StageFiles:
        """Return the files of a stage; ``restart`` counts repetitions after a vanished wrapper."""
        suffix = f"r{restart}" if restart else ""
        return cls(control, f"{number}{suffix}.{safe_name(name)}")

    @classmethod
    def unclaimed(cls, control: ControlDir, number: int, name: str) -> tuple[StageFiles, int]:
        """Return the files of an attempt that nobody has claimed yet, and how many were before it."""
        restart = 0
        while (files := cls.of(control, number, name, restart)).claim.exists():
            restart += 1
        return files, restart

    def store_script(self, script: str) -> None:
        """Write the stage's script, 0600; bytes that are no UTF-8 stay what they were."""
        write_atomic(self.script, script.encode("utf-8", "surrogateescape"), durable=False)

    def _file(self, kind: str) -> Path:
        return self.control.path / f"{kind}.{self.key}"

    @property
    def claim(self) -> Path:
        """Exclusive: made by the wrapper that starts the script, or by a supervisor to void it."""
        return self._file("claim")

    @property
    def exit(self) -> Path:
        """How the stage ended; written by the wrapper, atomically."""
        return self._file("exit")

    @property
    def drained(self) -> Path:
        """Made by the supervisor when it has all output; the wrapper may go."""
        return self._file("drained")

    @property
    def stdout(self) -> Path:
        """FIFO of the stage's standard output."""
        return self._file("out")

    @property
    def stderr(self) -> Path:
        """FIFO of the stage's standard error."""
        return self._file("err")

    @property
    def lock(self) -> Path:
        """Held while the wrapper lives."""
        return self._file("wlock")

    @property
    def script(self) -> Path:
        """The stage script."""
        return self.control.scripts / f"{self.key}.sh"

    def make_fifos(self) -> None:
        """Make the FIFOs; 0666 so that a job under another user can reopen ``/dev/stdout``.

        The 0700 folder above keeps everybody else out.
        """
        for fifo in (self.stdout, self.stderr):
            try:
                os.mkfifo(fifo, 0o600)
            except FileExistsError:
                continue
            fifo.chmod(0o666)

    def remove(self) -> None:
        """Remove what is of no use once the stage's result is in the journal."""
        for file in (self.stdout, self.stderr, self.script, self.lock):
            file.unlink(missing_ok=True)
