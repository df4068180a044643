"""Folders of host jobs: what may be passed, and what stays private."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from pyrunner.errors import BuildError
from pyrunner.executors.hostdirs import open_host_dirs
from pyrunner.jobdir.control import ControlDir
from pyrunner.jobdir.record import JobRecord


def placed(root: Path, user: str = "") -> JobRecord:
    """Return the record of a job whose control directory has been made."""
    ref = root / "1" / "run" / "1" / "host" / "app" / "branches" / "main"
    ControlDir(ref / "build" / "1").create()
    cache = root / "1" / "cache" / "projects" / "host" / "7" / "unprotected"
    return JobRecord(business=str(root / "1"), source=str(ref / "source"), cache=str(cache), user=user)


def mode(path: Path) -> int:
    """Return the permissions of a folder."""
    return path.stat().st_mode & 0o777


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_the_sources_can_be_reached(tmp_path: Path, umask: int) -> None:
    """Another user can pass every folder on the way and read the sources, but list nothing on the way."""
    former = os.umask(umask)
    try:
        root = tmp_path / "root"
        record = placed(root)
        open_host_dirs(record)
        open_host_dirs(record)
    finally:
        os.umask(former)
    source = Path(record.source)
    assert mode(source) == 0o755
    for folder in source.relative_to(root / "1").parents:
        assert mode(root / "1" / folder) == 0o711
    assert mode(root) & 0o011 == 0o011


def test_what_holds_tokens_stays_private(tmp_path: Path) -> None:
    """The control directories beside the sources, and the index of jobs."""
    record = placed(tmp_path / "root")
    jobs = tmp_path / "root" / "1" / "jobs"
    jobs.mkdir(mode=0o700)
    open_host_dirs(record)
    assert mode(Path(record.source).parent / "build") == 0o700
    assert mode(Path(record.source).parent / "build" / "1") == 0o700
    assert mode(jobs) == 0o700


def test_what_is_open_wider_stays_so(tmp_path: Path) -> None:
    """An administrator's choice is not taken back."""
    record = placed(tmp_path / "root")
    project = Path(record.source).parents[2]
    project.chmod(0o755)
    open_host_dirs(record)
    assert mode(project) == 0o755


def test_nothing_above_the_root_is_touched(tmp_path: Path) -> None:
    """Other people's folders are theirs."""
    tmp_path.chmod(0o700)
    open_host_dirs(placed(tmp_path / "root"))
    assert mode(tmp_path) == 0o700


def test_an_unknown_user(tmp_path: Path) -> None:
    """``--user`` is the operator's mistake, and says so."""
    with pytest.raises(BuildError, match="nobody-of-this-name") as caught:
        open_host_dirs(placed(tmp_path / "root", "nobody-of-this-name"))
    assert caught.value.failure_reason == "runner_configuration_error"


def test_the_caches_are_private(tmp_path: Path) -> None:
    """Archives may hold what nobody else is to read; both folders of a project's caches are there."""
    record = placed(tmp_path / "root")
    open_host_dirs(record)
    cache = Path(record.cache)
    assert [mode(cache), mode(cache.with_name("unprotected-empty"))] == [0o700, 0o700]
    assert mode(cache.parent) == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_the_caches_are_the_job_users(tmp_path: Path) -> None:
    """With --user the folder is his, he can reach it, and keeps what he has saved."""
    record = placed(tmp_path / "root", "nobody")
    open_host_dirs(record)
    cache, user = Path(record.cache), pwd.getpwnam("nobody")
    (cache / "key").mkdir()
    open_host_dirs(record)
    assert (cache / "key").is_dir()
    for folder in (cache, cache.with_name("unprotected-empty")):
        assert (folder.stat().st_uid, mode(folder)) == (user.pw_uid, 0o700)
    for folder in cache.relative_to(tmp_path / "root" / "1").parents:
        assert mode(tmp_path / "root" / "1" / folder) & 0o011 == 0o011


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_what_another_user_left_is_not_taken_over(tmp_path: Path) -> None:
    """He may have planted a link, through which root would write: the caches begin anew."""
    open_host_dirs(placed(tmp_path / "root", "nobody"))
    record = placed(tmp_path / "root")
    cache = Path(record.cache)
    (cache / "key").symlink_to(tmp_path)
    open_host_dirs(record)
    assert cache.stat().st_uid == 0
    assert sorted(one.name for one in cache.parent.iterdir()) == ["unprotected", "unprotected-empty"]
    assert not list(cache.iterdir())
    assert tmp_path.is_dir()
