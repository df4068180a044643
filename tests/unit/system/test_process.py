"""Identities: a process id alone names nothing."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from pyrunner.errors import JobDirError
from pyrunner.system.process import ProcessIdentity, await_exit, boot_id, read_stat


def stranger() -> ProcessIdentity:
    """Our own id as it would be remembered from a process that had it before."""
    return ProcessIdentity(os.getpid(), ProcessIdentity.current().start_time - 1)


def test_current_process_lives() -> None:
    """This process is found under its own id, and lives."""
    me = ProcessIdentity.current()
    assert me == ProcessIdentity.of(os.getpid())
    assert me.pid == os.getpid()
    assert me.alive()


def test_start_time_is_field_22() -> None:
    """The start time counts ticks since boot: ours lies between pid 1's and now."""
    uptime = float(Path("/proc/uptime").read_text().split()[0]) * os.sysconf("SC_CLK_TCK")
    first = read_stat(1)
    assert first is not None
    assert first.start_time <= ProcessIdentity.current().start_time <= uptime


def test_parent_is_read() -> None:
    """The stat line gives the parent, whatever the name in front of it looks like."""
    stat = read_stat(os.getpid())
    assert stat is not None
    assert stat.parent == os.getppid()
    assert not stat.dead


def test_nobody_has_an_id_beyond_the_limit() -> None:
    """An id that the kernel never gives is nobody's."""
    assert ProcessIdentity.of(2**31 - 1) is None
    assert ProcessIdentity.of(0) is None


def test_reused_id_is_somebody_else() -> None:
    """A process with our remembered id but another start time is not alive, has no pidfd, gets no signal."""
    other = stranger()
    assert not other.alive()
    assert other.open_pidfd() is None
    # Would end this test run if it were delivered.
    assert other.send(signal.SIGKILL) is False
    assert other.wait(0) is True
    assert await_exit([other], 0) == []


def test_living_process_is_waited_for_no_longer_than_told() -> None:
    """What still lives after the time is returned."""
    me = ProcessIdentity.current()
    assert await_exit([me, stranger()], 0) == [me]


@pytest.mark.parametrize("pid", [0, -1])
def test_ids_that_mean_groups_are_refused(pid: int) -> None:
    """Ids below 1 reach a whole group, or everybody: no identity holds one."""
    with pytest.raises(ValueError, match="not a process id"):
        ProcessIdentity(pid, 1)


def test_identity_survives_json() -> None:
    """A journal gives back the same identity."""
    me = ProcessIdentity.current()
    assert ProcessIdentity.from_dict(me.to_dict()) == me


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {},
        {"pid": 1},
        {"pid": "1", "start_time": 1},
        {"pid": 0, "start_time": 1},
        {"pid": True, "start_time": 1},
    ],
)
def test_anything_else_in_a_journal_is_refused(value: object) -> None:
    """A damaged journal names nobody, rather than somebody else."""
    with pytest.raises(JobDirError, match="not a process identity"):
        ProcessIdentity.from_dict(value)


def test_boot_id_is_constant() -> None:
    """Two readings within a boot agree and are not empty."""
    assert boot_id() == boot_id() != ""
