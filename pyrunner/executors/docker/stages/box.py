"""The box: the one folder of ours that a job's containers see, mounted read-only (design R3).

It lies below the control directory, whose 0700 keeps everybody else out, and holds nothing but the
stage that is to run: its script and its FIFOs, as hard links under fixed names. A container's command is
fixed when it is created; what it runs is decided by what is in the box when it starts.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pyrunner.errors import JobDirError
from pyrunner.executors.stagefiles import StageFiles
from pyrunner.jobdir.control import ControlDir

#: Where containers see it.
MOUNT: Final = "/.pyrunner"
_SCRIPT, _STDOUT, _STDERR, _GO = "script", "out", "err", "go"


@dataclass(frozen=True, slots=True)
class Box:
    """The box of one container of a job."""

    folder: Path

    @classmethod
    def of(cls, control: ControlDir, container: str) -> Box:
        """Return the box of ``container``: ``build`` or ``helper``."""
        return cls(control.boxes / container)

    @property
    def go(self) -> Path:
        """FIFO that a started container reads a line from before it does anything."""
        return self.folder / _GO

    def make(self) -> None:
        """Make the folder.

        :raises JobDirError: when it cannot be made.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            # The users of an image are nobody that this host knows.
            for folder in (self.folder.parent, self.folder):
                folder.chmod(0o755)
        except OSError as error:
            raise JobDirError(f"cannot make {self.folder}: {error.strerror}") from error

    def renew_go(self) -> None:
        """Put a new FIFO in place of the old one: what was written to that is nobody's any more."""
        fresh = self.folder / f".{_GO}"
        fresh.unlink(missing_ok=True)
        os.mkfifo(fresh, 0o600)
        fresh.chmod(0o644)
        fresh.rename(self.go)

    def load(self, files: StageFiles) -> None:
        """Make a stage the one that the container's next line from ``go`` runs."""
        for source, name in ((files.script, _SCRIPT), (files.stdout, _STDOUT), (files.stderr, _STDERR)):
            link = self.folder / f".{name}"
            link.unlink(missing_ok=True)
            os.link(source, link)
            link.rename(self.folder / name)

    def remove(self) -> None:
        """Remove it; no container has it mounted any more."""
        shutil.rmtree(self.folder, ignore_errors=True)


def inside(name: str) -> str:
    """Return the path by which containers know a file of their box."""
    return f"{MOUNT}/{name}"


def redirect() -> str:
    """Return shell text that waits for the word to go and takes the stage's script and FIFOs."""
    return (
        f"read -r _ <{inside(_GO)}; "
        f"exec <{inside(_SCRIPT)} >{inside(_STDOUT)} 2>{inside(_STDERR)} || exit 1; "
    )
