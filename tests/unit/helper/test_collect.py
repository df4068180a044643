"""Collecting: patterns, counts and messages of job-execution.md 8.1."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from pyrunner.errors import UsageError
from pyrunner.helper import globs
from pyrunner.helper.collect import Collection


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a work tree and enter it."""
    for name in ("a/1", "a/b/2", "a/b/c/3", "a/.h", ".dot/f", "d/e/k.log", "d/k.txt", "t.py", "u.go"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / "a/empty").mkdir()
    (tmp_path / "link").symlink_to("a")
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "d/link").symlink_to("../a")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def paths(collection: Collection) -> list[str]:
    """Return what was collected, in the archive's order."""
    return list(collection.entries().paths())


@pytest.mark.parametrize(
    ("pattern", "names", "found"),
    [
        ("a", "a a/.h a/1 a/b a/b/2 a/b/c a/b/c/3 a/empty", 8),
        ("a/", "a a/.h a/1 a/b a/b/2 a/b/c a/b/c/3 a/empty", 8),
        ("*/1", "a/1", 1),
        ("link", "link", 1),
        ("link/1", "link/1", 1),
        ("link/*", "link/.h link/1 link/b link/b/2 link/b/c link/b/c/3 link/empty", 7),
        ("d/*/1", "", 0),
        ("**/link/*", "", 0),
        ("{a,d}/**/*.txt", "d/k.txt", 1),
        ("{t,u}.{py,go}", "t.py u.go", 2),
        ("{a/1,}", "a/1", 1),
        ("a/**/3", "a/b/c/3", 1),
        ("a/b/**", "a/b a/b/2 a/b/c a/b/c/3", 8),
        ("[t-u].*", "t.py u.go", 2),
        (".*", ".dot .dot/f", 2),
        ("dangling", "", 0),
        ("./a/b/../1", "a/1", 1),
    ],
)
def test_patterns_and_counts(
    tree: Path, caplog: pytest.LogCaptureFixture, pattern: str, names: str, found: int
) -> None:
    """Each pattern finds what gitlab-runner's finds; an entry counts once for each match it lies below."""
    caplog.set_level("INFO")
    collection = Collection()
    collection.collect([pattern])
    assert paths(collection) == names.split()
    if found:
        assert caplog.messages == [f"{pattern}: found {found} matching artifact files and directories"]
    else:
        assert caplog.messages == [
            f"{pattern}: no matching files. Ensure that the artifact path is relative to "
            f"the working directory ({tree})"
        ]


@pytest.mark.parametrize("path", ["/etc", "../x", "a/../../x"])
def test_paths_outside_are_refused(tree: Path, caplog: pytest.LogCaptureFixture, path: str) -> None:
    """A path that leaves the project is skipped with a warning (8.1 step 1)."""
    collection = Collection()
    collection.collect([path])
    assert collection.empty
    assert caplog.messages == [f"processPath: artifact path is not a subpath of project directory: {path}"]


def test_the_project_folder_itself_may_be_named(tree: Path) -> None:
    """An absolute path inside the project is as good as the relative one."""
    one, other = Collection(), Collection()
    one.collect([str(tree)])
    other.collect(["."])
    assert paths(one) == paths(other)
    assert "." in paths(one)


def test_an_empty_path_is_said(tree: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever expands to nothing is told apart from what matches nothing."""
    Collection().collect([""])
    assert caplog.messages == ["No matching files. Path is empty."]


def test_excluding_a_folder_keeps_its_content(tree: Path, caplog: pytest.LogCaptureFixture) -> None:
    """``exclude`` is about entries: content needs ``dir/**/*`` (8.1 step 4)."""
    caplog.set_level("INFO")
    collection = Collection(["a/b"])
    collection.collect(["a/b"])
    assert paths(collection) == ["a/b/2", "a/b/c", "a/b/c/3"]
    assert caplog.messages[-1] == "a/b: excluded 1 files"
    deep = Collection(["a/b/**/*"])
    deep.collect(["a/b"])
    assert paths(deep) == ["a/b"]


def test_a_rule_outside_ends_the_rules(tree: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Rules behind a pattern outside the project never apply, and each entry is told so."""
    collection = Collection(["../q", "a/1"])
    collection.collect(["a/1"])
    assert paths(collection) == ["a/1"]
    assert "isExcluded: artifact path is not a subpath of project directory: ../q" in caplog.messages


def test_untracked_includes_ignored_files(tree: Path, caplog: pytest.LogCaptureFixture) -> None:
    """``untracked`` is ``git ls-files -o``: what .gitignore names is among it (8.1 step 5)."""
    caplog.set_level("INFO")
    subprocess.run(["git", "init", "-q"], check=True)
    (tree / ".gitignore").write_text("*.log\n")
    subprocess.run(["git", "add", "t.py", ".gitignore"], check=True)
    collection = Collection()
    collection.collect([], untracked=True)
    assert "d/e/k.log" in paths(collection)
    assert "t.py" not in paths(collection)
    assert caplog.messages == [f"untracked: found {len(paths(collection))} files"]


@pytest.mark.parametrize("pattern", ["{", "[a", "{a,{b}", "{a,b}" * 20])
def test_a_pattern_that_is_none_is_an_error(tree: Path, pattern: str) -> None:
    """A broken pattern, or one of a million alternatives, is refused rather than guessed at."""
    with pytest.raises(UsageError, match="syntax error in pattern"):
        globs.find(pattern)


def test_deep_trees_are_no_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tree deeper than Python's call stack is walked."""
    monkeypatch.chdir(tmp_path)
    deep = "/".join(["x"] * 1200)
    subprocess.run(["mkdir", "-p", deep], check=True)
    try:
        collection = Collection()
        collection.collect(["x"])
    finally:
        # pytest's own clean-up is not made for such trees
        subprocess.run(["rm", "-rf", "x"], check=True)
    assert len(paths(collection)) == 1200
