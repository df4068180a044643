"""Rules of :mod:`pyrunner.manager.reaping`: who is ended with a job that is given up, and who is not."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyrunner.errors import JobDirError
from pyrunner.jobdir.control import ControlDir
from pyrunner.jobdir.journal import Journal
from pyrunner.jobdir.record import JobRecord, job_marker
from pyrunner.manager.reaping import reap
from pyrunner.system.process import ProcessIdentity, boot_id
from pyrunner.system.proctree import MARKER

_SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]


@pytest.fixture
def control(tmp_path: Path) -> ControlDir:
    one = ControlDir(tmp_path / "build" / "5")
    one.create()
    JobRecord(payload={}, received_at=12.5).store(one.job)
    return one


@pytest.fixture
def marked(control: ControlDir) -> Iterator[subprocess.Popen[bytes]]:
    """A process of the job whose wrapper is gone."""
    environment = {**os.environ, MARKER: job_marker(control.path, 12.5)}
    with subprocess.Popen(_SLEEP, env=environment) as process:
        yield process
        process.kill()


def begin(control: ControlDir, boot: str) -> None:
    Journal.open(control.state).begin("1.step_script", {"identity": {"cgroup": None}, "boot_id": boot})


def test_marked_processes_and_wrappers_end(control: ControlDir, marked: subprocess.Popen[bytes]) -> None:
    """What the marker or a claim names is killed; what only looks like a claim names nobody."""
    begin(control, boot_id())
    (control.path / "claim.2.void").write_text("")
    with subprocess.Popen(_SLEEP) as wrapper, subprocess.Popen(_SLEEP) as stranger:
        identity = ProcessIdentity.of(wrapper.pid)
        assert identity is not None
        (control.path / "claim.1.step").write_text(json.dumps(identity.to_dict()))
        other = {"pid": stranger.pid, "start_time": 1}
        (control.path / "claim.3.old").write_text(json.dumps(other))
        reap(control)
        assert marked.wait(30) == -signal.SIGKILL
        assert wrapper.wait(30) == -signal.SIGKILL
        assert stranger.poll() is None
        stranger.kill()


def test_nothing_of_another_boot_is_named(control: ControlDir, marked: subprocess.Popen[bytes]) -> None:
    """Ids and start times begin anew with a boot: after one, nothing is killed."""
    begin(control, "another boot")
    assert reap(control)
    assert marked.poll() is None


def test_a_journal_that_makes_no_sense_names_nobody(control: ControlDir) -> None:
    """A newer version's journal is not acted on."""
    control.state.write_text('{"schema": 99}')
    with pytest.raises(JobDirError, match="schema 99"):
        reap(control)
