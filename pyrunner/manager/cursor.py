"""``cursor.json``: what the manager knows of the coordinator's view of a job; its only writer."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from pyrunner.errors import JobDirError
from pyrunner.protocol.decode import decode
from pyrunner.system.files import read_json, write_json


@dataclass
class Cursor:
    """How far a job has been delivered.

    A lost offset costs nothing: the coordinator answers 416 with its own. A lost
    :attr:`announced` costs one more ``PUT running``.
    """

    #: Bytes of the trace that the coordinator has.
    offset: int = 0
    #: ``PUT running`` has been answered: the job is ours to run.
    announced: bool = False
    #: The coordinator has taken the result: only tidying up is left.
    acknowledged: bool = False
    #: The job's end is in the process log.
    reported: bool = False
    #: Supervisors started for this job since :attr:`progress` last changed.
    starts: int = 0
    #: How far the job had come then: ended steps and trace bytes.
    progress: str = ""

    def store(self, path: Path, durable: bool = False) -> None:
        """Write the cursor; the caller has the coordinator's acknowledgement."""
        write_json(path, asdict(self), durable=durable)

    @classmethod
    def load(cls, path: Path) -> Cursor:
        """Read the cursor; a fresh one when there is none, or a power cut broke it."""
        try:
            return decode(cls, read_json(path))
        except (FileNotFoundError, JobDirError):
            return cls()
