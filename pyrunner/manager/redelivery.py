"""The same job delivered twice runs once, also when its result has been acknowledged (design R9)."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from pyrunner.errors import PyrunnerError
from pyrunner.jobdir.control import ControlDir
from pyrunner.jobdir.index import add_pending, find_done, forget_done
from pyrunner.jobdir.journal import load_state
from pyrunner.jobdir.record import JobRecord
from pyrunner.manager.fleet import ActiveRunner
from pyrunner.manager.guard import remove_tree
from pyrunner.protocol.decode import decode
from pyrunner.protocol.job import Job


def redelivered(runner: ActiveRunner, job: Job, payload: dict[str, Any]) -> ControlDir | None:
    """Return the control directory of ``job`` if it has run here to its end; then it is pending again.

    What an equal id of another server, or a job that never began, has left is removed.

    :param payload: as it came now: its token is the one to report with.
    """
    business = runner.slots.business
    known = find_done(business, job.id)
    if known is None:
        return None
    control = known.control
    try:
        record = JobRecord.load(control.job)
        state = load_state(control.state)
        before = decode(Job, {**record.payload, "image": None})
    except PyrunnerError:
        state = None
    if state is None or state.phase != "finished" or not _is_same(runner, job, record, before):
        remove_tree(control.path)
        forget_done(business, job.id)
        return None
    renewed = {**asdict(record), "payload": payload, "runner": runner.link.config.to_dict()}
    decode(JobRecord, renewed).store(control.job)
    control.cursor.unlink(missing_ok=True)
    add_pending(business, job.id, control)
    forget_done(business, job.id)
    return control


def _is_same(runner: ActiveRunner, job: Job, record: JobRecord, before: Job) -> bool:
    return (
        record.runner.get("url") == runner.link.config.url
        and before.job_info.project_id == job.job_info.project_id
        and before.job_info.name == job.job_info.name
        and before.git_info.sha == job.git_info.sha
    )
