"""`top`: what jobs use, and how it is shown."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from pyrunner.cli.live_usage import LiveUsages
from pyrunner.cli.top import Looker, Moment, TopJob, as_json, screen
from pyrunner.jobdir.control import ControlDir
from pyrunner.jobdir.journal import JobStateRecord, Journal, load_state
from pyrunner.jobdir.layout import Business
from pyrunner.system.files import write_json
from pyrunner.system.lock import OpenFileLock
from pyrunner.system.process import ProcessIdentity
from tests.unit.cli.test_running_jobs import JOB, config, make_job


def state_of(control: ControlDir) -> JobStateRecord:
    """Return a job's journal."""
    state = load_state(control.state)
    assert state is not None
    return state


def step(user: float, system: float) -> dict[str, object]:
    """Return an ended stage as the journal has it."""
    return {"usage": {"wall": 1.0, "cpu_user": user, "cpu_system": system}}


def test_ended_stages_count(tmp_path: Path) -> None:
    """Processor time is that of all stages so far; other entries of the journal are none."""
    control = make_job(tmp_path, 7)
    journal = Journal.open(control.state)
    journal.record.steps = {"1": step(1.0, 0.5), "2": step(2.0, 0.0), "end": step(9, 9), "3": None, "4": {}}
    journal.store()
    usage = LiveUsages().of(control, state_of(control), 50.0)
    assert (usage.cpu, usage.memory) == (3.5, None)


def test_a_stage_without_a_control_group(tmp_path: Path) -> None:
    """Its processes are found by the wrapper that the claim names: here that is this very process."""
    control = make_job(tmp_path, 7)
    journal = Journal.open(control.state)
    journal.begin("1", {"identity": {"restart": 0, "cgroup": None}})
    write_json(control.path / "claim.1.step_script", ProcessIdentity.current().to_dict())
    usage = LiveUsages().of(control, state_of(control), 50.0)
    assert usage.memory is not None
    assert usage.memory > 1_000_000
    assert usage.cpu is not None
    assert usage.cpu > 0
    journal.record.phase = "finished"
    journal.store()
    assert LiveUsages().of(control, state_of(control), 50.0).memory is None


@pytest.mark.parametrize(
    "identity",
    [{"cgroup": {"name": "x", "parts": []}}, {"container": "0" * 64}, {"container": 7}, {}, None],
)
def test_nothing_is_known(tmp_path: Path, identity: object) -> None:
    """A journal of another version, or a container that is gone, has no figures."""
    control = make_job(tmp_path, 7)
    Journal.open(control.state).begin("1", {"identity": identity})
    usage = LiveUsages().of(control, state_of(control), 50.0)
    assert (usage.cpu, usage.memory) == (None, None)


def test_two_looks(tmp_path: Path) -> None:
    """Processor use is what came between them."""
    control = make_job(tmp_path, 7)
    journal = Journal.open(control.state)
    now = 10.0
    looker = Looker(config(tmp_path), {}, lambda: now)
    journal.record.steps = {"1": step(1.0, 0.0)}
    journal.store()
    assert [one.cpu_percent for one in looker.look().jobs] == [None]
    now = 12.0
    journal.record.steps["2"] = step(3.0, 0.0)
    journal.store()
    assert [(one.cpu, one.cpu_percent) for one in looker.look().jobs] == [(4.0, 150.0)]


def test_managers_at_work(tmp_path: Path) -> None:
    """By the locks that they hold."""
    make_job(tmp_path, 7)
    looker = Looker(config(tmp_path), {})
    assert (looker.look().managers, looker.look().businesses) == (0, 1)
    lock = OpenFileLock.take(Business(tmp_path, "1").lock)
    assert lock is not None
    assert looker.look().managers == 1
    lock.close()


TOP = TopJob(JOB, 5.0, 61.25, 150.0, 50_000_000)


def test_the_screen() -> None:
    """A line about all, then the busiest job first; what has ended comes last."""
    idle = TopJob(JOB, None, None, None, None)
    lines = screen(Moment([idle, TOP], managers=1, businesses=1))
    assert "2 jobs running" in lines[0]
    assert f"CPU 150% of {100 * (os.cpu_count() or 1)}%" in lines[0]
    assert "memory 50.0 MB" in lines[0]
    assert "NO RUNNER MANAGER" not in lines[0]
    assert lines[2].split()[:4] == ["JOB", "PROJECT", "REF", "STAGE"]
    assert lines[3].split() == [
        *("7", "g/p", "main", "step_script", "5s", "1m1s", "150", "1m1.2s", "50.0", "MB", "42")
    ]
    assert lines[4].split() == ["7", "g/p", "main", "step_script", "1m1s", "-", "-", "-", "42"]


def test_nobody_takes_care() -> None:
    """Jobs without a manager go on, but nothing of them reaches GitLab: the table says so."""
    assert "NO RUNNER MANAGER AT WORK" in screen(Moment([TOP], managers=0, businesses=1))[0]
    assert "NO RUNNER" not in screen(Moment([], managers=0, businesses=0))[0]


def test_json() -> None:
    """The fields of ps and the figures, for programs."""
    value = json.loads(as_json(Moment([TOP], 1, 1)))
    [job] = value["jobs"]
    assert value["managers"] == 1
    assert (job["job"], job["stage"], job["cpu_seconds"]) == (7, "step_script", 61.25)
    assert (job["cpu_percent"], job["memory_bytes"], job["stage_elapsed"]) == (150.0, 50_000_000, 5.0)
