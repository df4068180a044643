"""``job.json``: all that a supervisor needs to know of a job, written before anything acts on it."""

from __future__ import annotations

import hashlib
import os
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from pyrunner.errors import JobDirError, PayloadError
from pyrunner.protocol.decode import decode
from pyrunner.protocol.job import Job, decode_job
from pyrunner.system.files import read_json, write_json

#: A newer manager reads the previous schema; an unknown newer one is refused (design R7).
SCHEMA: Final = 1


@dataclass(frozen=True)
class TLSData:
    """Contents of the internal TLS file variables (runner-api.md 6.4); empty where not set."""

    ca_chain: str = ""
    certificate: str = ""
    key: str = ""


@dataclass(frozen=True)
class SessionData:
    """The session that was offered with the job's request (runner-api.md 9.1); empty: none was."""

    #: Path of its URL.
    endpoint: str = ""
    token: str = field(default="", repr=False)
    #: Seconds that an open terminal keeps the ended job alive.
    timeout: float = 0.0


@dataclass(frozen=True)
class JobRecord:
    """What the manager hands to the supervisor. Holds tokens: 0600 in a 0700 folder."""

    #: The payload as received (runner-api.md 3).
    payload: dict[str, Any] = field(default_factory=dict)
    #: The ``[[runners]]`` entry: ``RunnerConfig.to_dict()``.
    runner: dict[str, Any] = field(default_factory=dict)
    business: str = ""
    business_id: str = ""
    #: The slot, counted from 1; ``CI_CONCURRENT_ID`` is this minus 1.
    executor_id: int = 1
    concurrent_project_id: int = 0
    system_id: str = ""
    #: Correlation id of the job request, for the X-Gitaly-Correlation-ID header.
    correlation_id: str = ""
    received_at: float = 0.0
    #: Folder of the project's ref holder (``source`` of tristan-layout.md 2).
    source: str = ""
    project: str = ""
    keep_source: bool = True
    #: Host folder of this project's cache archives.
    cache: str = ""
    #: Host folder of the project's own libraries of build tools in this slot (:mod:`.dependency_folders`).
    dependency_lib: str = ""
    #: Host folder of libraries and settings for all projects of the business; empty: not offered.
    dependency_lib_shared: str = ""
    tls: TLSData = field(default_factory=TLSData)
    session: SessionData = SessionData()
    #: ``--user`` of ``run``: host jobs go through ``su``; empty: none.
    user: str = ""
    #: Folder in which the manager was started (``--working-directory``): cwd of host shells.
    working_directory: str = ""
    #: The job could not be prepared by the manager: the supervisor only reports this text.
    refusal: str = ""
    schema: int = SCHEMA

    @property
    def scratch(self) -> Path:
        """Folder for a job that shall not see the sources of the jobs before (``GIT_STRATEGY: none``)."""
        return Path(self.source).with_name("scratch")

    @property
    def job(self) -> Job:
        """The payload, decoded (computed at each access).

        :raises PayloadError: when it does not decode.
        """
        return decode_job(self.payload)

    def store(self, path: Path) -> None:
        """Write the record durably."""
        write_json(path, asdict(self))

    @classmethod
    def load(cls, path: Path) -> JobRecord:
        """Read a record.

        :raises JobDirError: when it is missing, broken, or of a schema this version does not know.
        """
        try:
            value = read_json(path)
        except FileNotFoundError:
            raise JobDirError(f"{path}: no such job") from None
        schema = value.get("schema") if isinstance(value, dict) else None
        if schema != SCHEMA:
            raise JobDirError(
                f"{path}: schema {schema!r} is not known to this version; finish it with the one it is from"
            )
        try:
            return decode(cls, value)
        except PayloadError as error:
            raise JobDirError(f"{path}: {error}") from None


def job_marker(control: Path, received_at: float) -> str:
    """Return what names a job's processes in their environment (:mod:`pyrunner.system.proctree`).

    :param control: the job's control directory.
    :param received_at: of its record: an id that comes again is another job.
    """
    digest = hashlib.sha256(os.fsencode(control)).hexdigest()[:12]
    return f"job-{digest}-{received_at:.6f}"


def new_received_at() -> float:
    """Return the wall-clock time to record for a job that has just come in."""
    return time.time()
