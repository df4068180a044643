"""A supervisor alone: killed and started again at any moment, and hostile output (design R3-R6)."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from pyrunner.jobdir.orders import Order
from tests.support.jobs import PlacedJob, comparable
from tests.support.runner import RunnerProcess, trace_lines

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]

COUNTING = "for i in $(seq 1 60); do echo line $i; sleep 0.005; done"


def test_killed_at_random_moments(tmp_path: Path) -> None:
    """However often it is killed, the trace is that of an undisturbed run and the script runs once."""
    seed = random.randrange(1 << 30)
    dice = random.Random(seed)
    marker = tmp_path / "marker"
    arguments: dict[str, Any] = {
        "script": [f"echo ran >> {marker}", COUNTING, "exit 4"],
        "after_script": ["echo after"],
    }
    reference = PlacedJob.place(tmp_path / "reference", **arguments)
    assert reference.finish().exit_code == 4
    kills = 0
    for number in range(6):
        marker.unlink()
        marker.touch()
        job = PlacedJob.place(tmp_path / str(number), **arguments)
        while not job.finished:
            job.start()
            assert job.process is not None
            try:
                job.process.wait(dice.uniform(0.1, 0.5))
            except subprocess.TimeoutExpired:
                job.kill()
                kills += 1
            job.await_unlocked()
        result = job.finish()
        assert (result.state, result.exit_code) == ("failed", 4), f"seed {seed}"
        assert comparable(job.trace) == comparable(reference.trace), f"seed {seed}"
        assert marker.read_text() == "ran\n", f"seed {seed}"
    assert kills > 6


def test_a_second_supervisor_is_refused(tmp_path: Path) -> None:
    """Whoever finds the lock held leaves the job alone."""
    job = PlacedJob.place(tmp_path, script=["echo begun", "sleep 1000"])
    job.start()
    job.await_output(b"begun\n")
    first, job.process = job.process, None
    assert first is not None
    job.start()
    assert job.process is not None
    assert job.process.wait(60) == 1
    job.process = first
    job.order(Order.ABORT)
    job.finish()


def test_a_vanished_script_is_a_system_failure(tmp_path: Path) -> None:
    """When wrapper and script are gone without an exit status the job fails; the script is not repeated."""
    marker = tmp_path / "marker"
    job = PlacedJob.place(tmp_path, script=[f"echo ran >> {marker}", "echo begun", "sleep 1000"])
    job.start()
    job.await_output(b"begun\n")
    job.kill()
    victims = job.processes()
    assert victims
    for process in victims:
        process.kill()
    psutil.wait_procs(victims, timeout=60)
    result = job.finish()
    assert result.failure_reason == "runner_system_failure"
    assert marker.read_text() == "ran\n"
    assert "begun" in job.output


def test_a_lost_wrapper_takes_its_script_along(tmp_path: Path) -> None:
    """When the wrapper alone is killed nothing of the stage is left running."""
    job = PlacedJob.place(tmp_path, script=["echo begun", "sleep 1000"])
    job.start()
    job.await_output(b"begun\n")

    def wrappers() -> list[psutil.Process]:
        return [one for one in job.processes() if one.name().startswith("python")]

    RunnerProcess.until(lambda: len(wrappers()) == 1, "those of earlier stages have gone")
    wrappers()[0].kill()
    assert job.finish().failure_reason == "runner_system_failure"
    RunnerProcess.until(lambda: job.processes() == [], "nothing of the job lives")


def test_abort_stops_the_whole_tree(tmp_path: Path) -> None:
    """Also what left the process group, ignores SIGTERM, or was started by an earlier stage."""
    script = [
        "setsid sleep 1001 > /dev/null 2>&1 &",
        "(trap '' TERM; while true; do sleep 1; done) > /dev/null 2>&1 &",
        "(setsid nohup sleep 1002 > /dev/null 2>&1 &)",
        "echo begun",
        "trap '' TERM",
        "while true; do sleep 1; done",
    ]
    job = PlacedJob.place(tmp_path, script=script, runner={"tristan": {"kill_grace": 1.0}})
    job.start()
    job.await_output(b"begun\n")
    job.order(Order.ABORT)
    assert job.finish(timeout=30).failure_reason == "job_canceled"
    # The wrapper goes by itself, within a second.
    RunnerProcess.until(lambda: job.processes() == [], "nothing of the job lives")


def test_a_normal_end_kills_nothing(tmp_path: Path) -> None:
    """What a job leaves running on purpose goes on, as with gitlab-runner (R11)."""
    job = PlacedJob.place(tmp_path, script=["setsid sleep 1003 > /dev/null 2>&1 < /dev/null &", "echo done"])
    assert job.finish().state == "success"
    left = [one for one in job.processes() if "1003" in one.cmdline()]
    try:
        assert len(left) == 1
    finally:
        for process in left:
            process.kill()


def test_a_process_that_keeps_stdout_open(tmp_path: Path) -> None:
    """It holds the job up for no more than its last output: end-of-file is never waited for."""
    job = PlacedJob.place(tmp_path, script=["sleep 1004 &", "echo done"])
    assert job.finish(timeout=30).state == "success"
    assert "done" in job.output
    for process in job.processes():
        process.kill()


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        (["echo one | tee /dev/stderr", "echo two > /dev/stdout", "echo three"], ["one", "two", "three"]),
        (["exec 1>&-; true"], []),
        (["cat", "echo nothing to read"], ["nothing to read"]),
        (["printf 'no newline'"], ["no newline"]),
        (["printf 'ab\\377cd\\n'"], ["ab\ufffdcd"]),
    ],
    ids=["reopens its streams", "closes stdout", "reads stdin", "no newline", "invalid UTF-8"],
)
def test_unusual_output(tmp_path: Path, script: list[str], expected: list[str]) -> None:
    """A job may do with its streams what it likes; nothing of what it wrote before is lost."""
    job = PlacedJob.place(tmp_path, script=script)
    assert job.finish().state == "success"
    printed = [line for line in job.output if line in expected]
    assert printed == expected


def test_binary_output(tmp_path: Path) -> None:
    """A megabyte of random bytes harms neither the job nor the trace's encoding."""
    job = PlacedJob.place(tmp_path, script=["head -c 1000000 /dev/urandom", "echo", "echo the end"])
    assert job.finish().state == "success"
    job.trace.decode("utf-8")
    assert b"the end" in job.trace


def test_an_endless_line(tmp_path: Path) -> None:
    """A line of 100 MB passes through flat memory; the trace keeps its head and its end (R10)."""
    job = PlacedJob.place(
        tmp_path,
        script=["head -c 100000000 /dev/zero | tr '\\0' x", "echo", "echo the end"],
        runner={"output_limit": 1024},
    )
    job.start()
    assert job.process is not None
    peak = 0
    supervisor = psutil.Process(job.process.pid)
    while job.process.poll() is None:
        try:
            peak = max(peak, supervisor.memory_info().rss)
        except psutil.NoSuchProcess:
            break
        time.sleep(0.05)
    assert job.finish().state == "success"
    assert peak < 100 * 2**20
    assert len(job.trace) < 1024 * 1024 + 80 * 1024
    assert b"Job's log exceeded limit of 1048576 bytes." in job.trace
    assert b"the end" in job.trace
    assert b"Job succeeded" in job.trace


def test_secrets_across_writes(tmp_path: Path) -> None:
    """A masked value is hidden however its bytes are cut, also at the end of a 64 KiB line."""
    secret = "s3cr3t-" + "0123456789abcdef" * 4
    cut = secret[:9], secret[9:40], secret[40:]
    script = [
        f"printf '{cut[0]}'; sleep 0.05; printf '{cut[1]}'; sleep 0.05; printf '{cut[2]}\\n'",
        "head -c 65500 /dev/zero | tr '\\0' y; printf '%s\\n' \"$SECRET\"",
        "printf '%s' \"$SECRET\" >&2",
    ]
    job = PlacedJob.place(
        tmp_path,
        script=script,
        variables=[{"key": "SECRET", "value": secret, "masked": True, "public": False}],
    )
    assert job.finish().state == "success"
    assert secret.encode() not in job.trace
    assert "[MASKED]" in job.output
    assert any(line.endswith("y[MASKED]") for line in job.output)
    assert trace_lines(job.trace, "01E") == ["[MASKED]"]


def test_orders_reach_a_supervisor_that_ignores_signals(tmp_path: Path) -> None:
    """SIGTERM to a supervisor does nothing: it acts on files (R7)."""
    gate = tmp_path / "gate"
    job = PlacedJob.place(tmp_path, script=["echo begun", f"until [ -e {gate} ]; do sleep 0.05; done"])
    job.start()
    job.await_output(b"begun\n")
    assert job.process is not None
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        os.kill(job.process.pid, number)
    gate.touch()
    assert job.finish().state == "success"


@pytest.mark.parametrize(
    "ref",
    ["../../x", "feature", "feature/source", "r" * 300, "ветка", "-leading", "a b;$(touch pwned)"],
)
def test_hostile_refs(tmp_path: Path, ref: str) -> None:
    """No ref leaves its parent, and each has a folder of its own below branches/."""
    job = PlacedJob.place(tmp_path, script=["echo $CI_COMMIT_REF_NAME"], ref=ref)
    assert job.finish().state == "success"
    branches = tmp_path / "root" / "1" / "run" / "1" / "127.0.0.1" / "group" / "project" / "branches"
    assert job.control.path.parents[2] == branches
    assert ref in job.output
    assert not list(tmp_path.rglob("pwned"))
