"""Limits of control groups, on plain folders (cgroups(7))."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyrunner.system.cgroup import JobCgroup
from pyrunner.system.cgroup_limits import GroupLimits
from pyrunner.system.cgroup_mounts import Hierarchy

ALL = GroupLimits(
    memory=1 << 30, memory_swap=3 << 30, memory_reservation=1 << 20, nano_cpus=1_500_000_000, cpu_shares=512
)
V1 = {
    "memory.limit_in_bytes": "1073741824",
    "memory.memsw.limit_in_bytes": "3221225472",
    "memory.soft_limit_in_bytes": "1048576",
    "cpu.cfs_period_us": "100000",
    "cpu.cfs_quota_us": "150000",
    "cpu.shares": "512",
}
V2 = {
    "memory.max": "1073741824",
    "memory.swap.max": "2147483648",
    "memory.low": "1048576",
    "cpu.max": "150000 100000",
    "cpu.weight": "20",
}


def prepared(folder: Path, names: list[str]) -> Path:
    """A folder with files as the kernel would make them."""
    for name in names:
        (folder / name).write_text("")
    return folder


def content(folder: Path) -> dict[str, str]:
    """All files of a folder."""
    return {one.name: one.read_text() for one in folder.iterdir()}


@pytest.mark.parametrize(("version", "files"), [(1, V1), (2, V2)])
def test_all_limits_are_written(tmp_path: Path, version: int, files: dict[str, str]) -> None:
    """In the words of each version."""
    folder = prepared(tmp_path, list(files))
    assert ALL.apply(folder, version, frozenset({"memory", "cpu"})) == {"memory", "cpu"}
    assert content(folder) == files


def test_only_what_is_asked_for(tmp_path: Path) -> None:
    """One limit needs one controller; swap is twice the memory unless given."""
    folder = prepared(tmp_path, list(V2))
    limits = GroupLimits(memory=1 << 20)
    assert limits.apply(folder, 2, frozenset()) == {"memory"}
    written = {name: text for name, text in content(folder).items() if text}
    assert written == {"memory.max": "1048576", "memory.swap.max": "1048576"}
    assert not GroupLimits()


def test_what_the_kernel_does_not_count(tmp_path: Path) -> None:
    """A missing file is never made; without that of swap the rest still holds."""
    folder = prepared(tmp_path, ["memory.max"])
    assert ALL.apply(folder, 2, frozenset()) == frozenset()
    assert set(content(folder)) == {"memory.max"}
    assert GroupLimits(memory=1).apply(folder, 2, frozenset()) == {"memory"}


def test_no_group_that_does_not_hold(tmp_path: Path) -> None:
    """Whoever asks for limits gets them or no group, and nothing is left."""
    freezer = [Hierarchy(1, frozenset({"freezer"}), tmp_path)]
    assert JobCgroup.create("job-1", freezer, GroupLimits(nano_cpus=1)) is None
    assert not (tmp_path / "pyrunner.jobs/job-1").exists()
    assert JobCgroup.create("job-1", freezer) is not None
