"""Jobs of this machine as the run directories tell them: also while no manager runs (design R3, R5)."""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pyrunner.config.model import Config
from pyrunner.errors import JobDirError
from pyrunner.jobdir.control import ControlDir
from pyrunner.jobdir.index import pending_jobs
from pyrunner.jobdir.journal import JobStateRecord, load_state
from pyrunner.jobdir.layout import Business, project_segments, variable
from pyrunner.jobdir.record import JobRecord
from pyrunner.manager.business import executor_root
from pyrunner.system.files import read_json
from pyrunner.system.lock import is_held
from pyrunner.system.process import ProcessIdentity

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RunningJob:
    """A job that the coordinator has not acknowledged as ended.

    :param stage: the section now running; empty before the first.
    :param elapsed: seconds since the job began, or since it came in.
    :param slot: counted from 1.
    :param folder: the job's control directory.
    :param pid: of the supervisor that last worked on it; 0 when there was none yet.
    :param alive: a supervisor works on it now.
    :param finished: the job has ended, and its result waits for the coordinator.
    """

    job: int
    business: str
    project: str
    ref: str
    stage: str
    elapsed: float
    slot: int
    folder: str
    pid: int
    alive: bool
    finished: bool


def running_jobs(config: Config, environ: Mapping[str, str]) -> list[tuple[RunningJob, ControlDir]]:
    """Return the jobs of every ``[[runners]]`` entry, by business and age.

    :raises JobDirError: when a run directory may not be read by this user.
    """
    with explained():
        return [one for business in known_businesses(config, environ) for one in _of_business(business)]


def known_businesses(config: Config, environ: Mapping[str, str]) -> list[Business]:
    """Return what is below the roots of the ``[[runners]]`` entries, whether or not an entry still uses it.

    :raises PermissionError: when a root may not be read by this user; see :func:`explained`.
    """
    roots = sorted({executor_root(runner, environ, os.getuid()) for runner in config.runners})
    return [business for root in roots for business in _businesses(root)]


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """Say what to do when this user may not read a run directory.

    :raises JobDirError: in place of a PermissionError.
    """
    try:
        yield
    except PermissionError as error:
        raise JobDirError(
            f"{error.filename}: not readable; run this as the user that the runner manager runs as"
        ) from None


def _businesses(root: Path) -> list[Business]:
    try:
        names = sorted(entry.name for entry in root.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    found = (Business(root, name) for name in names)
    return [business for business in found if business.pending.is_dir()]


def _of_business(business: Business) -> Iterator[tuple[RunningJob, ControlDir]]:
    for entry in pending_jobs(business):
        try:
            yield _job(business, entry.job_id, entry.control), entry.control
        except JobDirError as error:
            # one broken record must not hide the others
            _log.warning("job %d cannot be shown: %s", entry.job_id, error)


def _job(business: Business, job_id: int, control: ControlDir) -> RunningJob:
    record = JobRecord.load(control.job)
    state = load_state(control.state) or JobStateRecord()
    job = record.job
    began = state.started_at or record.received_at
    ended = state.finished_at or time.time()
    return RunningJob(
        job=job_id,
        business=business.business_id,
        project="/".join(project_segments(job)),
        ref=variable(job, "CI_COMMIT_REF_NAME") or job.git_info.ref,
        stage=state.stage,
        elapsed=max(0.0, ended - began) if began else 0.0,
        slot=record.executor_id,
        folder=str(control.path),
        pid=_supervisor(control.heartbeat),
        alive=is_held(control.lock),
        finished=state.phase == "finished",
    )


def _supervisor(heartbeat: Path) -> int:
    try:
        return ProcessIdentity.from_dict(read_json(heartbeat)).pid
    except (FileNotFoundError, JobDirError):
        return 0
