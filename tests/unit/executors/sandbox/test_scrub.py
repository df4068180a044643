"""Scrubbing, by files alone; what git makes of it is in the integration tests."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from pyrunner.executors.sandbox.hostile_folders import clear_way, remove, remove_odd_entries
from pyrunner.executors.sandbox.scrub import main, scrub


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project folder with a plain repository."""
    git = tmp_path / "project" / ".git"
    for folder in ("objects/pack", "objects/ab", "refs/heads", "hooks", "info", "logs/refs/heads"):
        (git / folder).mkdir(parents=True)
    for file in (
        "HEAD",
        "config",
        "index",
        "objects/ab/cd",
        "refs/heads/config",
        "hooks/pre-push",
        "packed-refs",
    ):
        (git / file).write_text(file)
    return tmp_path / "project"


def listing(folder: Path) -> set[str]:
    """Return all names below ``folder``."""
    return {str(one.relative_to(folder)) for one in folder.rglob("*")}


def test_config_and_hooks_go_the_rest_stays(project: Path) -> None:
    """A branch called config is not config."""
    before = listing(project)
    assert scrub(str(project)) is False
    assert before - listing(project) == {".git/config", ".git/hooks", ".git/hooks/pre-push"}


@pytest.mark.parametrize("name", ["config.worktree", "commondir", "gitdir", "config.lock", "worktrees"])
def test_what_leads_elsewhere_goes(project: Path, name: str) -> None:
    """Whether file, folder or link."""
    place = project / ".git" / name
    for make in (lambda: place.write_text("x"), lambda: place.mkdir(), lambda: place.symlink_to("/")):
        make()
        assert scrub(str(project)) is False
        assert not os.path.lexists(place)


@pytest.mark.parametrize("name", ["lib", "a/b/c", "hooks", "config"])
def test_modules_are_cleaned_at_any_depth(project: Path, name: str) -> None:
    """A submodule's name may hold slashes, and submodules have submodules."""
    module = project / ".git" / "modules" / name
    for git in (module, module / "modules" / "inner"):
        (git / "hooks").mkdir(parents=True)
        for file in ("HEAD", "config", "hooks/post-checkout"):
            (git / file).write_text("x")
    assert scrub(str(project)) is False
    assert {one for one in listing(module) if "config" in one or "hooks" in one} == set()
    assert (module / "HEAD").exists()
    assert (module / "modules" / "inner" / "HEAD").exists()


@pytest.mark.parametrize(
    "place", ["objects", "refs", "HEAD", "objects/pack", "objects/ab/cd", "refs/heads/x", "index", "lfs"]
)
def test_a_link_below_git_takes_the_project_with_it(project: Path, tmp_path: Path, place: str) -> None:
    """The link is not followed, neither to look nor to remove."""
    target = tmp_path / "target"
    target.mkdir()
    (target / "kept").write_text("kept")
    path = project / ".git" / place
    if path.is_dir():
        remove(os.open(path.parent, os.O_RDONLY), path.name)
    path.unlink(missing_ok=True)
    path.symlink_to(target)
    assert scrub(str(project)) is True
    assert not project.exists()
    assert (target / "kept").read_text() == "kept"


@pytest.mark.parametrize("name", ["alternates", "http-alternates"])
def test_borrowed_objects_take_the_project_with_them(project: Path, name: str) -> None:
    """A branch of that name does not."""
    (project / ".git" / "refs" / "heads" / name).write_text("x")
    assert scrub(str(project)) is False
    (project / ".git" / "objects" / "info").mkdir()
    (project / ".git" / "objects" / "info" / name).write_text("/elsewhere")
    assert scrub(str(project)) is True
    assert not project.exists()


@pytest.mark.parametrize("kind", ["file", "link"])
def test_git_that_is_no_folder(project: Path, tmp_path: Path, kind: str) -> None:
    """``.git`` as a file or a link: the project goes, the target stays."""
    target = project / ".git"
    target.rename(tmp_path / "elsewhere")
    if kind == "file":
        target.write_text(f"gitdir: {tmp_path}/elsewhere")
    else:
        target.symlink_to(tmp_path / "elsewhere")
    assert scrub(str(project)) is True
    assert not project.exists()
    assert (tmp_path / "elsewhere" / "config").exists()


def test_pipes_in_git_go(project: Path) -> None:
    """A git that opens one would wait for ever."""
    os.mkfifo(project / ".git" / "description")
    assert scrub(str(project)) is False
    assert not (project / ".git" / "description").exists()


def test_nothing_to_do(tmp_path: Path) -> None:
    """No project, or one without a repository."""
    (tmp_path / "plain").mkdir()
    assert [scrub(str(tmp_path / one)) for one in ("plain", "none", "none/inner")] == [False] * 3


def test_a_link_on_the_way_is_an_error(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The stage stops before git runs."""
    (tmp_path / "way").symlink_to(tmp_path)
    (tmp_path / "alias").symlink_to(project)
    for path in (tmp_path / "way" / "project", tmp_path / "alias"):
        assert main([str(path)]) == 1
    assert "cannot make" in capsys.readouterr().err
    assert (project / ".git" / "config").exists()
    assert main(["relative", str(project)]) == 1
    assert main([str(project / ".." / "project")]) == 1


def test_removal_of_what_is_wide_deep_and_closed(tmp_path: Path) -> None:
    """No recursion, no link followed, every kind of file."""
    top = tmp_path / "top"
    (tmp_path / "kept").write_text("kept")
    for branch in range(3):
        folder = top / str(branch)
        folder.mkdir(parents=True)
        descriptor = os.open(folder, os.O_RDONLY)
        for _ in range(1500):
            os.mkdir("d", dir_fd=descriptor)
            os.symlink(tmp_path, "link", dir_fd=descriptor)
            below = os.open("d", os.O_RDONLY, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = below
        os.close(descriptor)
    parent = os.open(tmp_path, os.O_RDONLY)
    try:
        remove(parent, "top")
        remove(parent, "not there")
    finally:
        os.close(parent)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["kept"]


MODULE = ".git/modules/lib"


@pytest.fixture
def submodule(tmp_path: Path) -> Path:
    """A project with a submodule in ``lib``."""
    for folder in (".git", MODULE, f"{MODULE}/modules/inner"):
        (tmp_path / "project" / folder / "refs").mkdir(parents=True)
    (tmp_path / "project" / "lib" / "inner").mkdir(parents=True)
    return tmp_path / "project"


@pytest.mark.parametrize(
    ("place", "target", "stays"),
    [
        ("lib", f"../{MODULE}", True),
        ("lib/inner", f"../../{MODULE}/modules/inner", True),
        ("lib", f"../{MODULE}/refs", False),
        ("lib", f"../{MODULE}/modules", False),
        ("lib", "../.git", False),
        ("lib", "../.git/modules", False),
        ("lib", "../../elsewhere", False),
        ("lib", f"../{MODULE}/../lib", False),
        ("lib", f"inner/../../{MODULE}", False),
        ("lib/inner", f"../{MODULE}", False),
        ("lib", "/builds/evil", False),
        ("lib", f"../{MODULE}-missing", False),
    ],
)
def test_a_submodule_is_in_a_module(submodule: Path, place: str, target: str, stays: bool) -> None:
    """A ``.git`` file stays when it names a repository below ``.git/modules`` that was cleaned."""
    file = submodule / place / ".git"
    file.write_text(f"gitdir: {target}\n")
    assert scrub(str(submodule), submodules=True) is False
    assert file.exists() is stays


@pytest.mark.parametrize("kind", ["folder", "link", "fifo", "giant", "other text"])
def test_no_other_repository_below_a_project(submodule: Path, kind: str) -> None:
    """Whatever else is called ``.git`` goes, and nothing that it leads to."""
    planted, kept = submodule / "lib" / ".git", submodule.parent / "kept"
    (kept / "refs").mkdir(parents=True)
    if kind == "folder":
        (planted / "refs").mkdir(parents=True)
    elif kind == "link":
        planted.symlink_to(kept)
    elif kind == "fifo":
        os.mkfifo(planted)
    else:
        planted.write_text(f"gitdir: ../{MODULE}" + "\n" * 9000 if kind == "giant" else f"../{MODULE}")
    scrub(str(submodule), submodules=True)
    assert not os.path.lexists(planted)
    assert (kept / "refs").is_dir()


def test_repositories_below_a_project_without_submodules(submodule: Path) -> None:
    """Git that does not go there runs nothing of theirs: a job may keep repositories of its own."""
    (submodule / "lib" / ".git").mkdir()
    scrub(str(submodule))
    assert (submodule / "lib" / ".git").exists()


def test_a_project_deeper_than_any(tmp_path: Path) -> None:
    """What cannot be looked through cannot be trusted: the project goes as a whole."""
    folder = tmp_path / "project"
    (folder / ".git").mkdir(parents=True)
    (folder / "/".join("d" * 300)).mkdir(parents=True)
    assert scrub(str(folder), submodules=True) is True
    assert not folder.exists()


@pytest.mark.parametrize("kind", ["file", "link", "dangling link", "fifo"])
@pytest.mark.parametrize("place", ["group", "group/app"])
def test_the_way_to_a_project_is_cleared(tmp_path: Path, kind: str, place: str) -> None:
    """What a job left in place of a folder goes, nothing that it leads to."""
    source, kept = tmp_path / "source", tmp_path / "kept"
    for folder in (source / "group" / "app", kept / "app"):
        folder.mkdir(parents=True)
    assert clear_way(str(source), "group/app") is False
    planted = source / place
    shutil.rmtree(planted)
    assert clear_way(str(source), "group/app") is False
    if kind == "file":
        planted.write_text("")
    elif kind == "fifo":
        os.mkfifo(planted)
    else:
        planted.symlink_to(kept if kind == "link" else "/nowhere")
    assert clear_way(str(source), "group/app") is True
    assert not os.path.lexists(planted)
    assert (kept / "app").is_dir()


def test_no_way_leads_out(tmp_path: Path) -> None:
    """A path with dots is not followed."""
    (tmp_path / "source").mkdir()
    with pytest.raises(ValueError, match="is not in"):
        clear_way(str(tmp_path / "source"), "../kept")


def test_odd_entries_go(tmp_path: Path) -> None:
    """Links and FIFOs go, files and folders stay; a folder that is missing is none to look into."""
    folder = tmp_path / "group" / "app.tmp"
    remove_odd_entries(str(tmp_path), "group/app.tmp")
    (folder / "git-template").mkdir(parents=True)
    (folder / "TOKEN").write_text("x")
    (folder / "LINK").symlink_to("TOKEN")
    os.mkfifo(folder / "FIFO")
    remove_odd_entries(str(tmp_path), "group/app.tmp")
    assert {one.name for one in folder.iterdir()} == {"git-template", "TOKEN"}
