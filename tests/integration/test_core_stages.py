"""Stages that do not end as they should, and what they may cost (design R3, R11)."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from pyrunner.jobdir.orders import Order
from tests.support.jobs import PlacedJob
from tests.support.runner import RunnerProcess

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

#: No cgroup can be had: the job's processes are found by descent and marker.
NO_CGROUP = "import pyrunner.system.cgroup as c; c.JobCgroup.create = classmethod(lambda *_, **__: None)"


def test_a_running_job_costs_next_to_nothing(tmp_path: Path) -> None:
    """A supervisor sleeps while its stage prints nothing: it must not wake itself up."""
    gate = tmp_path / "gate"
    job = PlacedJob.place(tmp_path, script=["echo begun", f"until [ -e {gate} ]; do sleep 0.2; done"])
    job.start(
        "import pyrunner.supervisor.watch as w, pathlib\n"
        "real, looks = w.SupervisorWatch.check, [0]\n"
        "def check(self, limits):\n"
        "    looks[0] += 1\n"
        f"    pathlib.Path({str(tmp_path / 'looks')!r}).write_text(str(looks[0]))\n"
        "    return real(self, limits)\n"
        "w.SupervisorWatch.check = check\n"
    )
    job.await_output(b"begun\n")
    seen = int((tmp_path / "looks").read_text() or "0")
    beat = job.control.heartbeat.stat().st_mtime_ns
    # One heartbeat is five seconds: a supervisor that span would look thousands of times.
    RunnerProcess.until(lambda: job.control.heartbeat.stat().st_mtime_ns != beat, "a heartbeat")
    assert int((tmp_path / "looks").read_text()) - seen < 100
    gate.touch()
    assert job.finish().state == "success"


@pytest.mark.parametrize("prelude", ["", NO_CGROUP], ids=["cgroup", "marker"])
def test_a_job_that_stops_its_wrapper(tmp_path: Path, prelude: str) -> None:
    """It cannot hold its slot beyond its end: a wrapper that does not answer is killed."""
    script = ["echo begun", "kill -STOP $(ps -o ppid= -p $$)"]
    job = PlacedJob.place(tmp_path, script=script, runner={"tristan": {"kill_grace": 0.0}})
    job.start(prelude + "\nimport pyrunner.executors.process as p; p.FORCE_KILL = 0.5")
    job.await_output(b"begun\n")
    job.order(Order.ABORT)
    assert job.finish().failure_reason == "job_canceled"


@pytest.mark.parametrize("prelude", ["", NO_CGROUP], ids=["cgroup", "marker"])
def test_leftovers_that_print_for_ever(tmp_path: Path, prelude: str) -> None:
    """The end of the script is the end of the stage, however much others still print."""
    job = PlacedJob.place(tmp_path, script=["yes & yes >&2 & echo done"])
    job.start(prelude)
    assert job.finish().state == "success"
    assert "done" in job.output
    for process in psutil.process_iter():
        try:
            if process.name() == "yes" and process.environ().get("HOME") == str(job.folder / "home"):
                process.kill()
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue


def test_stdout_cannot_be_read(tmp_path: Path) -> None:
    """Nobody in the job can take output away, or hang in a read of it."""
    job = PlacedJob.place(tmp_path, script=["head -c 1 <&1 || echo not for reading"])
    assert job.finish().state == "success"
    assert "not for reading" in job.output


def test_a_last_line_without_end_stays_in_its_section(tmp_path: Path) -> None:
    """What a stage wrote last comes before the end of its section."""
    job = PlacedJob.place(tmp_path, script=["printf 'no newline'"])
    assert job.finish().state == "success"
    lines = job.trace.decode().split("\n")
    text = next(number for number, line in enumerate(lines) if line.endswith("O no newline"))
    ends = next(
        number for number, line in enumerate(lines) if "section_end" in line and "step_script" in line
    )
    assert text < ends


def test_a_tag_with_a_deep_tree(tmp_path: Path) -> None:
    """A tag's sources go, whatever the job made of them, and the job keeps its result."""
    program = "import os; [(os.mkdir('d'), os.chdir('d')) for _ in range(1500)]"
    dig = f'{sys.executable} -c "{program}"'
    job = PlacedJob.place(tmp_path, script=[dig, f"ln -s {tmp_path}/kept link"], ref="v1", tag=True)
    kept = tmp_path / "kept" / "file"
    kept.parent.mkdir()
    kept.touch()
    assert job.finish().state == "success"
    assert [one.name for one in job.control.path.parents[1].iterdir()] == ["build"]
    assert kept.exists()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "none", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("a file system cannot be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=False)


def _lives(process: psutil.Process, names: tuple[str, ...]) -> bool:
    """Tell whether a process runs; its wrapper, which waits for room, may not have taken note of its end."""
    try:
        return process.name() in names and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_full_disk(small_disk: Path) -> None:
    """The job is stopped with that reason; its result is written as soon as there is room."""
    job = PlacedJob.place(small_disk / "job", script=["head -c 9000000 /dev/urandom | base64", "sleep 1000"])
    job.start()

    RunnerProcess.until(
        lambda: job.control.raw_log.exists() and job.control.raw_log.stat().st_size > 2**19, "it prints"
    )
    assert job.process is not None
    supervisor = psutil.Process(job.process.pid)
    RunnerProcess.until(
        lambda: not [one for one in supervisor.children(recursive=True) if _lives(one, ("bash", "sleep"))],
        "the script is stopped",
    )
    subprocess.run(["mount", "-o", "remount,size=100m", str(small_disk)], check=True)
    result = job.finish()
    assert result.failure_reason == "runner_system_failure"
    assert "no room" in result.message
    assert result.message in job.trace.decode()
