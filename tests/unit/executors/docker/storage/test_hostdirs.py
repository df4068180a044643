"""Folders that containers write to: open to all users inside, closed to all outside."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from pyrunner.errors import JobDirError
from pyrunner.executors.docker.storage.hostdirs import make_host_folders, make_open_folder, slot_cache
from tests.support.docker_jobs import docker_job


def _mode(folder: Path) -> int:
    return stat.S_IMODE(folder.stat().st_mode)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder that nobody else can change."""
    tmp_path.chmod(0o700)
    return tmp_path


def test_open_inside_closed_outside(root: Path) -> None:
    """Whatever the umask: the two folders are 0777, all that is above them the manager's alone."""
    record = docker_job(root).record
    before = os.umask(0o077)
    try:
        make_host_folders(record)
        make_host_folders(record)
    finally:
        os.umask(before)
    source, cache = Path(record.source), slot_cache(record)
    assert (_mode(source), _mode(cache)) == (0o777, 0o777)
    for folder in (source, cache):
        for parent in folder.parents:
            if parent == root:
                break
            assert _mode(parent) == 0o700, parent


def test_a_business_of_host_jobs_is_closed(root: Path) -> None:
    """What a shell runner made passable is not left so under containers."""
    business = root / "1"
    business.mkdir()
    business.chmod(0o711)
    make_host_folders(docker_job(root).record)
    assert _mode(business) == 0o700


@pytest.mark.parametrize("what", ["source", "slot"])
def test_no_link_is_followed(root: Path, what: str) -> None:
    """Neither in place of the folder nor on the way to it; what it leads to stays as it is."""
    record = docker_job(root).record
    elsewhere = root / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    place = Path(record.source) if what == "source" else slot_cache(record)
    place.parent.mkdir(parents=True)
    place.symlink_to(elsewhere)
    with pytest.raises(JobDirError, match="cannot make"):
        make_host_folders(record)
    assert _mode(elsewhere) == 0o700
    place.unlink()
    place.parent.rmdir()
    place.parent.symlink_to(elsewhere)
    with pytest.raises(JobDirError, match="cannot make"):
        make_host_folders(record)
    assert list(elsewhere.iterdir()) == []


def test_a_file_in_the_way_is_an_error(root: Path) -> None:
    """It is named."""
    record = docker_job(root).record
    slot_cache(record).parent.mkdir(parents=True)
    slot_cache(record).write_text("")
    with pytest.raises(JobDirError, match="slot3"):
        make_host_folders(record)


@pytest.mark.parametrize(("mode", "fine"), [(0o755, True), (0o1777, True), (0o777, False), (0o757, False)])
def test_the_way_must_be_ours(root: Path, mode: int, fine: bool) -> None:
    """Where others could put another folder in the place of ours, no job is run; a sticky folder is safe."""
    (root / "open").mkdir()
    (root / "open").chmod(mode)
    record = docker_job(root / "open").record
    if fine:
        make_host_folders(record)
        return
    with pytest.raises(JobDirError, match="open can be changed by other users of this host"):
        make_host_folders(record)


def test_a_link_on_the_way_is_judged_where_it_lies(root: Path) -> None:
    """Its owner may lay it; in a folder that others can change, others may lay it anew."""
    (root / "real").mkdir(mode=0o700)
    (root / "open").mkdir()
    (root / "open" / "link").symlink_to(root / "real")
    record = docker_job(root / "open" / "link").record
    make_host_folders(record)
    assert _mode(Path(record.source)) == 0o777
    (root / "open").chmod(0o777)
    with pytest.raises(JobDirError, match="can be changed by other users"):
        make_host_folders(record)


@pytest.mark.skipif(os.geteuid() != 0, reason="giving a folder away needs root")
def test_a_business_of_somebody_else_is_refused(root: Path) -> None:
    """Its owner could change what is in it."""
    (root / "1").mkdir()
    os.chown(root / "1", 12345, 12345)
    with pytest.raises(JobDirError, match="not a folder of the user that pyrunner runs as"):
        make_host_folders(docker_job(root).record)


@pytest.mark.parametrize("folder", ["../x", "a/../../x"])
def test_nothing_outside_is_made(root: Path, folder: str) -> None:
    """A path that leads out of its base is refused."""
    base = root / "base"
    base.mkdir()
    with pytest.raises(JobDirError):
        make_open_folder(base / folder, base)
    with pytest.raises(JobDirError):
        make_open_folder(root / "other", base)
    assert sorted(root.iterdir()) == [base]
