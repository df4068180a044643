"""Runs generated stage scripts as an executor would: on stdin of a fresh shell."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from pyrunner.build.context import BuildContext
from pyrunner.build.scripts import stage_script

GREEN, YELLOW, RESET = "\033[32;1m", "\033[0;33m", "\033[0;m"


def green(text: str) -> str:
    """Return a notice as scripts print it."""
    return f"{GREEN}{text}{RESET}"


def yellow(text: str) -> str:
    """Return a warning as scripts print it."""
    return f"{YELLOW}{text}{RESET}"


@dataclass(frozen=True)
class ScriptResult:
    """How a script ended and what it printed."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """Lines of stdout."""
        return self.out.splitlines()


class ScriptRunner:
    """A home folder and an environment to run scripts in."""

    def __init__(self, home: Path) -> None:
        self.home = home
        home.mkdir(parents=True, exist_ok=True)
        # What a script prints must not depend on whether this machine has git-lfs.
        tools = home / ".without-lfs"
        tools.mkdir(exist_ok=True)
        (tools / "git-lfs").write_text("#!/bin/sh\nexit 1\n")
        (tools / "git-lfs").chmod(0o755)
        self.environment = {
            "PATH": f"{tools}:{os.environ['PATH']}",
            "HOME": str(home),
            "GIT_CONFIG_NOSYSTEM": "1",
            # a submodule may come from a folder: git refuses that since 2.38
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "protocol.file.allow",
            "GIT_CONFIG_VALUE_0": "always",
        }

    def run(self, script: str, shell: tuple[str, ...] = ("bash",)) -> ScriptResult:
        """Run a script to its end."""
        done = subprocess.run(
            shell,
            input=script.encode(),
            cwd=self.home,
            env=self.environment,
            capture_output=True,
            check=False,
        )
        return ScriptResult(done.returncode, done.stdout.decode(), done.stderr.decode())

    def stage(
        self, context: BuildContext, stage: str, status: str = "running", shell: tuple[str, ...] = ("bash",)
    ) -> ScriptResult:
        """Run a stage that is known to have a script."""
        script = stage_script(context, stage, status)
        assert script is not None
        return self.run(script, shell)
