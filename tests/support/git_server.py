"""A repository to fetch from: made here, served over HTTP with credentials."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pyrunner.coordinator.git_http import GitHTTP
from pyrunner.coordinator.http_server import ThreadedServer
from pyrunner.coordinator.repositories import Repositories
from pyrunner.coordinator.settings import CoordinatorSettings
from pyrunner.coordinator.state import CoordinatorState


def git(folder: Path, *arguments: str) -> str:
    """Run git in ``folder`` without the user's configuration and return its output."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "A",
        "GIT_AUTHOR_EMAIL": "a@example.com",
        "GIT_COMMITTER_NAME": "A",
        "GIT_COMMITTER_EMAIL": "a@example.com",
    }
    allowed = ("-c", "protocol.file.allow=always", "-c", "init.defaultBranch=main")
    done = subprocess.run(
        ["git", *allowed, *arguments], cwd=folder, env=environment, check=True, capture_output=True
    )
    return done.stdout.decode().strip()


def commit_file(folder: Path, name: str, content: str) -> str:
    """Commit one file and return the commit."""
    (folder / name).write_text(content)
    git(folder, "add", name)
    git(folder, "commit", "-q", "-m", f"Add {name}")
    return git(folder, "rev-parse", "HEAD")


def new_repository(folder: Path) -> Path:
    """Make a repository with one commit on ``main``."""
    folder.mkdir(parents=True)
    git(folder, "init", "-q")
    commit_file(folder, "README", "one\n")
    return folder


@contextmanager
def serving(folder: Path, password: str, **repositories: Path) -> Iterator[str]:
    """Serve ``group/<name>`` to ``gitlab-ci-token``; yields the server's URL."""
    state = CoordinatorState(folder / "coordinator", CoordinatorSettings())
    served = Repositories(folder / "served")
    for name, path in repositories.items():
        served.add(f"group/{name}", path)
    http = GitHTTP(served, state.store)
    http.credentials["gitlab-ci-token"] = password

    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await http.serve(scope, receive, send)

    server = ThreadedServer(application, "127.0.0.1", 0)
    server.start()
    try:
        yield server.url
    finally:
        server.stop()
