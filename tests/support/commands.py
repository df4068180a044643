"""Commands of pyrunner as processes of their own, for integration tests."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

_CHECKOUT = Path(__file__).resolve().parents[2]
_COLOURS = re.compile("\x1b\\[[0-9;]*m")


@dataclass(frozen=True)
class Done:
    """How a command ended; colours are removed from its output."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class CommandLine:
    """Runs commands with a home folder and a config.toml of their own."""

    home: Path

    @property
    def config(self) -> Path:
        """The config.toml that every command is given by ``CONFIG_FILE``."""
        return self.home / "config.toml"

    def environment(self, **variables: str) -> dict[str, str]:
        """Return what a command gets to see."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(_CHECKOUT),
            "CONFIG_FILE": str(self.config),
            **variables,
        }

    def argv(self, *arguments: str) -> list[str]:
        """Return the command line of a command."""
        return [sys.executable, "-m", "pyrunner", *arguments]

    def run(self, *arguments: str, answers: str | None = None, **variables: str) -> Done:
        """Run a command to its end.

        :param answers: standard input; nothing when absent.
        :param variables: added to the environment.
        """
        done = subprocess.run(
            self.argv(*arguments),
            env=self.environment(**variables),
            input=(answers or "").encode(),
            capture_output=True,
            timeout=60,
            check=False,
        )
        return Done(done.returncode, done.stdout.decode(), plain(done.stderr))

    def script(self, name: str, *arguments: str) -> Done:
        """Run a script of the checkout's top folder."""
        done = subprocess.run(
            [sys.executable, str(_CHECKOUT / name), *arguments],
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=60,
            check=False,
        )
        return Done(done.returncode, done.stdout.decode(), plain(done.stderr))


def plain(output: bytes) -> str:
    """Return output without colours."""
    return _COLOURS.sub("", output.decode())
