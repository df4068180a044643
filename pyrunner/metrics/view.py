"""What the manager's loop tells of itself at one moment: plain values, safe to read in any thread."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pyrunner.errors import PyrunnerError
from pyrunner.metrics.definition import Sample
from pyrunner.system.durations import format_duration


class LoopSilent(PyrunnerError):
    """The manager's loop did not answer in time."""


@dataclass(frozen=True, slots=True)
class JobLine:
    """A job as ``/debug/jobs/list`` shows it.

    :param duration: seconds since it began, or came.
    """

    url: str
    state: str
    stage: str
    executor_stage: str
    duration: float

    def __str__(self) -> str:
        # Words of the payload, such as a step's name, stay within their line.
        words = [
            one if one.isprintable() and " " not in one else ascii(one).strip("'")
            for one in (self.url, self.state, self.stage, self.executor_stage)
        ]
        keys = ("url", "state", "stage", "executor_stage")
        pairs = " ".join(f"{key}={word}" for key, word in zip(keys, words, strict=True))
        return f"{pairs} duration={format_duration(self.duration)}"


@dataclass(frozen=True, slots=True)
class RunnerRoom:
    """What of a runner's room is looked up on the disk, by whoever asks for metrics.

    :param labels: the runner's.
    :param folder: of its business.
    :param cache: where its local archives are.
    :param measured: the file that says how much room its reclaimable things take.
    :param budget: ``disk_budget`` in bytes; None: none. So is ``min_free``.
    """

    labels: tuple[str, ...]
    folder: Path
    cache: Path
    measured: Path
    budget: int | None = None
    min_free: int | None = None


@dataclass(frozen=True, slots=True)
class ManagerView:
    """A moment of the manager.

    :param state: as ``/debug/process/state`` shows it.
    :param ready: it polls, or is about to end in an orderly way.
    """

    state: str
    ready: bool
    samples: Sequence[Sample] = ()
    jobs: Sequence[JobLine] = ()
    rooms: Sequence[RunnerRoom] = ()


#: Returns the manager's view of itself; takes the seconds to wait for it.
#:
#: :raises LoopSilent: when it does not come in time.
Ask = Callable[[float], ManagerView]
