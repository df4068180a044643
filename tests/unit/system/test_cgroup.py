"""Names, journal and folders of job cgroups, on plain folders; killing is in tests/integration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pyrunner.errors import JobDirError
from pyrunner.system.cgroup import JobCgroup, sweep
from pyrunner.system.cgroup_mounts import Hierarchy


def memory(own: Path) -> list[Hierarchy]:
    """A v1 memory hierarchy in a folder."""
    return [Hierarchy(1, frozenset({"memory"}), own)]


def test_group_is_made_below_our_own(tmp_path: Path) -> None:
    """Groups live in a child of our own cgroup."""
    group = JobCgroup.create("job-1", memory(tmp_path))
    assert group is not None
    assert (tmp_path / "pyrunner.jobs" / "job-1").is_dir()


def test_groups_live_beside_a_manager_in_its_own_subgroup(tmp_path: Path) -> None:
    """With DelegateSubgroup=pyrunner.manager the unit's cgroup can pass controllers on."""
    own = tmp_path / "pyrunner.manager"
    own.mkdir()
    assert JobCgroup.create("job-1", memory(own)) is not None
    assert (tmp_path / "pyrunner.jobs" / "job-1").is_dir()


def test_hierarchies_that_neither_kill_nor_count_are_left_alone(tmp_path: Path) -> None:
    """No folder is made in cpuset, devices, pids or a named hierarchy."""
    others = [Hierarchy(1, frozenset({name}), tmp_path) for name in ("cpuset", "devices", "name=systemd")]
    assert JobCgroup.create("job-1", others) is None
    assert list(tmp_path.iterdir()) == []


def test_no_group_where_none_can_be_made(tmp_path: Path) -> None:
    """A missing or unwritable hierarchy means no group, not an error."""
    assert JobCgroup.create("job-1", []) is None
    assert JobCgroup.create("job-1", memory(tmp_path / "missing")) is None


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "-a", ".hidden", "a" * 201, "a\nb"])
def test_names_that_could_leave_the_folder_are_refused(name: str) -> None:
    """A name is one harmless path segment."""
    with pytest.raises(ValueError, match="not a name for a cgroup"):
        JobCgroup.create(name, [])


def test_group_survives_json(tmp_path: Path) -> None:
    """A journal gives back a group that can be asked and removed."""
    group = JobCgroup.create("job-1", memory(tmp_path))
    assert group is not None
    again = JobCgroup.from_dict(group.to_dict())
    assert again.to_dict() == group.to_dict()
    assert again.remove()
    assert not (tmp_path / "pyrunner.jobs" / "job-1").exists()


def test_group_of_a_former_boot_is_empty(tmp_path: Path) -> None:
    """A journaled group that is gone has no members, can be killed and removed, and knows no use."""
    group = JobCgroup.create("job-1", memory(tmp_path))
    assert group is not None
    assert group.remove()
    again = JobCgroup.from_dict(group.to_dict())
    assert again.pids() == []
    assert not again.populated()
    assert again.kill()
    assert again.remove()
    assert again.usage().cpu_user is None
    with pytest.raises(FileNotFoundError):
        again.enter()


def part(folder: str) -> dict[str, Any]:
    """A journal's record of a group in one folder."""
    return {"name": "x", "parts": [{"version": 2, "controllers": [], "folder": folder}]}


@pytest.mark.parametrize(
    "value",
    [
        None,
        {},
        {"name": "x", "parts": []},
        {"name": "x", "parts": [1]},
        part("/sys/fs/cgroup/system.slice"),
        part("/sys/fs/cgroup/pyrunner.jobs"),
        part("/sys/fs/cgroup/pyrunner.jobs/a/../../system.slice/pyrunner.jobs/b"),
        part("pyrunner.jobs/a"),
    ],
)
def test_only_groups_of_jobs_are_taken_up(value: object) -> None:
    """A damaged journal must not make us kill somebody else's cgroup."""
    with pytest.raises(JobDirError, match="not a job's cgroup"):
        JobCgroup.from_dict(value)


def test_sweep_removes_empty_groups_with_the_prefix(tmp_path: Path) -> None:
    """Leftovers go; other prefixes, groups in use and groups about to be used stay."""
    hierarchies = memory(tmp_path)
    for name in ("job-1-5", "job-1-6", "job-1-7", "job-2-5"):
        assert JobCgroup.create(name, hierarchies) is not None
    busy = tmp_path / "pyrunner.jobs" / "job-1-7"
    (busy / "cgroup.procs").write_text("1\n")
    assert sweep("job-1-", keep={"job-1-6"}, hierarchies=hierarchies) == 1
    left = sorted(path.name for path in busy.parent.iterdir())
    assert left == ["job-1-6", "job-1-7", "job-2-5"]


def test_a_name_is_given_once(tmp_path: Path) -> None:
    """An existing group is somebody's, even an empty one: whoever shares a group ends with it."""
    folders = [tmp_path / "memory", tmp_path / "cpuacct"]
    for folder in folders:
        folder.mkdir()
    first, second = memory(folders[0])[0], Hierarchy(1, frozenset({"cpuacct"}), folders[1])
    assert JobCgroup.create("job-1", [second]) is not None
    assert JobCgroup.create("job-1", [first, second]) is None
    assert (folders[1] / "pyrunner.jobs" / "job-1").is_dir()
    assert not (folders[0] / "pyrunner.jobs" / "job-1").exists()
