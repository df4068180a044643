"""Commands of pyrunner as processes of their own, for integration tests."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pyrunner.coordinator.records import RunnerRecord
from pyrunner.coordinator.server import EmbeddedCoordinator

#: The top of a config.toml as a person keeps it.
HEAD: Final = """# Runners of the lab; ask Ada before you change anything.
concurrent   =   4  # machines: 2
my_own_key = "kept"

[session_server]
session_timeout=1800

"""

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

    @property
    def system_id(self) -> str:
        """This machine's id as it is stored."""
        return (self.home / ".runner_system_id").read_text()

    def runners(self) -> list[dict[str, Any]]:
        """Return the entries of the config.toml."""
        return list(tomllib.loads(self.config.read_text()).get("runners", []))

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


def entry(coordinator: EmbeddedCoordinator, name: str, token: str, extra: str = "") -> str:
    """Return an entry of a config.toml as a person writes it."""
    return (
        f"# the runner called {name}\n[[runners]]\n"
        f'  executor = "shell"   # no docker here\n  name = "{name}"\n'
        f'  url = "{coordinator.url}"\n  token = "{token}" # secret\n{extra}\n'
    )


def known(coordinator: EmbeddedCoordinator) -> list[RunnerRecord]:
    """Return the runners the coordinator knows."""
    with coordinator.store.changed:
        return list(coordinator.store.runners.values())
