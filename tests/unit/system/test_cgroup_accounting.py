"""What a cgroup's files say of its use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pyrunner.system.cgroup_accounting import usage_of_v1, usage_of_v2
from pyrunner.system.usage import ResourceUsage


def write(folder: Path, **files: str) -> Path:
    """Write files whose names hold dots, given with two underscores."""
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)
    return folder


def test_v2_files(tmp_path: Path) -> None:
    """Microseconds become seconds, the bytes of all devices add up."""
    folder = write(
        tmp_path,
        cpu__stat="usage_usec 3500000\nuser_usec 2500000\nsystem_usec 1000000\nnr_periods 0\n",
        memory__peak="4096\n",
        memory__events="low 0\noom 3\noom_kill 2\noom_group_kill 0\n",
        io__stat="8:0 rbytes=100 wbytes=20 rios=1 wios=1 dbytes=0 dios=0\n253:1 rbytes=1 wbytes=2 rios=1\n",
    )
    assert usage_of_v2(folder) == ResourceUsage(0.0, 2.5, 1.0, 4096, 101, 22, 2, "cgroup")


def test_v2_without_memory_and_io_controllers(tmp_path: Path) -> None:
    """A controller that is not enabled leaves its figures unknown, not 0."""
    folder = write(tmp_path, cpu__stat="usage_usec 0\nuser_usec 0\nsystem_usec 0\n")
    assert usage_of_v2(folder) == ResourceUsage(cpu_user=0.0, cpu_system=0.0, source="cgroup")


def test_v2_io_of_a_group_that_did_none(tmp_path: Path) -> None:
    """An empty io.stat means 0."""
    assert usage_of_v2(write(tmp_path, io__stat="")).read_bytes == 0


def test_v1_files(tmp_path: Path) -> None:
    """Nanoseconds become seconds; the kernel's total of all devices is not added once more."""
    folder = write(
        tmp_path,
        cpuacct__usage_user="2500000000\n",
        cpuacct__usage_sys="500000000\n",
        memory__max_usage_in_bytes="8192\n",
        memory__oom_control="oom_kill_disable 0\nunder_oom 0\noom_kill 1\n",
        blkio__throttle__io_service_bytes_recursive=(
            "8:0 Read 100\n8:0 Write 20\n8:0 Total 120\n8:16 Read 1\nTotal 121\n"
        ),
    )
    controllers = {"cpuacct", "memory", "blkio"}
    assert usage_of_v1(folder, controllers) == ResourceUsage(0.0, 2.5, 0.5, 8192, 101, 20, 1, "cgroup")


def test_v1_reads_only_its_controllers(tmp_path: Path) -> None:
    """A hierarchy tells of what it controls and nothing else."""
    folder = write(
        tmp_path, cpuacct__usage_user="1\n", cpuacct__usage_sys="1\n", memory__max_usage_in_bytes="8192\n"
    )
    assert usage_of_v1(folder, {"memory"}) == ResourceUsage(peak_memory=8192, source="cgroup")


def test_v1_processor_time_in_ticks_on_old_kernels(tmp_path: Path) -> None:
    """Before Linux 4.8 there is only cpuacct.stat."""
    ticks = os.sysconf("SC_CLK_TCK")
    folder = write(tmp_path, cpuacct__stat=f"user {3 * ticks}\nsystem {2 * ticks}\n")
    usage = usage_of_v1(folder, {"cpuacct"})
    assert (usage.cpu_user, usage.cpu_system) == (3.0, 2.0)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("blkio.throttle.io_service_bytes", "8:0 Read 7\n8:0 Write 1\nTotal 8\n", (7, 1)),
        ("blkio.throttle.io_service_bytes_recursive", "Total 0\n", (None, None)),
    ],
    ids=["not recursive", "kernel does not count"],
)
def test_v1_disk(tmp_path: Path, name: str, text: str, expected: tuple[int | None, int | None]) -> None:
    """Old kernels have no recursive file; new ones count only under a limit, which is not 0."""
    (tmp_path / name).write_text(text)
    usage = usage_of_v1(tmp_path, {"blkio"})
    assert (usage.read_bytes, usage.write_bytes) == expected


def test_removed_group_knows_nothing(tmp_path: Path) -> None:
    """Once the folder is gone, nothing is known."""
    gone = tmp_path / "gone"
    assert usage_of_v2(gone) == ResourceUsage(source="cgroup")
    assert usage_of_v1(gone, {"cpuacct", "memory", "blkio"}) == ResourceUsage(source="cgroup")
