"""A supervisor that was killed at one certain point, and what the next one makes of it (design R3-R6)."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import psutil
import pytest

from pyrunner.jobdir.orders import Order
from tests.support.jobs import PlacedJob, comparable
from tests.support.runner import RunnerProcess

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

#: Dies when a stage is about to be journaled as begun: its section has its title already.
AT_FIRST_STAGE = "import os, pyrunner.jobdir.journal as j; j.Journal.begin = lambda *_, **__: os._exit(9)"
#: Dies when the last line is about to be written.
AT_FINAL_LINE = (
    "import os, pyrunner.supervisor.job as j\n"
    "j.SupervisedJob._final_line = staticmethod(lambda *_: os._exit(9))"
)


def die(job: PlacedJob, prelude: str) -> None:
    """Let a supervisor die at the point that ``prelude`` names."""
    job.start(prelude)
    assert job.process is not None
    assert job.process.wait(60) == 9
    job.process = None


def last_line(job: PlacedJob) -> str:
    """The text of the trace's last line."""
    return job.trace.decode().rstrip("\n").split("\n")[-1][32:]


def test_an_abort_that_a_former_supervisor_did_not_see(tmp_path: Path) -> None:
    """The abort stops the stage whose section is open already, and the final line is not lost."""
    job = PlacedJob.place(tmp_path, script=["echo no"])
    die(job, AT_FIRST_STAGE)
    job.order(Order.ABORT)
    assert job.finish().failure_reason == "job_canceled"
    assert last_line(job) == "\x1b[31;1mERROR: Job failed: canceled\x1b[0;m"
    trace = job.trace.decode()
    assert re.findall(r"section_start:\d+:(\w+)", trace) == re.findall(r"section_end:\d+:(\w+)", trace)


def test_an_executor_that_is_prepared_at_the_second_try(tmp_path: Path) -> None:
    """The failed try stays one when the walk is repeated, so that no later line is shifted out."""
    prelude = (
        "import pyrunner.executors.shell as s; from pyrunner.errors import PyrunnerError as E\n"
        "import pyrunner.build.runner as r; r.PREPARE_PAUSE = 0.0\n"
        "real, tries = s.ShellExecutor.prepare, []\n"
        "def prepare(self):\n"
        "    tries.append(1)\n"
        "    if len(tries) == 1: raise E('not yet')\n"
        "    return real(self)\n"
        "s.ShellExecutor.prepare = prepare\n"
    )
    undisturbed = PlacedJob.place(tmp_path / "undisturbed", script=["echo hi"])
    undisturbed.start(prelude)
    undisturbed.finish()
    job = PlacedJob.place(tmp_path / "killed", script=["echo hi"])
    die(job, prelude + AT_FIRST_STAGE)
    assert job.finish().state == "success"
    assert job.trace.count(b"Preparation failed: not yet") == 1
    assert comparable(job.trace) == comparable(undisturbed.trace)


def test_killed_before_the_final_line(tmp_path: Path) -> None:
    """An end that is journaled is not worked out again: the report and the line come once."""
    job = PlacedJob.place(tmp_path, script=["exit 3"])
    die(job, AT_FINAL_LINE)
    assert job.finish().exit_code == 3
    assert last_line(job) == "\x1b[31;1mERROR: Job failed: exit status 3\x1b[0;m"
    assert job.sections().count("resource_usage") == 1


def test_a_pause_is_not_repeated_while_the_next_try_runs(tmp_path: Path) -> None:
    """The output of the running attempt is collected at once."""
    tries, gate = tmp_path / "tries", tmp_path / "gate"
    hook = (
        f"echo x >> {tries}; [ $(wc -l < {tries}) = 2 ] || exit 1; echo second; "
        f"until [ -e {gate} ]; do sleep 0.05; done; echo third; sleep 1000"
    )
    job = PlacedJob.place(
        tmp_path,
        script=["echo no"],
        runner={"pre_get_sources_script": hook},
        repo_url=f"file://{tmp_path}/nowhere.git",
        variables={"GET_SOURCES_ATTEMPTS": "2"},
    )
    # The former supervisor does not wait; the next would, for 5 seconds and more.
    job.start("import pyrunner.supervisor.watch as w; w.SupervisorWatch.pause = lambda *_: None")
    job.await_output(b"second\n")
    job.kill()
    job.start("import os, pyrunner.supervisor.watch as w; w.SupervisorWatch.pause = lambda *_: os._exit(9)")
    gate.touch()
    job.await_output(b"third\n")
    job.order(Order.ABORT)
    assert job.finish().failure_reason == "job_canceled"


def test_a_script_whose_claim_a_power_cut_took(tmp_path: Path) -> None:
    """After a reboot a script that may have begun is not started again."""
    marker = tmp_path / "marker"
    job = PlacedJob.place(tmp_path, script=[f"echo ran >> {marker}", "echo begun", "sleep 1000"])
    job.start()
    job.await_output(b"begun\n")
    job.kill()
    victims = job.processes()
    for process in victims:
        process.kill()
    psutil.wait_procs(victims, timeout=60)
    for claim in job.control.path.glob("claim.*.step_script"):
        claim.unlink()
    state = json.loads(job.control.state.read_text())
    assert len(state["begun"]) == 1
    for begun in state["begun"].values():
        begun["boot_id"] = "another boot"
    job.control.state.write_text(json.dumps(state))
    result = job.finish()
    assert result.failure_reason == "runner_system_failure"
    assert "started again" in result.message
    assert marker.read_text() == "ran\n"


def test_a_restarted_supervisor_stops_what_earlier_stages_left(tmp_path: Path) -> None:
    """An abort ends the whole tree, also what a stage started whose end a former supervisor saw (R11)."""
    steps = [
        {"name": "script", "script": ["setsid sleep 1009 > /dev/null 2>&1 < /dev/null &"]},
        {"name": "release", "script": ["echo begun", "sleep 1000"]},
    ]
    job = PlacedJob.place(tmp_path, steps=steps, runner={"tristan": {"kill_grace": 1.0}})
    job.start()
    job.await_output(b"begun\n")
    job.kill()
    job.order(Order.ABORT)
    assert job.finish().failure_reason == "job_canceled"
    RunnerProcess.until(lambda: not job.processes(), "nothing of the job lives")


def test_a_script_that_passed_while_no_supervisor_lived(tmp_path: Path) -> None:
    """A deadline that passed behind the script's end is none: its exit status counts."""
    job = PlacedJob.place(tmp_path, script=["echo begun"], variables={"RUNNER_SCRIPT_TIMEOUT": "30s"})
    # Never collects: dies with the first look after the script's start.
    job.start(
        "import os, pyrunner.executors.process as p, pathlib, time\n"
        "real = p.DurableProcess.wait\n"
        "def wait(self, *rest):\n"
        "    while self.number == 3:\n"
        "        if self.files.exit.exists(): os._exit(9)\n"
        "        time.sleep(0.02)\n"
        "    return real(self, *rest)\n"
        "p.DurableProcess.wait = wait\n"
    )
    assert job.process is not None
    assert job.process.wait(60) == 9
    job.process = None
    state = json.loads(job.control.state.read_text())
    ended = json.loads(next(job.control.path.glob("exit.3.step_script")).read_text())["ended_at"]
    state["steps"]["script_deadline"]["monotonic"] = ended + 0.001
    job.control.state.write_text(json.dumps(state))
    time.sleep(0.01)
    assert job.finish().state == "success"
    assert "begun" in job.output
