"""A served project, and jobs that fetch it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyrunner.build.context import BuildContext
from pyrunner.executors.traits import SHELL_TRAITS, ExecutorTraits
from tests.support.contexts import build_context, payload, variable
from tests.support.git_server import git, new_repository, serving
from tests.support.scripts import ScriptRunner

#: The job token; its dollar sign must never be expanded.
TOKEN = "glcbt-64_job$token"


@dataclass
class Site:
    """A served project, a place for its job and a home."""

    folder: Path
    upstream: Path
    scripts: ScriptRunner
    url: str

    @property
    def source(self) -> Path:
        """The builds directory."""
        return self.folder / "source"

    @property
    def tree(self) -> Path:
        """The project folder."""
        return self.source / "app"

    @property
    def temporary(self) -> Path:
        """The job's temp dir."""
        return self.source / "app.tmp"

    def context(
        self,
        git_info: dict[str, Any] | None = None,
        runner: dict[str, Any] | None = None,
        traits: ExecutorTraits = SHELL_TRAITS,
        hooks: list[dict[str, Any]] | None = None,
        **variables: str,
    ) -> BuildContext:
        """Return a job at the tip of the upstream project."""
        git_info = {
            "repo_url": f"{self.url.replace('://', f'://gitlab-ci-token:{TOKEN}@')}/group/app.git",
            "sha": git(self.upstream, "rev-parse", "HEAD"),
            **(git_info or {}),
        }
        sent = [variable("CI_JOB_TOKEN", TOKEN, masked=True, raw=True)]
        sent += [variable(key, value) for key, value in variables.items()]
        job = payload(token=TOKEN, git_info=git_info, hooks=hooks or [], variables=sent)
        entry = {"url": self.url, **(runner or {})}
        return build_context(str(self.source), job=job, runner=entry, traits=traits)


@contextmanager
def git_site(tmp_path: Path) -> Iterator[Site]:
    """A project with one commit, served to job tokens only."""
    upstream = new_repository(tmp_path / "origin/app")
    library = new_repository(tmp_path / "origin/library")
    with serving(tmp_path, TOKEN, app=upstream, library=library) as url:
        scripts = ScriptRunner(tmp_path / "home")
        yield Site(tmp_path, upstream, scripts, url)


def sources(site: Site, context: BuildContext, stage: str = "get_sources") -> list[str]:
    """Run a stage that has to succeed and return its lines."""
    result = site.scripts.stage(context, stage)
    assert result.code == 0, result.out + result.err
    return result.lines


def local(site: Site, **git_info: Any) -> dict[str, Any]:
    """Return git_info that fetches from the project's folder instead of the server."""
    return {
        "repo_url": f"file://{site.upstream}",
        "refspecs": ["+refs/heads/*:refs/remotes/origin/*"],
        **git_info,
    }
