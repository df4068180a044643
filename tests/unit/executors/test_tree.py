"""Names and claims of a host job's processes (tristan-layout.md 6)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pyrunner.executors.tree import HostTree, cgroup_name, cgroup_prefix
from pyrunner.jobdir.record import JobRecord
from tests.support.contexts import payload


def record(business: str = "/data/1") -> JobRecord:
    """Return a job of a business."""
    return JobRecord(payload=payload(), business=business)


def test_no_two_stages_share_a_cgroup() -> None:
    """Whoever shared one would be stopped with it."""
    names = {cgroup_name(record()) for _ in range(100)}
    assert len(names) == 100
    assert all(re.fullmatch(r"job-[0-9a-f]{12}-4711-[0-9a-f]{12}", name) for name in names)


def test_a_business_knows_its_own() -> None:
    """A folder's cgroups begin alike, and no other folder's do."""
    assert cgroup_name(record()).startswith(cgroup_prefix("/data/1"))
    others = ["/data/2", "/data/1/", "/data", "/data/11", "/data/\udcff"]
    assert len({cgroup_prefix(one) for one in ["/data/1", *others]}) == 6


@pytest.mark.parametrize("claim", [None, "", "{}", "[]", "5", '{"pid": 0, "start_time": 1}', '{"pid": "x"}'])
def test_a_void_claim_names_nobody(tmp_path: Path, claim: str | None) -> None:
    """Not begun, or voided by a supervisor: there is nothing to stop, and nothing is."""
    path = tmp_path / "claim"
    if claim is not None:
        path.write_text(claim)
    tree = HostTree(None, f"nobody-has-this-{tmp_path}", path)
    assert not tree.alive()
    tree.terminate()
    tree.kill()
    tree.abandon()
    assert tree.usage() is None


def test_a_claim_of_a_process_that_is_gone(tmp_path: Path) -> None:
    """Its id may be another's by now: the start time tells them apart."""
    path = tmp_path / "claim"
    path.write_text('{"pid": 1, "start_time": 999999999999}')
    tree = HostTree(None, f"nobody-has-this-{tmp_path}", path)
    tree.abandon()
    assert not tree.alive()
