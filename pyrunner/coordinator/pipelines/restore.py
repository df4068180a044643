"""After a restart: what runners still have, and what waits for one, is taken from the database."""

from __future__ import annotations

from sqlalchemy import func, select

from pyrunner.coordinator.jobs import new_job_token
from pyrunner.coordinator.pipelines.creation import artifact_record
from pyrunner.coordinator.pipelines.handover import Handover
from pyrunner.coordinator.pipelines.outcome import STATUSES
from pyrunner.coordinator.pipelines.status import HANDED_OUT
from pyrunner.coordinator.pipelines.tables import JobRow
from pyrunner.coordinator.pipelines.work import Work
from pyrunner.coordinator.records import JobRecord, TraceFile
from pyrunner.coordinator.store import Store

_STATES = {status: state for state, status in STATUSES.items()}


def restore(work: Work, store: Store, handover: Handover) -> None:
    """Give the store the jobs that runners have or may get, and those whose artifacts others fetch.

    :raises PyrunnerError: when a job cannot be made again: its project is gone.
    """
    store.reserve_ids(work.session.scalar(select(func.max(JobRow.id))) or 0)
    given_out = select(JobRow).where(JobRow.token != "").order_by(JobRow.id)
    for job in work.session.scalars(given_out):
        payload = handover.payload(work, job) if job.status in HANDED_OUT else {"id": job.id}
        record = JobRecord(
            job.id, payload, job.token, TraceFile.load(store.trace_path(job.id)), job.runner_id
        )
        record.state = _STATES[job.status]
        record.failure_reason, record.exit_code = job.failure_reason, job.exit_code
        record.assigned_runner_id, record.system_id = job.assigned_runner_id, job.system_id
        record.assigned = job.assigned_runner_id is not None
        record.artifacts = {one.artifact_type: artifact_record(one) for one in job.artifacts}
        store.restore_job(record)
    for job in work.session.scalars(select(JobRow).where(JobRow.token == "", JobRow.artifacts.any())):
        store.restore_job(passed_before(job, store))


def passed_before(job: JobRow, store: Store) -> JobRecord:
    """Return the record of a job that no runner of this pipeline had: others fetch its artifacts."""
    record = JobRecord(job.id, {"id": job.id}, new_job_token(), TraceFile(store.trace_path(job.id)))
    record.state = _STATES[job.status]
    record.artifacts = {one.artifact_type: artifact_record(one) for one in job.artifacts}
    return record
