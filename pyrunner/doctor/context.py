"""What the checks are given: the configuration, this host, and what other layers know."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pyrunner.config.model import Config, RunnerConfig

#: Seconds that a program which is asked for its version, or a unit's state, may take.
_PATIENCE: Final = 10.0


@dataclass(frozen=True)
class Host:
    """This machine, as the checks ask it; replaceable in tests.

    :param root: where ``/proc``, ``/run`` and the like are.
    """

    environ: Mapping[str, str]
    root: Path = Path("/")
    uid: int = field(default_factory=os.geteuid)

    def which(self, program: str) -> str | None:
        """Return the path of a program, as a service with this environment would find it."""
        return shutil.which(program, path=self.environ.get("PATH", os.defpath))

    def run(self, *words: str) -> tuple[int, str]:
        """Return exit code and output (both streams) of a program; 127 when it cannot be run."""
        try:
            done = subprocess.run(
                words,
                env=dict(self.environ),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                timeout=_PATIENCE,
                check=False,
            )
        except (OSError, subprocess.SubprocessError) as error:
            return 127, str(error)
        return done.returncode, done.stdout.strip()

    def text(self, path: str) -> str:
        """Return the content of a file below :attr:`root`, stripped; empty when it cannot be read."""
        try:
            return (self.root / path).read_text(errors="replace").strip()
        except OSError:
            return ""


@dataclass(frozen=True)
class Context:
    """All that a check may use.

    :param system_id: the stored one, or what a start would make; empty where it cannot be known.
    :param info_of: the info object of an entry, for the verify call.
    :param root_of: where an entry's jobs live.
    :param executors: those that jobs can run on.
    """

    path: Path
    config: Config
    host: Host
    system_id: str
    certificates: Path
    info_of: Callable[[RunnerConfig], dict[str, Any]]
    root_of: Callable[[RunnerConfig], Path]
    executors: frozenset[str]

    @property
    def runners(self) -> list[RunnerConfig]:
        """The entries that can get jobs."""
        return [one for one in self.config.runners if one.executor in self.executors]

    def with_executor(self, name: str) -> list[RunnerConfig]:
        """Return the entries with this executor."""
        return [one for one in self.runners if one.executor == name]
