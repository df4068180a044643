"""Rules of :mod:`pyrunner.manager.business` (tristan-layout.md 2)."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from pyrunner.config.model import RunnerConfig
from pyrunner.config.tables import Tristan
from pyrunner.errors import JobDirError
from pyrunner.manager.business import assign_businesses, executor_root, prepare_root, remember_token


def runner(root: Path, **values: object) -> RunnerConfig:
    business_id = str(values.pop("business_id", ""))
    config = RunnerConfig(
        url="https://gitlab.example.com/",
        token="glrt-abc",
        name="one",
        executor="shell",
        tristan=Tristan(root=str(root), business_id=business_id),
    )
    return replace(config, **values)  # type: ignore[arg-type]


def ids(*configs: RunnerConfig) -> list[str]:
    return [one.business_id for one in assign_businesses(configs, {}, os.geteuid())]


def test_id_of_the_runner(tmp_path: Path) -> None:
    """A runner id that no other entry has is the business id."""
    assert ids(runner(tmp_path, id=7), runner(tmp_path, id=8, token="x")) == ["7", "8"]


def test_explicit_id_wins(tmp_path: Path) -> None:
    """``business_id`` is taken as it is."""
    assert ids(runner(tmp_path, id=7, business_id="fusion")) == ["fusion"]


@pytest.mark.parametrize("number", [0, 7])
def test_equal_ids_get_a_suffix(tmp_path: Path, number: int) -> None:
    """Ids that are 0 or stand in several entries are told apart by a hash."""
    found = ids(runner(tmp_path, id=number), runner(tmp_path, id=number, name="two"))
    assert all(one.startswith(f"{number}-") and len(one) == len(f"{number}-") + 8 for one in found)
    assert len(set(found)) == 2


def test_the_same_entry_twice(tmp_path: Path) -> None:
    """Entries equal in everything still have a folder each, the same at the next start."""
    twins = runner(tmp_path, id=7), runner(tmp_path, id=7)
    first = ids(*twins)
    assert len(set(first)) == 2
    assert ids(*twins) == first


def test_ids_never_change(tmp_path: Path) -> None:
    """An entry that comes later does not change an id that was given."""
    old = runner(tmp_path, id=7)
    assert ids(old) == ["7"]
    new = runner(tmp_path, id=7, url="https://other.example.com", token="y")
    found = ids(new, old)
    assert found[1] == "7"
    assert found[0] != "7"


def test_explicit_id_that_was_given_to_another(tmp_path: Path) -> None:
    """An explicit id is obeyed; the entry that had the folder gets another."""
    assert ids(runner(tmp_path, id=7)) == ["7"]
    found = ids(runner(tmp_path, id=7), runner(tmp_path, token="z", business_id="7"))
    assert found[1] == "7"
    assert found[0] != "7"


def test_rotation_keeps_the_id(tmp_path: Path) -> None:
    """A runner whose token was exchanged by us keeps its folder."""
    old = runner(tmp_path, id=0)
    (business,) = assign_businesses([old], {}, os.geteuid())
    remember_token(business, old, "glrt-new")
    assert ids(replace(old, token="glrt-new")) == [business.business_id]


def test_token_exchanged_elsewhere_keeps_the_id(tmp_path: Path) -> None:
    """A runner whose token was exchanged while no manager ran is known by url and name."""
    old = runner(tmp_path, id=0)
    first = ids(old)
    assert ids(replace(old, token="glrt-new")) == first


@pytest.mark.parametrize("number", [0, 7])
def test_renamed_runner_keeps_the_id(tmp_path: Path, number: int) -> None:
    """A runner that is given another name keeps its folder, and with it its sources and caches."""
    old = runner(tmp_path, id=number, name="old")
    first = ids(old)
    assert ids(replace(old, name="new")) == first


def test_second_entry_with_the_same_token_is_another(tmp_path: Path) -> None:
    """A new name takes no folder from an entry that is still there."""
    old = runner(tmp_path, id=7, name="old")
    assert ids(old) == ["7"]
    assert ids(replace(old, name="new"), old)[1] == "7"


def test_second_runner_of_the_same_name_is_another(tmp_path: Path) -> None:
    """Url and name alone do not take a folder from an entry that is still there."""
    old = runner(tmp_path, id=0)
    first = ids(old)
    found = ids(old, replace(old, token="glrt-new"))
    assert found[0] == first[0]
    assert found[1] != first[0]


def test_no_token_in_the_memory(tmp_path: Path) -> None:
    """The memory holds no secret, and only we can read it."""
    ids(runner(tmp_path, id=0, token="glrt-verysecret"))
    memory = tmp_path / "businesses.json"
    assert b"verysecret" not in memory.read_bytes()
    assert memory.stat().st_mode & 0o777 == 0o600


def test_broken_memory_is_an_error(tmp_path: Path) -> None:
    """A broken memory is not replaced: it would change every id."""
    (tmp_path / "businesses.json").write_text("{")
    with pytest.raises(JobDirError, match="backup"):
        ids(runner(tmp_path, id=7))


def test_default_roots(tmp_path: Path) -> None:
    """Without ``root``: builds_dir of host executors, else by user."""
    bare = RunnerConfig(executor="docker", builds_dir="/builds")
    assert executor_root(replace(bare, executor="shell"), {}, 0) == Path("/builds")
    assert executor_root(bare, {}, 0) == Path("/data/tristan")
    assert executor_root(bare, {"HOME": "/home/ci"}, 1000) == Path("/home/ci/.local/share/pyrunner")
    assert executor_root(bare, {"XDG_DATA_HOME": "/x"}, 1000) == Path("/x/pyrunner")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_builds_dir_of_somebody_else_is_not_used(tmp_path: Path) -> None:
    """A builds_dir that belongs to the jobs' user is no place for what the manager trusts (R8)."""
    os.chown(tmp_path, 4711, -1)
    config = RunnerConfig(executor="shell", builds_dir=str(tmp_path))
    assert executor_root(config, {}, 0) == Path("/data/tristan")


def test_world_writable_parent_is_refused(tmp_path: Path) -> None:
    """A root that somebody else could replace is refused (R8)."""
    open_folder = tmp_path / "open"
    open_folder.mkdir()
    open_folder.chmod(0o777)
    with pytest.raises(JobDirError, match="writable by everybody"):
        prepare_root(open_folder / "root", os.geteuid())


def test_root_of_somebody_else_is_refused(tmp_path: Path) -> None:
    """A root that belongs to another user is refused."""
    owner = tmp_path.stat().st_uid
    if owner == 0:
        os.chown(tmp_path, 4711, -1)
        owner = 4711
    with pytest.raises(JobDirError, match="belongs to"):
        prepare_root(tmp_path, owner + 1)
