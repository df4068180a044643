"""A durable process: a real FIFO and raw log; its wrapper and its tree are the test (design R3, R11)."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pyrunner.errors import DiskFull
from pyrunner.executors.base import ExitKind, ExitStatus, StageEnd, StageLimits, Stop, StopKind
from pyrunner.executors.process import DurableProcess, signal_text
from pyrunner.executors.stagefiles import StageFiles
from pyrunner.jobdir.control import ControlDir
from pyrunner.system.lock import OpenFileLock
from pyrunner.system.process import boot_id
from pyrunner.system.usage import ResourceUsage
from pyrunner.trace.rawlog import RawLog

SCRIPT_TIMEOUT = Stop(StopKind.TIMEOUT, "script")


@dataclass
class Tree:
    """A process tree that only keeps count; ``on_kill`` is what its death brings about."""

    calls: list[str] = field(default_factory=list)
    lives: bool = True
    on_kill: Callable[[], None] = lambda: None
    measured: ResourceUsage | None = None

    def terminate(self) -> None:
        """Count."""
        self.calls.append("terminate")

    def kill(self) -> None:
        """Count, and be dead."""
        self.calls.append("kill")
        self.lives = False
        self.on_kill()

    def abandon(self) -> None:
        """Count."""
        self.calls.append("abandon")

    def alive(self) -> bool:
        """Tell."""
        return self.lives

    def sample(self) -> None:
        """There is nothing to measure."""

    def usage(self) -> ResourceUsage | None:
        """Return what was measured."""
        return self.measured


class Stage:
    """A stage whose wrapper is the test: it holds lock and FIFOs, prints, and writes the exit file."""

    def __init__(self, folder: Path, grace: float = 1000.0) -> None:
        self.control = ControlDir(folder)
        self.control.create()
        self.files = StageFiles.of(self.control, 1, "step_script")
        self.files.make_fifos()
        lock = OpenFileLock.take(self.files.lock)
        assert lock is not None
        self.lock = lock
        self.out, self.err = (os.open(one, os.O_RDWR) for one in (self.files.stdout, self.files.stderr))
        self.files.claim.write_text("{}")
        self.raw_log = RawLog.open(self.control)
        self.tree = Tree()
        self.process = DurableProcess(self.files, 1, self.raw_log, self.tree, grace)
        #: What happens at each look of the supervisor, in order; a Stop is what it is told then and after.
        self.events: list[Callable[[], None] | Stop] = []
        self.told: Stop | None = None
        self.fd = -1

    def wait(self, **deadlines: float) -> StageEnd:
        """Attach to the stage and wait for its end."""
        assert self.process.attach()
        return self.process.wait(self, StageLimits(deadlines))

    def check(self, limits: StageLimits) -> Stop | None:
        """Let the next thing happen."""
        if self.events:
            event = self.events.pop(0)
            if isinstance(event, Stop):
                self.told = event
            else:
                event()
        return self.told

    def timeout(self, limits: StageLimits) -> float:
        """Do not wait."""
        return 0.0

    def print(self, text: bytes, error: bool = False) -> Callable[[], None]:
        """Return an event: the script prints."""

        def act() -> None:
            os.write(self.err if error else self.out, text)

        return act

    def ended(self, **record: Any) -> Callable[[], None]:
        """Return an event: the wrapper writes the exit file."""

        def act() -> None:
            self.files.exit.write_text(json.dumps({"boot_id": boot_id(), **record}))

        return act

    def vanish(self) -> None:
        """Let the wrapper be killed."""
        self.lock.close()

    @property
    def output(self) -> bytes:
        """What is in the raw log."""
        return self.control.raw_log.read_bytes()

    def close(self) -> None:
        """Release everything."""
        self.lock.close()
        self.raw_log.close()
        os.close(self.out)
        os.close(self.err)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """A stage that runs."""
    made = Stage(tmp_path / "1")
    yield made
    made.close()


@pytest.fixture
def hasty(tmp_path: Path) -> Iterator[Stage]:
    """A stage without grace time."""
    made = Stage(tmp_path / "1", 0.0)
    yield made
    made.close()


def test_all_output_is_there_when_it_ends(stage: Stage) -> None:
    """Both streams, also what was printed right before the end; the wrapper is let go only then."""

    def last_words() -> None:
        stage.print(b"three")()
        stage.ended(exit_code=0)()

    stage.events = [stage.print(b"one\n"), stage.print(b"two\n", error=True), last_words]
    end = stage.wait()
    assert end == StageEnd(ExitStatus(ExitKind.EXITED, 0), None, ResourceUsage())
    assert stage.output == b"one\ntwo\nthree"
    assert stage.files.drained.exists()
    assert stage.tree.calls == []


def test_more_than_a_pipe_holds(stage: Stage) -> None:
    """A script that prints faster than it is read loses nothing."""
    block = bytes(range(256)) * 256
    stage.events = [*(stage.print(block) for _ in range(20)), stage.ended(exit_code=0)]
    stage.wait()
    assert stage.output == block * 20


def test_the_end_is_the_exit_file_not_the_pipe(stage: Stage) -> None:
    """Who holds the output open, such as a daemon of the job, does not hold the stage."""
    stage.events = [stage.ended(exit_code=0, leftovers=True, ended_at=0.0)]
    assert stage.wait().status.ok


@pytest.mark.parametrize(
    ("record", "status"),
    [
        ({"exit_code": 0}, ExitStatus(ExitKind.EXITED, 0)),
        ({"exit_code": 255}, ExitStatus(ExitKind.EXITED, 255)),
        ({"signal": 9}, ExitStatus(ExitKind.SIGNALED, 9, "killed")),
        ({"signal": 15}, ExitStatus(ExitKind.SIGNALED, 15, "terminated")),
        (
            {"error": "failed to start process: x"},
            ExitStatus(ExitKind.NOT_STARTED, 0, "failed to start process: x"),
        ),
        (
            {"given_up": True},
            ExitStatus(ExitKind.GIVEN_UP, 0, "its deadline passed while no supervisor lived"),
        ),
        ({}, ExitStatus(ExitKind.EXITED, -1)),
    ],
)
def test_what_the_wrapper_tells(stage: Stage, record: dict[str, Any], status: ExitStatus) -> None:
    """Each kind of exit record is a status; a nameless one is no success."""
    stage.events = [stage.ended(**record)]
    assert stage.wait().status == status


def test_names_of_signals() -> None:
    """As Go prints them; one without a name by its number."""
    assert [signal_text(number) for number in (1, 2, 9, 15, 63)] == [
        *("hangup", "interrupt", "killed", "terminated"),
        "signal 63",
    ]


def test_a_wrapper_that_vanishes(stage: Stage) -> None:
    """Its output is kept; what it left running is stopped: nobody would wait for it."""
    stage.events = [stage.print(b"last words"), stage.vanish]
    end = stage.wait()
    assert end.status.kind is ExitKind.VANISHED
    assert end.stop is None
    assert stage.output == b"last words"
    assert stage.tree.calls == ["kill"]


def test_a_wrapper_that_ends_between_two_looks(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The exit file is looked for once more when the lock is found free."""

    def looked(path: Path) -> bool:
        stage.ended(exit_code=4)()
        stage.vanish()
        return False

    monkeypatch.setattr("pyrunner.executors.process.is_held", looked)
    assert stage.wait().status == ExitStatus(ExitKind.EXITED, 4)
    assert stage.tree.calls == []


def test_asked_first_then_killed(hasty: Stage) -> None:
    """SIGTERM once, SIGKILL after the grace time; what outlives the script's end is killed too."""
    hasty.tree.on_kill = hasty.ended(signal=9)
    hasty.events = [SCRIPT_TIMEOUT]
    end = hasty.wait(script=0.0)
    assert end.stop == SCRIPT_TIMEOUT
    assert end.status.kind is ExitKind.SIGNALED
    assert hasty.tree.calls[:2] == ["terminate", "kill"]
    assert hasty.tree.calls.count("terminate") == 1


def test_a_script_may_use_its_grace(stage: Stage) -> None:
    """As long as something of it lives it is waited for; what it prints meanwhile is kept."""

    def all_gone() -> None:
        stage.tree.lives = False

    stage.events = [
        *(Stop(StopKind.CANCEL), stage.print(b"cleaning up"), stage.ended(exit_code=1)),
        *(stage.print(b", done"), all_gone),
    ]
    assert stage.wait().stop == Stop(StopKind.CANCEL)
    assert stage.output == b"cleaning up, done"
    assert stage.tree.calls == ["terminate", "kill"]


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        (Stop(StopKind.CANCEL), Stop(StopKind.ABORT), StopKind.ABORT),
        (SCRIPT_TIMEOUT, Stop(StopKind.INTERRUPT), StopKind.INTERRUPT),
        (Stop(StopKind.ABORT), SCRIPT_TIMEOUT, StopKind.ABORT),
        (SCRIPT_TIMEOUT, Stop(StopKind.CANCEL), StopKind.TIMEOUT),
    ],
)
def test_the_most_urgent_reason_counts(stage: Stage, first: Stop, second: Stop, reason: StopKind) -> None:
    """It replaces a lesser one, and nothing is asked twice."""

    def gone() -> None:
        stage.tree.lives = False

    stage.events = [first, second, stage.ended(exit_code=1), gone]
    end = stage.wait(script=0.0)
    assert end.stop is not None
    assert end.stop.kind is reason
    assert stage.tree.calls.count("terminate") == 1


@pytest.mark.parametrize(
    ("ended_at", "in_time"), [(9.0, True), (11.0, False), (None, False)], ids=["before", "after", "unknown"]
)
def test_a_deadline_that_passed_while_nobody_watched(
    stage: Stage, ended_at: float | None, in_time: bool
) -> None:
    """A script that had ended before it is not stopped after the fact."""
    stage.tree.lives = False
    stage.ended(exit_code=0, **({} if ended_at is None else {"ended_at": ended_at}))()
    stage.told = SCRIPT_TIMEOUT
    assert stage.wait(script=10.0).stop == (None if in_time else SCRIPT_TIMEOUT)
    assert ("terminate" in stage.tree.calls) is not in_time


def test_an_order_counts_whenever_it_is_read(stage: Stage) -> None:
    """An abort stops what has just ended as well: what it left running must go."""
    stage.tree.lives = False
    stage.ended(exit_code=0, ended_at=0.0)()
    stage.told = Stop(StopKind.ABORT)
    assert stage.wait().stop == Stop(StopKind.ABORT)
    assert "kill" in stage.tree.calls


def test_an_attempt_that_never_began_is_void(tmp_path: Path) -> None:
    """The supervisor takes the claim: a wrapper that comes late finds it taken."""
    control = ControlDir(tmp_path / "1")
    control.create()
    files = StageFiles.of(control, 1, "step_script")
    raw_log = RawLog.open(control)
    process = DurableProcess(files, 1, raw_log, Tree(), 1.0)
    assert not process.attach()
    assert files.claim.exists()
    raw_log.close()


def test_no_room_for_the_output(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing runs on that nobody will wait for; the wrapper is not told that all is drained."""

    def full(*_: object) -> int:
        raise DiskFull("no room")

    monkeypatch.setattr(RawLog, "splice", full)
    stage.events = [stage.print(b"x")]
    with pytest.raises(DiskFull):
        stage.wait()
    assert stage.tree.calls == ["kill"]
    assert not stage.files.drained.exists()


def test_figures_of_the_cgroup_come_first(stage: Stage) -> None:
    """They hold what was never waited for; the time on the clock is the wrapper's, gaps are filled."""
    own = ResourceUsage(2.0, 1.0, 1.0, 100, 5, 6, None, "rusage")
    stage.tree.measured = ResourceUsage(9.0, 3.0, 2.0, None, 50, 60, 1, "cgroup")
    stage.events = [stage.ended(exit_code=0, usage=own.to_dict())]
    used = stage.wait().usage
    assert (used.wall, used.cpu_user, used.peak_memory, used.read_bytes, used.oom_kills) == (
        2.0,
        3.0,
        100,
        50,
        1,
    )


def test_descriptors_are_given_back(stage: Stage) -> None:
    """A job of many stages does not run out of them."""
    before = len(os.listdir("/proc/self/fd"))
    stage.events = [stage.ended(exit_code=0)]
    stage.wait()
    assert len(os.listdir("/proc/self/fd")) == before


@dataclass
class Aside:
    """Output beside the stage: a pipe of its own, whose bytes the test counts."""

    pipe: tuple[int, int]
    moved: bytes = b""

    @property
    def fds(self) -> list[int]:
        """The end to read from."""
        return [self.pipe[0]]

    def put(self, data: bytes) -> Callable[[], None]:
        """Return an event: something comes."""

        def act() -> None:
            os.write(self.pipe[1], data)

        return act

    def drain(self) -> bool:
        """Move what there is."""
        try:
            self.moved += os.read(self.pipe[0], 100)
        except BlockingIOError:
            return False
        return True


def test_output_beside_a_stage_is_moved_while_it_runs(stage: Stage) -> None:
    """Whoever waits for a stage also moves what comes from elsewhere, to the stage's end."""
    pipe = os.pipe2(os.O_NONBLOCK)
    aside = stage.process.beside = Aside(pipe)
    try:
        stage.events = [
            aside.put(b"one "),
            stage.print(b"stage"),
            aside.put(b"two"),
            stage.ended(exit_code=0),
        ]
        assert stage.wait().status.ok
    finally:
        for fd in pipe:
            os.close(fd)
    assert aside.moved == b"one two"
    assert stage.output == b"stage"
