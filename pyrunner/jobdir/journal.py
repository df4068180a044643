"""``state.json``: the supervisor's journal (design R4).

A job is a straight line of steps. A step that has ended is in the journal with its result; a
supervisor that is started again walks the same line, takes the recorded results, and goes on at the
first step that has none. A step that is *started* in the journal but has no result is attached to.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from pyrunner.errors import JobDirError, PayloadError
from pyrunner.protocol.decode import decode
from pyrunner.system.files import read_json, write_json

SCHEMA: Final = 1


@dataclass
class JobResult:
    """How a job ended, as it is reported."""

    #: ``success`` or ``failed``.
    state: str = ""
    failure_reason: str = ""
    exit_code: int = 0
    #: Text after ``Job failed: `` in the trace and log.
    message: str = ""
    #: The reason goes to the coordinator as it is (runner-api.md 5.9, early exits).
    reason_is_final: bool = False


@dataclass
class JobStateRecord:
    """The content of state.json."""

    #: ``running`` or ``finished``.
    phase: str = "running"
    #: Section name of the stage now running, for ps and metrics.
    stage: str = ""
    stage_started_at: float = 0.0
    started_at: float = 0.0
    finished_at: float = 0.0
    boot_id: str = ""
    #: How many supervisors have worked on this job.
    starts: int = 0
    #: Results of ended steps by key.
    steps: dict[str, Any] = field(default_factory=dict)
    #: What a step that has no result yet needs to be attached to, by key.
    begun: dict[str, Any] = field(default_factory=dict)
    #: Wall-clock deadlines by name.
    deadlines: dict[str, float] = field(default_factory=dict)
    result: JobResult | None = None
    schema: int = SCHEMA


class Journal:
    """Loads and stores one :class:`JobStateRecord`; every store is durable."""

    def __init__(self, path: Path, record: JobStateRecord) -> None:
        self.path = path
        self.record = record

    @classmethod
    def open(cls, path: Path) -> Journal:
        """Read the journal, or begin one.

        :raises JobDirError: when it is broken or of a newer schema.
        """
        record = load_state(path)
        return cls(path, record or JobStateRecord())

    def store(self, durable: bool = True) -> None:
        """Write the journal; it survives any kill from here on.

        :param durable: also a power cut. Needed for what must not be done twice (a user's script) and
            for results; a workspace stage may be repeated after a reboot.
        """
        write_json(self.path, asdict(self.record), durable)

    def begin(self, key: str, value: Any, durable: bool = True) -> None:
        """Record that a step is about to start."""
        self.record.begun[key] = value
        self.store(durable)

    def end(self, key: str, value: Any, durable: bool = True) -> None:
        """Record the result of a step."""
        self.record.begun.pop(key, None)
        self.record.steps[key] = value
        self.store(durable)


def load_state(path: Path) -> JobStateRecord | None:
    """Read a state.json; None when there is none yet.

    :raises JobDirError: when it is broken or of a schema this version does not know.
    """
    try:
        value = read_json(path)
    except FileNotFoundError:
        return None
    schema = value.get("schema") if isinstance(value, dict) else None
    if schema != SCHEMA:
        raise JobDirError(f"{path}: schema {schema!r} is not known to this version")
    try:
        return decode(JobStateRecord, value)
    except PayloadError as error:
        raise JobDirError(f"{path}: {error}") from None
