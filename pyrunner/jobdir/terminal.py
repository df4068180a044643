"""``terminal.json``: how a terminal of a job is opened (runner-api.md 9.1).

Written by the supervisor as soon as the executor is ready, read by the process that serves one terminal. That
holds ``terminal.lock`` while it lives, which is how the supervisor knows of it; and it ends when the
supervisor has made ``terminal.closed``: the job is over.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from pyrunner.errors import JobDirError, PayloadError
from pyrunner.protocol.decode import decode
from pyrunner.system.files import read_json, write_json

#: Descriptor on which a shell on this host finds its script: a path could not be read by another user.
SCRIPT_FD: Final = 9


class TerminalKind(StrEnum):
    """Where a terminal's shell runs."""

    #: On this host.
    HOST = "host"
    #: In the job's build container.
    CONTAINER = "container"


@dataclass(frozen=True)
class TerminalPlan:
    """How to open a terminal; holds the job's variables: 0600, and removed with the job's working files."""

    #: One of :class:`TerminalKind`.
    kind: str = ""
    #: The shell; on this host it evaluates what it reads from :data:`SCRIPT_FD` first.
    argv: list[str] = field(default_factory=list)
    #: Of a shell on this host; names and values as :func:`os.fsdecode` returns them.
    environment: dict[str, str] = field(default_factory=dict)
    #: Where a shell on this host starts; empty: where the manager is.
    folder: str = ""
    #: Shell text that brings the job's variables and folder, for a shell on this host.
    script: str = ""
    #: Name of the build container, and the label that makes it this job's.
    container: str = ""
    marker: str = ""
    #: The engine: the fields of :class:`pyrunner.executors.docker.engine.connection.Endpoint`.
    endpoint: dict[str, Any] = field(default_factory=dict)

    def store(self, path: Path) -> None:
        """Write it; it need not survive a power cut.

        :raises OSError: when it cannot be written.
        """
        write_json(path, asdict(self), durable=False)

    @classmethod
    def load(cls, path: Path) -> TerminalPlan:
        """Read it.

        :raises JobDirError: when it is missing or broken.
        """
        try:
            return decode(cls, read_json(path))
        except FileNotFoundError:
            raise JobDirError(f"{path}: the job offers no terminal") from None
        except PayloadError as error:
            raise JobDirError(f"{path}: {error}") from None
