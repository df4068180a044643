"""The wrapper and its exit record (design R3, R5): each test has a real one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from pyrunner.executors.stagefiles import StageFiles
from pyrunner.executors.wrapper import read_exit
from pyrunner.jobdir.control import ControlDir
from pyrunner.system.lock import is_held
from pyrunner.system.usage import ResourceUsage

FOREVER = 1e18
_SPAWN = """
import json, os, sys
from pathlib import Path
from pyrunner.executors.stagefiles import StageFiles
from pyrunner.executors.wrapper import WrapperPlan, spawn_wrapper
from pyrunner.jobdir.control import ControlDir
from pyrunner.system.lock import OpenFileLock

given = json.loads(sys.argv[1])
files = StageFiles(ControlDir(Path(given["control"])), given["key"])
plan = WrapperPlan(
    files=files,
    argv=given["argv"],
    environment={b"PATH": os.environb[b"PATH"], b"ONLY": b"this"},
    working_directory=os.fsencode(given["folder"]),
    umask=given["umask"],
    limits={name: tuple(values) for name, values in given["limits"].items()},
    give_up_at=given["give_up_at"],
    enter=lambda: files.control.path.joinpath("entered").touch(),
    kill=lambda: files.control.path.joinpath("killed").touch(),
)
os.waitpid(spawn_wrapper(plan, OpenFileLock.take(files.lock)), 0)
"""


class Stage:
    """The files of one attempt, with both pipes open for reading."""

    def __init__(self, folder: Path) -> None:
        self.control = ControlDir(folder)
        self.control.create()
        self.files = StageFiles.of(self.control, 1, "step_script")
        self.files.make_fifos()
        flags = os.O_RDONLY | os.O_NONBLOCK
        self._pipes = [os.open(one, flags) for one in (self.files.stdout, self.files.stderr)]
        # All is drained from the start: the wrapper goes as soon as it has told of the end.
        self.files.drained.touch()

    def run(
        self,
        script: str | None = "",
        argv: tuple[str, ...] = ("sh",),
        *,
        folder: str = "/",
        umask: int | None = None,
        limits: Mapping[str, tuple[int | None, int | None]] | None = None,
        give_up_at: float = FOREVER,
    ) -> dict[str, Any] | None:
        """Run a script under a wrapper, wait for the wrapper's end and return the exit record."""
        if script is not None:
            self.files.script.write_text(script)
        given = {
            "control": str(self.control.path),
            "key": self.files.key,
            "argv": argv,
            "folder": folder,
            "umask": umask,
            "limits": limits or {},
            "give_up_at": give_up_at,
        }
        command = [sys.executable, "-c", _SPAWN, json.dumps(given)]
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(Path(__file__).parents[3]),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, check=True, timeout=60)
        assert not is_held(self.files.lock)
        return read_exit(self.files.exit)

    def _read(self, fd: int) -> str:
        # Every writer is gone: what is not there will not come.
        return os.read(fd, 65536).decode()

    @property
    def out(self) -> str:
        """What the script printed."""
        return self._read(self._pipes[0])

    @property
    def err(self) -> str:
        """What it printed to standard error."""
        return self._read(self._pipes[1])

    def close(self) -> None:
        """Release the pipes."""
        for fd in self._pipes:
            os.close(fd)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """An attempt that is about to start."""
    made = Stage(tmp_path / "1")
    yield made
    made.close()


def test_exit_code_output_and_use(stage: Stage) -> None:
    """The script comes on standard input; both streams are apart; its use is measured."""
    record = stage.run("echo out; echo err >&2; exit 3")
    assert record is not None
    assert (record["exit_code"], record["leftovers"]) == (3, False)
    assert (stage.out, stage.err) == ("out\n", "err\n")
    assert ResourceUsage.from_dict(record["usage"]).source == "rusage"
    assert (stage.control.path / "entered").exists()
    assert not (stage.control.path / "killed").exists()


def test_a_signal(stage: Stage) -> None:
    """Its number is told, not an exit code."""
    record = stage.run("kill -9 $$")
    assert record is not None
    assert record["signal"] == 9
    assert "exit_code" not in record


def test_what_the_script_left_running(stage: Stage) -> None:
    """It is told of, so that its last output is waited for; and it is not killed."""
    record = stage.run("sleep 1000 & echo $!")
    os.kill(int(stage.out), signal.SIGKILL)
    assert record is not None
    assert (record["exit_code"], record["leftovers"]) == (0, True)


@pytest.mark.parametrize(
    ("argv", "folder", "error"),
    [
        (("no-such-shell", "-l"), "/", 'exec: "no-such-shell": executable file not found in $PATH'),
        (("sh",), "/no/such/folder", "no such file or directory /no/such/folder"),
        (("/dev/null",), "/", "permission denied /dev/null"),
    ],
)
def test_a_script_that_cannot_be_started(
    stage: Stage, argv: tuple[str, ...], folder: str, error: str
) -> None:
    """The record says why, in words that users of the field know."""
    assert stage.run("echo never", argv, folder=folder) == {"error": f"failed to start process: {error}"}
    assert stage.out == ""


def test_a_missing_script(stage: Stage) -> None:
    """A control directory that somebody has meddled with is a start error, not a hang."""
    text = f"failed to start process: no such file or directory {stage.files.script}"
    assert stage.run(None) == {"error": text}


def test_a_taken_claim_voids_the_attempt(stage: Stage) -> None:
    """A supervisor that found no claim has made it: nothing is run, nothing is told."""
    stage.files.claim.write_text("{}")
    assert stage.run("echo never") is None
    assert not (stage.control.path / "entered").exists()


def test_the_claim_names_the_wrapper(stage: Stage) -> None:
    """It is the parent of the script, and can be found by id and start time."""
    stage.run("echo $PPID")
    claim = json.loads(stage.files.claim.read_text())
    assert claim["pid"] == int(stage.out)
    assert claim["start_time"] > 0


def test_a_deadline_that_nobody_watched(stage: Stage) -> None:
    """The wrapper ends the stage by itself (R5)."""
    record = stage.run("sleep 1000", give_up_at=0.0)
    assert record is not None
    assert record["given_up"] is True
    assert (stage.control.path / "killed").exists()


def test_umask_limits_folder_and_environment(stage: Stage, tmp_path: Path) -> None:
    """The script has what the plan says and nothing of the supervisor's."""
    stage.run(
        "umask; ulimit -n; pwd; env | grep -c ONLY=this; env | grep -c PYTHON",
        folder=str(tmp_path),
        umask=0o027,
        limits={"RLIMIT_NOFILE": (64, 64)},
    )
    assert stage.out.split() == ["0027", "64", str(tmp_path), "1", "0"]


def test_the_script_inherits_no_descriptor(stage: Stage) -> None:
    """Neither lock nor pipe ends for reading: only its three."""
    stage.run("for fd in /proc/$$/fd/*; do readlink $fd; done | grep -v -e 'pipe:' -e '^/proc'")
    opened = stage.out.split()
    assert set(opened) <= {str(stage.files.stdout), str(stage.files.stderr), str(stage.files.script)}


def test_signals_are_as_a_shell_expects_them(stage: Stage) -> None:
    """The wrapper ignores SIGTERM and its like; what it starts does not."""
    stage.run(argv=("grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"))
    masks = {line.split(":")[0]: int(line.split()[1], 16) for line in stage.out.splitlines()}
    assert masks["SigBlk"] == 0
    # SIGHUP, SIGINT, SIGQUIT, SIGTERM
    assert masks["SigIgn"] & 0b0100_0000_0000_0111 == 0


def test_no_exit_file(tmp_path: Path) -> None:
    """There is none while the stage runs; one that is no record tells nothing, least of all a success."""
    path = tmp_path / "exit"
    assert read_exit(path) is None
    for content in ("", "{", "[]", "null"):
        path.write_text(content)
        assert read_exit(path) is None
