"""Submodules in get_sources, with real git (job-execution.md 4.9)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.git_server import git, serving
from tests.support.git_site import TOKEN, Site, git_site, local, sources
from tests.support.scripts import green, yellow

pytestmark = pytest.mark.integration


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A project with one commit, served to job tokens only."""
    with git_site(tmp_path) as site:
        yield site


def add_submodule(site: Site, url: str) -> None:
    """Give the project a submodule ``sub`` and commit it."""
    git(site.upstream, "submodule", "add", "-q", str(site.folder / "origin/library"), "sub")
    git(site.upstream, "config", "-f", ".gitmodules", "submodule.sub.url", url)
    git(site.upstream, "add", ".gitmodules")
    git(site.upstream, "commit", "-q", "-m", "Add a submodule")


@pytest.mark.parametrize(
    ("strategy", "words"), [("normal", "submodules"), ("recursive", "submodules recursively")]
)
def test_submodules(site: Site, strategy: str, words: str) -> None:
    """Updated with the parent's credentials, which later commands in them can use, too."""
    add_submodule(site, "../library.git")
    info = {"refspecs": ["+refs/heads/main:refs/remotes/origin/main"], "depth": 0}
    with serving(
        site.folder / "again", TOKEN, app=site.upstream, library=site.folder / "origin/library"
    ) as url:
        site.url = url
        context = site.context(info, GIT_SUBMODULE_STRATEGY=strategy)
        lines = sources(site, context)
        first = lines.index(green(f"Updating/initializing {words}..."))
        assert green("Updated submodules") in lines[first:]
        assert lines[-2:] == [
            green("Configuring submodules to use parent git credentials..."),
            "Entering 'sub'",
        ]
        assert (site.tree / "sub/README").read_text() == "one\n"
        assert TOKEN not in (site.tree / ".git/modules/sub/config").read_text()
        (site.tree / ".git/modules/sub/index.lock").write_text("")
        (site.tree / "sub/left").write_text("x")
        sources(site, context)
        assert not (site.tree / "sub/left").exists()


def test_a_submodule_that_fails_is_tried_once_more(site: Site) -> None:
    """Then the stage fails."""
    add_submodule(site, f"file://{site.folder}/missing")
    context = site.context(local(site, depth=0), GIT_SUBMODULE_STRATEGY="normal", GIT_SUBMODULE_DEPTH="3")
    result = site.scripts.stage(context, "get_sources")
    assert result.code != 0
    assert green("Updating/initializing submodules with git depth set to 3...") in result.lines
    assert yellow("Updating submodules failed. Retrying...") in result.lines
    assert green("Updated submodules") not in result.lines


def test_submodule_paths(site: Site) -> None:
    """Pathspecs choose which are updated."""
    add_submodule(site, f"file://{site.folder}/origin/library")
    context = site.context(local(site), GIT_SUBMODULE_STRATEGY="normal", GIT_SUBMODULE_PATHS=":(exclude)sub")
    sources(site, context)
    assert os.listdir(site.tree / "sub") == []
