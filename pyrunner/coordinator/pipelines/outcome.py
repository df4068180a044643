"""What runners report of a job, taken over into the database."""

from __future__ import annotations

from typing import Final

import re2  # type: ignore[import-untyped]

from pyrunner.coordinator.pipelines.creation import artifact_row
from pyrunner.coordinator.pipelines.status import FINISHED, Status
from pyrunner.coordinator.pipelines.tables import JobRow
from pyrunner.coordinator.pipelines.work import Work
from pyrunner.coordinator.records import JobRecord, JobStatus

#: States of the runner API as those of a pipeline.
STATUSES: Final = {one: Status(str(one)) for one in JobStatus}
#: Bytes of a trace, from its end, in which the coverage is looked for.
_TRACE_END: Final = 1 << 20
_NUMBER: Final = re2.compile(r"\d+(?:\.\d+)?")


def take_over(work: Work, job: JobRow, record: JobRecord) -> bool:
    """Make a job what its record says; tell whether it has ended by this."""
    if job.status in FINISHED:
        return False
    known = {one.artifact_type for one in job.artifacts}
    job.artifacts += [
        artifact_row(one) for kind, one in sorted(record.artifacts.items()) if kind not in known
    ]
    job.assigned_runner_id = record.assigned_runner_id
    job.system_id = record.system_id
    status = STATUSES[record.state]
    if status is job.status:
        return False
    if status is Status.PENDING:
        return False  # it was taken over already that a runner has it
    if status in FINISHED:
        job.failure_reason = record.failure_reason if status is Status.FAILED else ""
        job.exit_code = record.exit_code if status is Status.FAILED else 0
        job.coverage = coverage(str(job.plan.get("coverage") or ""), record.trace.read())
    work.move(job, status)
    return status in FINISHED


def coverage(pattern: str, trace: bytes) -> float | None:
    """Return the coverage that a trace names; None when it names none.

    The trace is read backwards; of the last line that matches, the last group counts, or all of the match,
    and of that the first number (gitlab-ci-yml.md 3.2).

    :param pattern: ``/…/`` as in the YAML; empty: none.
    """
    body = pattern.strip().removeprefix("/").rpartition("/")[0]
    if not body:
        return None
    try:
        compiled = re2.compile(body)
    except re2.error:
        return None
    lines = trace[-_TRACE_END:].decode("utf-8", "replace").split("\n")
    for line in reversed(lines):
        found = list(compiled.finditer(line))
        if not found:
            continue
        last = found[-1]
        groups = [one for one in last.groups() if one is not None]
        number = _NUMBER.search(groups[-1] if groups else last.group(0))
        if number is not None:
            return float(number.group(0))
    return None
