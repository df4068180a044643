"""The files of a commit, read from a served repository."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pyrunner.ci.repository import UnknownRef
from pyrunner.coordinator.pipelines.commit_files import CommitFiles, CommitFolder
from pyrunner.system.git import Git, GitError, clean_environment
from tests.support.coordinator import GitRepository

pytestmark = pytest.mark.integration


@pytest.fixture
def files(git_repository: GitRepository) -> CommitFiles:
    """The files of main's last commit, with links in several directions."""
    tree = git_repository.path
    (tree / "ci").mkdir()
    (tree / "ci/link.yml").symlink_to("../src/hello.txt")
    (tree / "ci/out.yml").symlink_to("../../../etc/passwd")
    (tree / "ci/loop.yml").symlink_to("loop.yml")
    sha = git_repository.commit({"ci/a.yml": "a: 1\n", "b.txt": "b\n"}, "Links")
    return CommitFiles(Git(tree, clean_environment(os.environ)), sha)


def test_answers(files: CommitFiles, git_repository: GitRepository) -> None:
    """Names, blobs, last commits and changes are git's."""
    assert sorted(files.names())[:3] == ["README.md", "b.txt", "ci/a.yml"]
    assert files.blob_id("b.txt") == git_repository.git("rev-parse", "HEAD:b.txt")
    assert files.last_commit("src/hello.txt") == git_repository.git("rev-parse", "HEAD~1")
    assert files.last_commit("nowhere") is None
    assert "b.txt" in files.changed_since("v1")
    assert files.changed() is None
    for name in ("nowhere", "--all"):
        with pytest.raises(UnknownRef):
            files.changed_since(name)


def test_folder(files: CommitFiles) -> None:
    """Links are followed within the tree; nothing leads out of it, and circles end."""
    folder = CommitFolder(files)
    assert folder.read("ci/a.yml") == "a: 1\n"
    assert folder.read("ci/link.yml") == "hello again\n"
    assert folder.read("ci/out.yml") is None
    assert folder.read("ci/loop.yml") is None
    assert folder.read("../x") is None
    below = folder / "ci"
    assert below.read("a.yml") == "a: 1\n"
    assert below.read("../b.txt") is None
    assert sorted(below.names()) == ["a.yml", "link.yml", "loop.yml", "out.yml"]


def test_failures_say_what_git_says(tmp_path: Path) -> None:
    """A failing command has git's own words; without git, or without the folder, it says that."""
    git = Git(tmp_path, dict(os.environ))
    with pytest.raises(GitError, match="not a git repository"):
        git.text("log")
    assert git.find("log") is None
    with pytest.raises(GitError, match="not installed"):
        Git(tmp_path, {"PATH": ""}).text("log")
    with pytest.raises(GitError, match="no folder"):
        Git(tmp_path / "gone", dict(os.environ)).text("log")
