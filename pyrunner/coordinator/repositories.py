"""Repositories that a coordinator serves: bare, of its own, borrowing the objects of the original.

The original is only read. GitLab keeps a ref ``refs/pipelines/<id>`` for every pipeline, which is the
first refspec of each job (runner-api.md 3.3); it is made in our bare repository when a job is queued.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pyrunner.coordinator.predefined import NO_COMMIT, Commit
from pyrunner.errors import PyrunnerError
from pyrunner.system.files import make_private, write_atomic

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(?:/[A-Za-z0-9_][A-Za-z0-9._-]*)+\Z")
#: What GitLab's git servers allow, and what runners use: partial clone, fetch of a bare SHA.
_GIT_CONFIG: Final = """\
[safe]
	directory = *
[uploadpack]
	allowFilter = true
	allowAnySHA1InWant = true
[gc]
	auto = 0
"""


class RepositoryError(PyrunnerError):
    """A repository cannot be served."""


@dataclass(frozen=True)
class Repository:
    """One served repository."""

    name: str
    #: The original, a working tree or bare.
    source: Path
    #: Our bare repository.
    path: Path
    default_branch: str
    #: Folders with the objects of git-lfs, links in none of their paths.
    large_files: tuple[Path, ...] = ()


class Repositories:
    """The served repositories by name.

    :param folder: private folder for the bare repositories.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._repositories: dict[str, Repository] = {}
        self._config = folder / "gitconfig"

    def environment(self) -> dict[str, str]:
        """Return the environment of every git process: nothing of the user's settings."""
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self._folder),
            "LC_ALL": "C",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": str(self._config),
            "GIT_TERMINAL_PROMPT": "0",
        }

    def add(self, name: str, source: Path) -> Repository:
        """Serve ``source`` as ``name``.

        :raises RepositoryError: when git cannot read it, or the name is taken or not ``group/project``.
        """
        self._check_name(name)
        source = source.resolve()
        path = self._folder / f"{name}.git"
        shutil.rmtree(path, ignore_errors=True)  # of an earlier process with the same folder
        self._git("clone", "--quiet", "--bare", "--shared", str(source), str(path))
        head = self._git("--git-dir", str(path), "symbolic-ref", "--short", "HEAD").strip()
        repository = Repository(name, source, path, head)
        self._repositories[name] = repository
        self.refresh(name)
        return repository

    def adopt(
        self, name: str, path: Path, default_branch: str, large_files: Sequence[Path] = ()
    ) -> Repository:
        """Serve the bare repository at ``path`` itself; it belongs to the caller, and is never refreshed.

        :param large_files: git directories whose objects of git-lfs are served, beside its own.
        :raises RepositoryError: when the name is taken or not ``group/project``.
        """
        self._check_name(name)
        found = tuple(one.resolve() / "lfs" / "objects" for one in (path, *large_files))
        repository = Repository(name, path, path, default_branch, found)
        self._repositories[name] = repository
        return repository

    def _check_name(self, name: str) -> None:
        if not _NAME.match(name) or ".." in name or name.endswith(".git"):
            raise RepositoryError(f"cannot serve a repository as {name!r}: wanted the form group/project")
        if name in self._repositories:
            raise RepositoryError(f"a repository {name!r} is served already")
        make_private(self._folder)
        write_atomic(self._config, _GIT_CONFIG.encode(), durable=False)

    def get(self, name: str) -> Repository | None:
        """Return a repository by its name without ``.git``."""
        return self._repositories.get(name)

    def refresh(self, name: str) -> None:
        """Take over the refs of the original, also removed ones.

        :raises RepositoryError: when git fails.
        """
        repository = self._repositories[name]
        refspecs = ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"]
        self._git(
            *("--git-dir", str(repository.path), "fetch", "--quiet", "--prune", "--no-write-fetch-head"),
            *("--update-head-ok", str(repository.source), *refspecs),
        )

    def commit(self, name: str, revision: str) -> Commit:
        """Return the facts of a commit.

        :raises RepositoryError: when there is no such revision.
        """
        git_dir = str(self._repositories[name].path)
        template = "%H%x00%P%x00%an <%ae>%x00%cI%x00%B"
        text = self._git("--git-dir", git_dir, "log", "-1", f"--format={template}", revision, "--")
        sha, parents, author, timestamp, message = text.split("\0", 4)
        before = parents.split()[0] if parents else NO_COMMIT
        return Commit(sha, before, message.rstrip("\n"), author, timestamp)

    def job_arguments(self, name: str, server_url: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Complete arguments of :func:`.jobs.make_payload` for a job of this repository.

        ``ref`` (default: the default branch) may be a branch, or a tag with ``tag`` set or found; ``sha``
        may name another commit of it. The pipeline's ref is made.

        :raises RepositoryError: when the repository or ref is unknown.
        """
        repository = self._repositories.get(name)
        if repository is None:
            raise RepositoryError(f"no repository {name!r} has been added")
        self.refresh(name)
        completed = dict(arguments)
        ref = str(completed.setdefault("ref", repository.default_branch))
        branch, tag = f"refs/heads/{ref}", f"refs/tags/{ref}"
        known = self._git(
            "--git-dir", str(repository.path), "for-each-ref", "--format=%(refname)", branch, tag
        )
        refs = known.split()
        completed.setdefault("tag", branch not in refs and tag in refs)
        revision = completed.pop("sha", None) or (tag if completed["tag"] else branch)
        commit = completed.setdefault("commit", self.commit(name, revision))
        pipeline = f"refs/pipelines/{completed['pipeline_id']}"
        self._git("--git-dir", str(repository.path), "update-ref", pipeline, commit.sha)
        completed.setdefault("repo_url", f"{server_url}/{name}.git")
        completed.setdefault("project", name)
        completed.setdefault("default_branch", repository.default_branch)
        return completed

    def _git(self, *arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments],
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        if done.returncode != 0:
            error = done.stderr.decode(errors="replace").strip()
            raise RepositoryError(f"git {arguments[0]} failed: {error}")
        return done.stdout.decode("utf-8", "surrogateescape")
