"""A job's control directory (design R3)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pyrunner.jobdir.control import ControlDir


@pytest.fixture
def control(tmp_path: Path) -> ControlDir:
    """A control directory that has just been made."""
    made = ControlDir(tmp_path / "build" / "1")
    made.create()
    return made


def test_private_whatever_the_umask(tmp_path: Path) -> None:
    """It holds tokens: nobody else may enter, however lax or strict the umask is."""
    for name, umask in (("lax", 0o000), ("strict", 0o777)):
        control = ControlDir(tmp_path / name / "1")
        former = os.umask(umask)
        try:
            control.create()
        finally:
            os.umask(former)
        for folder in (control.path.parent, control.path, control.scripts, control.orders):
            assert folder.stat().st_mode & 0o777 == 0o700


def test_making_it_again_keeps_what_is_there(control: ControlDir) -> None:
    """A resumed job finds its files."""
    control.job.write_text("{}")
    control.create()
    assert control.job.read_text() == "{}"


def test_every_file_has_a_name_of_its_own(control: ControlDir) -> None:
    """One writer a file: no two are the same."""
    names = [name for name, value in vars(ControlDir).items() if isinstance(value, property)]
    paths = [getattr(control, name) for name in names]
    assert len(paths) == len(set(paths)) >= 14
    assert {path.parent for path in paths} == {control.path}


@pytest.mark.parametrize("size", [0, 1, 255, 2**40])
def test_durable_size_of_the_trace(control: ControlDir, size: int) -> None:
    """What was recorded is read again; before anything is, nothing may be shipped (R6)."""
    assert control.durable_trace_size() == 0
    control.store_trace_size(2**33)
    control.store_trace_size(size)
    assert control.durable_trace_size() == size


def test_working_files_go_and_results_stay(control: ControlDir) -> None:
    """When the trace is complete, secrets and raw output are gone; what is shipped or read stays (R10)."""
    gone = [
        ".job.json.17.tmp",
        *(f"{kind}.1.get_sources" for kind in ("claim", "exit", "drained", "out", "err", "wlock")),
        *("raw.log", "raw.idx", "login.env", "login.env.tmp"),
    ]
    kept = [
        "job.json",
        "state.json",
        "trace.log",
        "trace.size",
        "overflow.log",
        "stats.json",
        "supervisor.log",
    ]
    for name in (*gone, *kept, "scripts/1.get_sources.sh", "cursor.json", "lock"):
        (control.path / name).touch()
    control.drop_working_files()
    control.drop_working_files()
    left = {path.name for path in control.path.iterdir()}
    assert left == {*kept, "cursor.json", "lock", "orders"}
