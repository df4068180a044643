"""``pyrunner exec`` as a process of its own, in a working copy with a home of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from tests.support.coordinator import GitRepository


@dataclass
class ExecLab:
    """A working copy to run ``exec`` in.

    :param variables: further environment of the processes.
    """

    repository: GitRepository
    home: Path
    variables: dict[str, str] = field(default_factory=dict)

    @classmethod
    def make(cls, folder: Path, text: str, files: Mapping[str, str] | None = None) -> ExecLab:
        """Return a repository with a configuration and files, all of it committed."""
        tree, home = folder / "project", folder / "home"
        tree.mkdir()
        home.mkdir()
        repository = GitRepository(tree)
        repository.git("init", "--quiet", "--initial-branch", "main")
        repository.commit({".gitlab-ci.yml": text, **(files or {})}, "A title")
        return cls(repository, home)

    @property
    def tree(self) -> Path:
        """The working copy."""
        return self.repository.path

    def configure(self, text: str) -> None:
        """Write another configuration, not committed."""
        (self.tree / ".gitlab-ci.yml").write_text(text)

    @property
    def environment(self) -> dict[str, str]:
        """The environment of the processes."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
            "PYTHONDONTWRITEBYTECODE": "1",
            **self.variables,
        }

    @property
    def command(self) -> list[str]:
        """The command line up to its arguments."""
        return [sys.executable, "-m", "pyrunner", "exec"]

    def run(self, *arguments: str, given: str = "", timeout: float = 100) -> subprocess.CompletedProcess[str]:
        """Run to the end; standard output and error apart."""
        return subprocess.run(
            [*self.command, *arguments],
            cwd=self.tree,
            env=self.environment,
            input=given,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def events(self, *arguments: str) -> list[dict[str, Any]]:
        """Run with ``--json`` and return the events."""
        done = self.run("--json", *arguments)
        assert done.stdout, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    def states(self, *arguments: str) -> dict[str, str]:
        """Run and return the state of each job at the end."""
        result = self.events(*arguments)[-1]
        return {one["name"]: one["status"] for one in result["jobs"]}

    @property
    def folder(self) -> Path:
        """What ``exec`` keeps of the working copy."""
        (found,) = (self.home / ".local/share/pyrunner/exec").iterdir()
        return found

    @property
    def latest(self) -> Path:
        """What the last run left."""
        return (self.folder / "latest").resolve()

    def log(self, job: str) -> str:
        """Return the log of a job of the last run."""
        return (self.latest / "logs" / f"{job}.log").read_text()

    def processes(self) -> list[psutil.Process]:
        """Return what runs below the home."""
        found = []
        for process in psutil.process_iter():
            try:
                ours = process.environ().get("HOME") == str(self.home)
                if ours and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        return found
