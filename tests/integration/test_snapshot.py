"""Snapshots of working copies: what git sees is in them, and the repository stays as it was."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from pyrunner.ci.event import NO_COMMIT
from pyrunner.errors import UsageError
from pyrunner.snapshot.event import Wanted, play
from pyrunner.snapshot.files import WorkingFiles, WorkingFolder
from pyrunner.snapshot.take import open_store, publish, take_snapshot
from pyrunner.snapshot.working_copy import WorkingCopy
from tests.support.coordinator import GitRepository
from tests.support.snapshots import environment, files_of, fingerprint, take

pytestmark = pytest.mark.integration


def test_all_that_git_sees(git_repository: GitRepository, tmp_path: Path) -> None:
    """Changed, new, removed, renamed, executable and linked files are in it; ignored ones are not."""
    tree = git_repository.path
    git_repository.commit({"gone.txt": "x", "mode.sh": "x", ".gitignore": "*.log\n"}, "More")
    (tree / "gone.txt").unlink()
    (tree / "mode.sh").chmod(0o755)
    (tree / "README.md").write_text("changed\n")
    (tree / "new file \N{SNOWMAN}\n.txt").write_text("new")
    (tree / "link").symlink_to("README.md")
    (tree / "noise.log").write_text("ignored")
    (tree / "staged.txt").write_text("in the index")
    git_repository.git("add", "staged.txt")
    before = fingerprint(tree)
    snapshot, store = take(tree / "src", tmp_path / "store")
    assert fingerprint(tree) == before
    assert snapshot.changed
    assert sorted(files_of(store, snapshot.sha)) == [
        ".gitignore",
        "README.md",
        "link",
        "mode.sh",
        "new file \N{SNOWMAN}\n.txt",
        "src/hello.txt",
        "staged.txt",
    ]
    assert store.text("show", f"{snapshot.sha}:README.md") == "changed"
    modes = store.text("ls-tree", snapshot.sha, "mode.sh", "link")
    assert "100755" in modes
    assert "120000" in modes
    assert store.text("rev-parse", f"{snapshot.sha}^") == git_repository.git("rev-parse", "HEAD")


def test_a_clean_copy_is_its_commit(git_repository: GitRepository, tmp_path: Path) -> None:
    """Nothing changed: the snapshot is the commit that is checked out."""
    before = fingerprint(git_repository.path)
    snapshot, _ = take(git_repository.path, tmp_path / "store")
    assert snapshot.sha == git_repository.git("rev-parse", "HEAD")
    assert not snapshot.changed
    assert fingerprint(git_repository.path) == before


def test_the_same_files_make_the_same_commit(git_repository: GitRepository, tmp_path: Path) -> None:
    """Two snapshots of the same state are equal: checkouts have nothing to fetch."""
    (git_repository.path / "new.txt").write_text("x")
    first, _ = take(git_repository.path, tmp_path / "one")
    second, _ = take(git_repository.path, tmp_path / "two")
    assert (first.sha, first.tree) == (second.sha, second.tree)


def test_before_the_first_commit(tmp_path: Path) -> None:
    """A repository without commits has files all the same."""
    tree = tmp_path / "tree"
    tree.mkdir()
    subprocess.run(["git", "init", "-q", "-b", "main"], cwd=tree, env=environment(), check=True)
    (tree / "a.txt").write_text("x")
    copy = WorkingCopy.find(tree, environment())
    assert (copy.head, copy.branch) == ("", "main")
    snapshot, store = take(tree, tmp_path / "store")
    assert files_of(store, snapshot.sha) == ["a.txt"]
    assert play(copy, Wanted()).event.commit.sha == NO_COMMIT


def test_linked_working_tree(git_repository: GitRepository, tmp_path: Path) -> None:
    """A working tree made by ``git worktree`` has its own index and branch."""
    linked = tmp_path / "linked"
    git_repository.git("worktree", "add", "-q", str(linked), "feature")
    (linked / "more.txt").write_text("x")
    before = fingerprint(git_repository.path)
    snapshot, store = take(linked, tmp_path / "store")
    assert fingerprint(git_repository.path) == before
    assert "feature.txt" in files_of(store, snapshot.sha)
    assert "more.txt" in files_of(store, snapshot.sha)
    assert WorkingCopy.find(linked, environment()).branch == "feature"


def test_hooks_and_settings_do_nothing(git_repository: GitRepository, tmp_path: Path) -> None:
    """Hooks do not run, a split index stays unwritten, and variables of a hook's git do not mislead."""
    tree = git_repository.path
    hook = tree / ".git/hooks/post-index-change"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path / 'hooked'}\n")
    hook.chmod(0o755)
    git_repository.git("config", "core.splitIndex", "true")
    git_repository.git("update-index", "--split-index")
    (tmp_path / "hooked").unlink(missing_ok=True)
    (tree / "new.txt").write_text("x")
    before = fingerprint(tree)
    copy = WorkingCopy.find(tree, {**environment(), "GIT_DIR": "/nonexistent", "GIT_INDEX_FILE": "/x"})
    store = open_store(copy, tmp_path / "store")
    assert "new.txt" in files_of(store, take_snapshot(copy, store).sha)
    assert not (tmp_path / "hooked").exists()
    assert fingerprint(tree) == before


def test_what_the_index_can_say(git_repository: GitRepository, tmp_path: Path) -> None:
    """Files that are only announced are in it, a file in the place of a folder too; a repository that merely
    lies within is not, even one without commits."""
    tree = git_repository.path
    (tree / "announced.txt").write_text("x")
    git_repository.git("add", "--intent-to-add", "announced.txt")
    (tree / "src/hello.txt").unlink()
    (tree / "src").rmdir()
    (tree / "src").write_text("a file now")
    subprocess.run(["git", "init", "-q", str(tree / "nested")], env=environment(), check=True)
    (tree / "nested/file.txt").write_text("x")
    before = fingerprint(tree)
    snapshot, store = take(tree, tmp_path / "store")
    assert sorted(files_of(store, snapshot.sha)) == ["README.md", "announced.txt", "src"]
    assert fingerprint(tree) == before


def test_settings_that_are_kept(git_repository: GitRepository, tmp_path: Path) -> None:
    """What says how files are to be read still counts: line ends, modes, and what is ignored."""
    tree = git_repository.path
    git_repository.git("config", "core.autocrlf", "input")
    git_repository.git("config", "core.fileMode", "false")
    (tree / ".git/info").mkdir(exist_ok=True)
    (tree / ".git/info/exclude").write_text("private.txt\n")
    (tree / "private.txt").write_text("x")
    (tree / "README.md").write_bytes(b"one\r\ntwo\r\n")
    (tree / "README.md").chmod(0o755)
    snapshot, store = take(tree, tmp_path / "store")
    assert store.raw("show", f"{snapshot.sha}:README.md") == b"one\ntwo\n"
    assert store.text("ls-tree", snapshot.sha, "README.md").startswith("100644")
    assert "private.txt" not in files_of(store, snapshot.sha)


def test_conflict(git_repository: GitRepository, tmp_path: Path) -> None:
    """In the middle of a merge the files are taken as they lie there, and the merge goes on afterwards."""
    git_repository.git("switch", "-q", "feature")
    git_repository.commit({"src/hello.txt": "theirs\n"}, "Theirs")
    git_repository.git("switch", "-q", "main")
    git_repository.commit({"src/hello.txt": "ours\n"}, "Ours")
    with pytest.raises(subprocess.CalledProcessError):
        git_repository.git("merge", "feature")
    before = fingerprint(git_repository.path)
    snapshot, store = take(git_repository.path, tmp_path / "store")
    assert "<<<<<<<" in store.text("show", f"{snapshot.sha}:src/hello.txt")
    assert fingerprint(git_repository.path) == before


def test_refs_are_served(git_repository: GitRepository, tmp_path: Path) -> None:
    """Branches and tags are there; the one that is played means the snapshot."""
    (git_repository.path / "new.txt").write_text("x")
    copy = WorkingCopy.find(git_repository.path, environment())
    store = open_store(copy, tmp_path / "store")
    snapshot = take_snapshot(copy, store)
    publish(store, play(copy, Wanted()).event, snapshot.sha)
    assert store.text("rev-parse", "refs/heads/main") == snapshot.sha
    assert store.text("rev-parse", "refs/heads/feature") == git_repository.git("rev-parse", "feature")
    assert store.text("rev-parse", "refs/tags/v1^{commit}") == git_repository.git("rev-parse", "v1")
    assert store.text("fsck", "--connectivity-only", "--no-dangling", snapshot.sha) == ""


def test_shallow_clone(git_repository: GitRepository, tmp_path: Path) -> None:
    """A clone without history can be played as well."""
    shallow = tmp_path / "shallow"
    source = f"file://{git_repository.path}"
    subprocess.run(
        ["git", "clone", "-q", "--depth", "1", source, str(shallow)], env=environment(), check=True
    )
    (shallow / "new.txt").write_text("x")
    snapshot, store = take(shallow, tmp_path / "store")
    clone = tmp_path / "clone"
    publish(store, play(WorkingCopy.find(shallow, environment()), Wanted()).event, snapshot.sha)
    command = ["git", "clone", "-q", f"file://{store.folder}", str(clone)]
    subprocess.run(command, env=environment(), check=True)
    assert (clone / "new.txt").exists()


def test_no_working_copy(tmp_path: Path) -> None:
    """Outside of any repository there is nothing to play."""
    with pytest.raises(UsageError, match="not in a git working copy"):
        WorkingCopy.find(tmp_path, environment())


@pytest.mark.parametrize(
    ("url", "path", "server"),
    [
        ("https://gitlab.example.com/group/sub/app.git", "group/sub/app", "https://gitlab.example.com"),
        ("https://u:p@gitlab.example.com:8443/g/p", "g/p", "https://gitlab.example.com:8443"),
        ("git@gitlab.example.com:group/app.git", "group/app", "https://gitlab.example.com"),
        ("ssh://git@gitlab.example.com:2222/group/app.git", "group/app", "https://gitlab.example.com"),
        ("https://host/only", "local/only", "https://host"),
        ("/srv/git/app.git", "local/sample", ""),
        ("file:///srv/git/app.git", "local/sample", ""),
        ("https://host/a b/.c/d", "a-b/c/d", "https://host"),
    ],
)
def test_project_of_origin(git_repository: GitRepository, url: str, path: str, server: str) -> None:
    """The project is where ``origin`` says, credentials apart; a folder of this machine says nothing."""
    git_repository.git("remote", "add", "origin", url)
    origin = WorkingCopy.find(git_repository.path, environment()).origin
    assert (origin.path, origin.server_url) == (path, server)


def test_events(git_repository: GitRepository) -> None:
    """Branch, tag, merge request, another branch, and a name that does not exist yet."""
    git_repository.git("tag", "-a", "v2", "-m", "Second\n\nWith notes")
    copy = WorkingCopy.find(git_repository.path, environment())
    plain = play(copy, Wanted())
    assert (plain.event.kind, plain.event.ref, plain.revision) == ("branch", "main", "")
    assert plain.event.commit.title == "Second commit"
    assert plain.changed is None
    tag = play(copy, Wanted(tag="v2"))
    assert (tag.event.kind, tag.event.tag_message) == ("tag", "Second\n\nWith notes")
    assert tag.revision == git_repository.git("rev-parse", "v2^{commit}")
    feature = play(copy, Wanted(ref="feature"))
    assert feature.revision == git_repository.git("rev-parse", "feature")
    assert feature.event.commit.title == "A feature"
    new = play(copy, Wanted(ref="not-there-yet"))
    assert (new.event.ref, new.revision) == ("not-there-yet", "")
    with pytest.raises(UsageError, match="give one of them"):
        play(copy, Wanted(ref="a", tag="b"))
    with pytest.raises(UsageError, match="no such commit"):
        play(copy, Wanted(since="nowhere"))
    with pytest.raises(UsageError, match="no such branch"):
        play(copy, Wanted(target="nowhere"))


def test_changed_files(git_repository: GitRepository) -> None:
    """Since a commit, and since the target of a merge request; uncommitted files count."""
    (git_repository.path / "new.txt").write_text("x")
    copy = WorkingCopy.find(git_repository.path, environment())
    since = play(copy, Wanted(since="v1"))
    assert since.changed == ["new.txt", "src/hello.txt"]
    assert since.event.commit.before_sha == git_repository.git("rev-parse", "v1")
    git_repository.git("switch", "-q", "feature")
    copy = WorkingCopy.find(git_repository.path, environment())
    request = play(copy, Wanted(target="main"))
    assert request.changed == ["feature.txt", "new.txt"]
    assert request.event.source == "merge_request_event"
    assert request.event.merge_request is not None
    assert request.event.merge_request.diff_base_sha == git_repository.git("rev-parse", "main")


def test_upstream_tells_what_changed(git_repository: GitRepository, tmp_path: Path) -> None:
    """With an upstream branch, the changes are those since the merge base with it."""
    clone = tmp_path / "clone"
    command = ["git", "clone", "-q", str(git_repository.path), str(clone)]
    subprocess.run(command, env=environment(), check=True)
    (clone / "mine.txt").write_text("x")
    played = play(WorkingCopy.find(clone, environment()), Wanted())
    assert (played.changed, played.basis) == (["mine.txt"], "since origin/main")


def test_detached_head(git_repository: GitRepository) -> None:
    """A detached commit is played as the only branch that has it; of several, the user has to say which."""
    git_repository.git("switch", "-q", "--detach", "feature")
    assert play(WorkingCopy.find(git_repository.path, environment()), Wanted()).event.ref == "feature"
    git_repository.git("switch", "-q", "--detach", "main")
    with pytest.raises(UsageError, match="--ref"):
        play(WorkingCopy.find(git_repository.path, environment()), Wanted())


def test_files_for_the_compiler(git_repository: GitRepository) -> None:
    """The compiler sees what git sees: untracked files, not ignored or removed ones."""
    tree = git_repository.path
    (tree / ".gitignore").write_text("hidden.yml\n")
    (tree / "hidden.yml").write_text("x: 1\n")
    (tree / "seen.yml").write_text("x: 1\n")
    (tree / "README.md").unlink()
    copy = WorkingCopy.find(tree, environment())
    files = WorkingFiles(copy)
    assert sorted(files.names()) == [".gitignore", "seen.yml", "src/hello.txt"]
    folder = WorkingFolder(files)
    assert folder.read("seen.yml") == "x: 1\n"
    assert folder.read("hidden.yml") is None
    assert files.blob_id("src/hello.txt") == git_repository.git("rev-parse", "HEAD:src/hello.txt")
    assert files.last_commit("src/hello.txt") == git_repository.git("rev-parse", "HEAD")
    assert files.blob_id("nowhere") is None
    assert list(files.changed_since("v1")) == [".gitignore", "README.md", "seen.yml", "src/hello.txt"]
