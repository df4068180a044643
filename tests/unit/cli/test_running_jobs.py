"""Jobs as the run directories tell them; ps and abort."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from pyrunner.cli.abort import chosen
from pyrunner.cli.ps import table
from pyrunner.cli.running_jobs import RunningJob, running_jobs
from pyrunner.config.model import Config, RunnerConfig
from pyrunner.config.tables import Tristan
from pyrunner.errors import UsageError
from pyrunner.jobdir.control import ControlDir
from pyrunner.jobdir.index import add_pending
from pyrunner.jobdir.journal import Journal
from pyrunner.jobdir.layout import Business, place_job
from pyrunner.jobdir.record import JobRecord
from pyrunner.system.files import write_json
from pyrunner.system.lock import OpenFileLock
from pyrunner.system.process import ProcessIdentity


def make_job(root: Path, job_id: int, business: str = "1", stage: str = "step_script") -> ControlDir:
    """Leave a job as a manager and a supervisor leave it."""
    payload = {
        "id": job_id,
        "git_info": {"repo_url": "https://git.example.com/group/app.git", "ref": "main"},
        "job_info": {"project_id": 3, "project_full_path": "group/app"},
    }
    record = JobRecord(payload=payload, executor_id=2, received_at=50.0)
    control = ControlDir(place_job(Business(root, business), 2, record.job).control)
    control.create()
    record.store(control.job)
    journal = Journal.open(control.state)
    journal.record.stage = stage
    journal.record.started_at = 100.0
    journal.record.finished_at = 190.0
    journal.store()
    add_pending(Business(root, business), job_id, control)
    return control


def config(root: Path) -> Config:
    """Return a configuration that works below ``root``."""
    return Config(runners=[RunnerConfig(tristan=Tristan(root=str(root)))])


def test_a_running_job(tmp_path: Path) -> None:
    """Everything is read from files; alive is whoever holds the lock."""
    control = make_job(tmp_path, 4711)
    write_json(control.heartbeat, ProcessIdentity.current().to_dict())
    lock = OpenFileLock.take(control.lock)
    assert lock is not None
    [(job, found)] = running_jobs(config(tmp_path), {})
    lock.close()
    assert found == control
    assert job == RunningJob(
        job=4711,
        business="1",
        project="group/app",
        ref="main",
        stage="step_script",
        elapsed=90.0,
        slot=2,
        folder=str(control.path),
        pid=os.getpid(),
        alive=True,
        finished=False,
    )
    [(job, _)] = running_jobs(config(tmp_path), {})
    assert not job.alive


def test_no_jobs(tmp_path: Path) -> None:
    """A root that does not exist, or holds other things, has no jobs."""
    (tmp_path / "1" / "run").mkdir(parents=True)
    (tmp_path / "businesses.json").touch()
    assert running_jobs(config(tmp_path), {}) == []
    assert running_jobs(config(tmp_path / "none"), {}) == []


def test_two_entries_in_one_root(tmp_path: Path) -> None:
    """A root that serves several runners is read once."""
    make_job(tmp_path, 1, business="1")
    make_job(tmp_path, 2, business="2")
    both = Config(runners=config(tmp_path).runners * 2)
    assert [job.job for job, _ in running_jobs(both, {})] == [1, 2]


def test_a_broken_job_hides_no_other(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A record that cannot be read is reported, and the others are shown."""
    make_job(tmp_path, 1).job.write_text("{")
    make_job(tmp_path, 2)
    assert [job.job for job, _ in running_jobs(config(tmp_path), {})] == [2]
    assert "job 1 cannot be shown" in caplog.text


JOB = RunningJob(7, "1", "g/p", "main", "step_script", 61.4, 1, "/f", 42, True, False)


def test_table() -> None:
    """Columns are aligned under their headings."""
    other = replace(JOB, job=1234, stage="", pid=0, alive=False, elapsed=3600.0)
    ended = replace(JOB, finished=True)
    lines = table([JOB, other, ended]).splitlines()
    assert [line.split() for line in lines] == [
        ["JOB", "PROJECT", "REF", "STAGE", "ELAPSED", "SLOT", "PID-ALIVE", "FOLDER"],
        ["7", "g/p", "main", "step_script", "1m1s", "1", "42", "yes", "/f"],
        ["1234", "g/p", "main", "-", "1h0m0s", "1", "-", "no", "/f"],
        ["7", "g/p", "main", "(ended)", "1m1s", "1", "42", "yes", "/f"],
    ]
    assert (
        len({line.index(word) for line, word in zip(lines, ["FOLDER", "/f", "/f", "/f"], strict=True)}) == 1
    )


def test_table_is_safe_for_a_terminal() -> None:
    """Names that a pipeline chose cannot steer the terminal."""
    assert "\x1b" not in table([replace(JOB, ref="\x1b[2Jmain", project="a\nb")])


def test_abort_chooses(tmp_path: Path) -> None:
    """Jobs are named by id, or by business and id; --all takes every one."""
    control = ControlDir(tmp_path)
    jobs = [(JOB, control), (replace(JOB, job=8), control), (replace(JOB, business="2"), control)]
    assert chosen(jobs, [], every=True) == jobs
    assert chosen(jobs, ["8"], every=False) == [jobs[1]]
    assert chosen(jobs, ["2/7", "8"], every=False) == [jobs[2], jobs[1]]


@pytest.mark.parametrize(
    ("names", "every", "message"),
    [
        ([], False, "name the jobs to abort"),
        (["7"], True, "name the jobs to abort"),
        (["9"], False, "no running job 9"),
        (["7"], False, "say which: 1/7, 2/7"),
        (["3/7"], False, "no running job 3/7"),
    ],
)
def test_abort_refuses(tmp_path: Path, names: list[str], every: bool, message: str) -> None:
    """Nothing, everything and something, and what is not exactly one job are refused."""
    jobs = [(JOB, ControlDir(tmp_path)), (replace(JOB, business="2"), ControlDir(tmp_path))]
    with pytest.raises(UsageError, match=message):
        chosen(jobs, names, every)
