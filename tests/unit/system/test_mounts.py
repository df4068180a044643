"""Mounts inside a folder are found by the kernel's list alone (proc(5))."""

from __future__ import annotations

from pathlib import Path

from pyrunner.system.mounts import find_mounts, mounts_within

INFO = rb"""22 1 8:1 / / rw shared:1 - ext4 /dev/sda1 rw
30 22 8:1 /home /data/tree/chroot/home rw - ext4 /dev/sda1 rw
31 22 0:5 / /data/tree/a\040b rw - tmpfs tmpfs rw
32 22 0:5 / /data/tree rw - tmpfs tmpfs rw
33 22 0:5 / /data/tree2 rw - tmpfs tmpfs rw
broken
"""


def test_at_and_below() -> None:
    """The folder itself and all below it count, names with blanks too; a name that only begins alike not."""
    found = find_mounts(INFO, Path("/data/tree"))
    assert found == [Path("/data/tree/chroot/home"), Path("/data/tree/a b"), Path("/data/tree")]
    assert find_mounts(INFO, Path("/data/tree/chroot/other")) == []


def test_this_machine(tmp_path: Path) -> None:
    """An ordinary folder has no mount in it; the root has."""
    assert mounts_within(tmp_path) == []
    assert mounts_within(Path("/proc")) != []
