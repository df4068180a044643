"""Rules of :mod:`pyrunner.jobdir.dependency_folders` (tristan-layout.md 1, design R8)."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from pyrunner.config.dependency_tools import TOOLS, chosen_tools, unknown_names
from pyrunner.errors import JobDirError
from pyrunner.jobdir.dependency_folders import (
    Owner,
    make_dependency_folders,
    make_in_slot_cache,
    open_to_host_jobs,
    open_to_readers,
)
from pyrunner.jobdir.layout import Business, project_dependency_lib

ME = Owner(os.geteuid(), -1)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


@pytest.fixture
def business(tmp_path: Path) -> Path:
    folder = tmp_path / "root" / "1"
    folder.mkdir(parents=True, mode=0o700)
    return folder


@pytest.fixture
def folder(business: Path) -> Path:
    own = business / "run" / "1" / "host" / "app" / "cache" / "dependency_lib"
    make_dependency_folders(own)
    return own


def test_there_is_one_for_each_type(folder: Path) -> None:
    """All types have a folder, private until a job comes; making them again changes nothing."""
    make_dependency_folders(folder)
    assert sorted(one.name for one in folder.iterdir()) == sorted(TOOLS)
    assert {mode(one) for one in (folder, *folder.iterdir())} == {0o700}


def test_the_last_job_leaves_its_time(folder: Path) -> None:
    """The folder above, which no job can write to, tells when the libraries were last offered."""
    os.utime(folder.parent, (0, 0))
    make_dependency_folders(folder)
    assert folder.parent.stat().st_mtime > 0


def test_protected_refs_have_their_own(tmp_path: Path) -> None:
    """What a job of an unprotected ref has left is never in the folder of a protected one."""
    unprotected, protected = (project_dependency_lib(tmp_path, one) for one in (False, True))
    assert unprotected == tmp_path / "cache" / "dependency_lib"
    assert protected == tmp_path / "cache" / "protected" / "dependency_lib"
    assert not protected.is_relative_to(unprotected)
    assert Business(tmp_path, "1").dependency_lib == tmp_path / "1" / "cache" / "dependency_lib"


def test_containers_may_write(tmp_path: Path) -> None:
    """In a slot's cache the folders are open to all: users of an image are nobody that this host knows."""
    make_in_slot_cache(tmp_path)
    make_in_slot_cache(tmp_path)
    folder = tmp_path / "dependency_lib"
    assert sorted(one.name for one in folder.iterdir()) == sorted(TOOLS)
    assert {mode(one) for one in (folder, *folder.iterdir())} == {0o777}


def test_what_a_container_planted_in_its_cache(tmp_path: Path) -> None:
    """A link in the place of the folder, or of one in it, leads nowhere and is no reason to fail."""
    victim, cache = tmp_path / "victim", tmp_path / "slot1"
    victim.mkdir(mode=0o700)
    cache.mkdir()
    make_in_slot_cache(cache)
    (cache / "dependency_lib" / "go").rmdir()
    (cache / "dependency_lib" / "go").symlink_to(victim)
    make_in_slot_cache(cache)
    (cache / "dependency_lib").rename(cache / "moved")
    (cache / "dependency_lib").symlink_to(victim)
    make_in_slot_cache(cache)
    assert (mode(victim), list(victim.iterdir())) == (0o700, [])


def test_host_jobs_own_the_types_only(folder: Path, business: Path) -> None:
    """The way there can be passed, the types belong to the job, and nobody but us can exchange them."""
    open_to_host_jobs(folder, business, ME)
    assert {mode(one) for one in folder.iterdir()} == {0o755}
    assert mode(folder) == 0o711
    assert {mode(one) & 0o011 for one in folder.parents if one.is_relative_to(business)} == {0o011}


def test_the_shared_folder_is_for_reading(folder: Path, business: Path) -> None:
    """All may read it, nobody but us may write."""
    open_to_readers(folder, business)
    assert {mode(one) for one in (folder, *folder.iterdir())} == {0o755}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give folders away")
def test_another_users_libraries_are_not_passed_on(folder: Path, business: Path) -> None:
    """After ``--user`` has changed, libraries begin anew: another may have planted something in them."""
    open_to_host_jobs(folder, business, Owner(1234, 1234))
    (folder / "java" / "planted").symlink_to("/etc")
    open_to_host_jobs(folder, business, Owner(4321, 4321))
    assert list((folder / "java").iterdir()) == []
    assert (folder / "java").stat().st_uid == (folder / "go").stat().st_uid == 4321
    assert list(folder.parent.iterdir()) == [folder]


def test_planted_links_lead_nowhere(folder: Path, business: Path, tmp_path: Path) -> None:
    """A link or file in the place of a type's folder is neither followed nor a reason to fail."""
    victim = tmp_path / "victim"
    victim.mkdir(mode=0o700)
    (folder / "java").rmdir()
    (folder / "java").symlink_to(victim)
    (folder / "go").rmdir()
    (folder / "go").write_text("")
    (folder / "go").chmod(0o600)
    make_dependency_folders(folder)
    open_to_readers(folder)
    open_to_host_jobs(folder, business, ME)
    assert (mode(victim), mode(folder / "go")) == (0o700, 0o600)
    assert list(victim.iterdir()) == []


def test_a_link_in_the_place_of_the_folder_is_refused(business: Path, tmp_path: Path) -> None:
    """The folder itself is ours: whoever has replaced it is not served."""
    (business / "cache").mkdir()
    folder = business / "cache" / "dependency_lib"
    (tmp_path / "victim").mkdir()
    folder.symlink_to(tmp_path / "victim")
    for make in (make_dependency_folders, open_to_readers):
        with pytest.raises(JobDirError, match="dependency_lib"):
            make(folder)
    assert list((tmp_path / "victim").iterdir()) == []


def test_names_of_types_and_tools() -> None:
    """``true`` is all tools, a type all of its own; what is neither is told."""
    assert chosen_tools(False) == chosen_tools([]) == frozenset()
    assert chosen_tools(True) >= {"maven", "npm", "composer"}
    assert chosen_tools(["java", "pip"]) == {"maven", "gradle", "pip"}
    assert unknown_names(["java", "mvn"]) == ["mvn"]
    assert unknown_names(True) == []
