"""Finding our own cgroups from what the kernel tells."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyrunner.system.cgroup_mounts import Hierarchy, find_hierarchies

V2 = "35 24 0:30 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
HYBRID = (
    "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"
    "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:1 master:2 - cgroup cgroup rw,cpu,cpuacct\n"
    "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
    "40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd\n"
    "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n"
)


def test_unified_host() -> None:
    """A v2 host has one hierarchy; the folder is the mount and our path."""
    found = find_hierarchies(V2, "0::/system.slice/pyrunner.service\n")
    assert found == [Hierarchy(2, frozenset(), Path("/sys/fs/cgroup/system.slice/pyrunner.service"))]


def test_hybrid_host() -> None:
    """A hybrid host has v2 first, then each v1 hierarchy with its controllers and our path in it."""
    found = find_hierarchies(HYBRID, "4:memory:/a\n3:cpu,cpuacct:/\n2:name=systemd:/b\n0::/u\n")
    assert found == [
        Hierarchy(2, frozenset(), Path("/sys/fs/cgroup/unified/u")),
        Hierarchy(1, frozenset({"memory"}), Path("/sys/fs/cgroup/memory/a")),
        Hierarchy(1, frozenset({"cpu", "cpuacct"}), Path("/sys/fs/cgroup/cpu,cpuacct")),
        Hierarchy(1, frozenset({"name=systemd"}), Path("/sys/fs/cgroup/systemd/b")),
    ]


def test_container_that_sees_only_its_part() -> None:
    """Without a cgroup namespace the mount's root is cut from our path."""
    mount = "35 24 0:30 /docker/4f /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
    assert find_hierarchies(mount, "4:memory:/docker/4f/x\n")[0].own == Path("/sys/fs/cgroup/memory/x")
    assert find_hierarchies(mount, "4:memory:/docker/4f\n")[0].own == Path("/sys/fs/cgroup/memory")
    assert find_hierarchies(mount, "4:memory:/docker/4f5\n") == []


@pytest.mark.parametrize(
    ("mount", "membership"),
    [
        (V2.replace(" rw,nosuid", " ro,nosuid"), "0::/\n"),
        (V2, "0::/../other\n"),
        (V2, "0::/gone (deleted)\n"),
        (V2.replace(" / /sys", " /../.. /sys"), "0::/\n"),
        ("", "0::/\n"),
        (V2, ""),
    ],
    ids=["read-only", "outside our namespace", "deleted", "mounted from outside", "no mount", "no member"],
)
def test_hierarchies_that_cannot_serve(mount: str, membership: str) -> None:
    """What is read-only, out of sight or gone is left out."""
    assert find_hierarchies(mount, membership) == []


def test_second_mount_serves_when_the_first_does_not() -> None:
    """A read-only mount in front does not hide a writable one."""
    read_only = V2.replace("/sys/fs/cgroup rw", "/ro ro")
    assert find_hierarchies(read_only + V2, "0::/a\n")[0].own == Path("/sys/fs/cgroup/a")


def test_escaped_blanks_in_mount_points() -> None:
    """mountinfo writes a blank as \\040."""
    assert find_hierarchies(V2.replace("/sys/fs/cgroup", "/my\\040cgroups"), "0::/a\n")[0].own == Path(
        "/my cgroups/a"
    )
