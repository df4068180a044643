"""Caches and inputs of a job are counted from what there is at its end."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pyrunner.jobdir.control import ControlDir
from pyrunner.protocol.job import Image, InputValue, Job, JobInput, Step
from pyrunner.supervisor.figures import cache_figures, interpolations
from pyrunner.trace.rawlog import STDERR, STDOUT, RawLog

STAGES = ["prepare_script", "restore_cache", "step_script", "archive_cache"]


class Output:
    """Writes a raw log as a supervisor does."""

    def __init__(self, folder: Path) -> None:
        self.control = ControlDir(folder / "17")
        self.control.create()
        self._log = RawLog.open(self.control)

    def put(self, stage: int, text: bytes, stream: int = STDOUT) -> None:
        """Let a stage print."""
        read, write = os.pipe()
        os.write(write, text)
        os.close(write)
        while self._log.splice(read, stream, stage, 1.0):
            pass
        os.close(read)

    def close(self) -> None:
        """Release the descriptors."""
        self._log.close()


@pytest.fixture
def output(tmp_path: Path) -> Output:
    """An empty raw log."""
    return Output(tmp_path)


def test_caches(output: Output) -> None:
    """Hits and misses of restoring; what was made anew and what was left as it is when saving."""
    output.put(2, b"Successfully extr")
    output.put(2, b"WARNING: Failed to extract cache\n", STDERR)
    output.put(2, b"acted cache\n")
    output.put(4, b"Created cache\n")
    output.put(4, b"Archive is up to date!\n", STDERR)
    output.put(4, b"Created cache\nFailed to create cache\n")
    output.close()
    assert cache_figures(output.control, STAGES) == {
        "hit": 1,
        "miss": 1,
        "created": 1,
        "unchanged": 1,
        "failed": 1,
    }


def test_a_script_counts_nothing(output: Output) -> None:
    """Whatever the user's script prints."""
    output.put(3, b"Successfully extracted cache\n" * 10)
    output.close()
    assert cache_figures(output.control, STAGES) == {}


def test_jobs_without_caches(tmp_path: Path) -> None:
    """Nothing is read."""
    assert cache_figures(ControlDir(tmp_path / "none"), ["step_script"]) == {}


def test_a_raw_log_that_cannot_be_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Costs the figures and nothing else."""
    assert cache_figures(ControlDir(tmp_path / "none"), STAGES) == {}
    assert "not counted" in caplog.text


def test_inputs() -> None:
    """Each text with an expression counts once; without inputs nothing is an expression."""
    inputs = [JobInput("a", InputValue(type="string", content="x"))]
    steps = [
        Step(name="script", script=["echo ${{ job.inputs.a }} ${{ job.inputs.a }}", "ls"]),
        Step(name="release", script=["${{ job.inputs.a }}"]),
    ]
    image = Image(name="alpine:${{ job.inputs.a }}")
    assert interpolations(Job(inputs=inputs, steps=steps, image=image)) == 2
    assert interpolations(Job(steps=steps, image=image)) == 0
