"""The files of one stage attempt (design R3)."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from pyrunner.executors.stagefiles import StageFiles
from pyrunner.jobdir.control import ControlDir


@pytest.fixture
def control(tmp_path: Path) -> ControlDir:
    """A control directory."""
    made = ControlDir(tmp_path / "1")
    made.create()
    return made


def paths(files: StageFiles) -> list[Path]:
    """Return every file of an attempt."""
    return [
        *(files.claim, files.exit, files.drained, files.stdout, files.stderr, files.lock),
        files.script,
    ]


def test_attempts_share_no_file(control: ControlDir) -> None:
    """Neither stages, nor attempts of one, nor repetitions after a vanished wrapper."""
    attempts = [
        StageFiles.of(control, 1, "get_sources"),
        StageFiles.of(control, 2, "get_sources"),
        StageFiles.of(control, 2, "get_sources", 1),
        StageFiles.of(control, 21, "get_sources"),
        StageFiles.of(control, 2, "restore_cache"),
    ]
    every = [path for files in attempts for path in paths(files)]
    assert len(every) == len(set(every)) == 7 * len(attempts)


@pytest.mark.parametrize("name", ["step_../../../etc/passwd", "step_a/b", "step_\0", "step_" + "x" * 300, ""])
def test_no_step_name_leaves_the_control_directory(control: ControlDir, name: str) -> None:
    """Names of steps come with the payload."""
    files = StageFiles.of(control, 3, name)
    for path in paths(files):
        assert path.parent in (control.path, control.scripts)
        path.touch()


def test_fifos_can_be_reopened_by_another_user(control: ControlDir) -> None:
    """A job under another user writes to /dev/stdout; the folder above keeps all others out."""
    files = StageFiles.of(control, 1, "step_script")
    former = os.umask(0o777)
    try:
        files.make_fifos()
        files.make_fifos()
    finally:
        os.umask(former)
    for fifo in (files.stdout, files.stderr):
        assert stat.S_ISFIFO(fifo.stat().st_mode)
        assert fifo.stat().st_mode & 0o777 == 0o666
    assert control.path.stat().st_mode & 0o777 == 0o700


def test_what_tells_of_the_attempt_stays(control: ControlDir) -> None:
    """Script, pipes and lock go; claim, exit and drained are what a restarted supervisor reads."""
    files = StageFiles.of(control, 1, "step_script")
    for path in paths(files):
        path.touch()
    files.remove()
    files.remove()
    assert [path for path in paths(files) if path.exists()] == [files.claim, files.exit, files.drained]
