"""Fixtures for tests that need a coordinator and a repository; registered in ``tests/conftest.py``."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from pyrunner.coordinator.server import EmbeddedCoordinator
from pyrunner.coordinator.settings import CoordinatorSettings

#: Variables that would change what git, a job or a runner does.
_FOREIGN = ("GIT_", "CI_", "GITLAB_", "RUNNER_", "FF_")
_FOREIGN_NAMES = ("CI", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")


def foreign_variables(environment: Mapping[str, str]) -> list[str]:
    """Return the names that processes of a test must not inherit."""
    return [name for name in environment if name.startswith(_FOREIGN) or name in _FOREIGN_NAMES]


@pytest.fixture
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away what processes of an integration test must not inherit."""
    for name in foreign_variables(os.environ):
        monkeypatch.delenv(name)


@pytest.fixture
def coordinator() -> Iterator[EmbeddedCoordinator]:
    """A fresh coordinator on loopback; runners are asked to report every second."""
    with EmbeddedCoordinator(settings=CoordinatorSettings(trace_update_interval=1)) as running:
        yield running


@dataclass(frozen=True)
class GitRepository:
    """A working tree: branches ``main`` (checked out) and ``feature``, tag ``v1`` on main's first commit."""

    path: Path

    def git(self, *arguments: str) -> str:
        """Run git in the tree and return its output, stripped."""
        environment = {
            **{
                name: value for name, value in os.environ.items() if name not in foreign_variables(os.environ)
            },
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_AUTHOR_NAME": "Ada",
            "GIT_AUTHOR_EMAIL": "ada@example.com",
            "GIT_COMMITTER_NAME": "Ada",
            "GIT_COMMITTER_EMAIL": "ada@example.com",
            "GIT_AUTHOR_DATE": "2026-01-02T03:04:05+00:00",
            "GIT_COMMITTER_DATE": "2026-01-02T03:04:05+00:00",
        }
        done = subprocess.run(
            ["git", "-C", str(self.path), *arguments], env=environment, capture_output=True, check=True
        )
        return done.stdout.decode().strip()

    def commit(self, files: Mapping[str, str], message: str) -> str:
        """Write files, commit them on the current branch and return the SHA."""
        for name, content in files.items():
            path = self.path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def git_repository(tmp_path: Path) -> GitRepository:
    """A small repository with two commits on main, one more on feature, and a tag."""
    path = tmp_path / "sample"
    path.mkdir()
    repository = GitRepository(path)
    repository.git("init", "--quiet", "--initial-branch", "main")
    repository.commit({"README.md": "A sample.\n", "src/hello.txt": "hello\n"}, "First commit")
    repository.git("tag", "v1")
    repository.commit({"src/hello.txt": "hello again\n"}, "Second commit\n\nWith a description.")
    repository.git("switch", "--quiet", "--create", "feature")
    repository.commit({"feature.txt": "new\n"}, "A feature")
    repository.git("switch", "--quiet", "main")
    return repository
