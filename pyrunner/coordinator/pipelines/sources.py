"""What a job gets from others: archives it fetches, and variables of their reports (7.5, 5.1 layer 9)."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from sqlalchemy import select

from pyrunner.ci.plan import PlannedJob
from pyrunner.coordinator.pipelines.dotenv import InvalidReport, read_report
from pyrunner.coordinator.pipelines.status import Status
from pyrunner.coordinator.pipelines.tables import ArtifactRow, JobRow, PipelineRow
from pyrunner.coordinator.pipelines.work import Work
from pyrunner.protocol.variables import Variable

#: Bytes of a configuration that is read from an archive.
_LARGEST_FILE: Final = 2 << 20


def suppliers(work: Work, row: JobRow, plan: PlannedJob) -> list[JobRow]:
    """Return the jobs whose artifacts a job gets, by id."""
    wanted = set(plan.artifacts_from)
    found = {one.id: one for one in work.latest(row.pipeline) if one.name in wanted}
    for need in plan.pipeline_needs:
        if need.artifacts and need.pipeline.isdecimal():
            query = select(JobRow).join(PipelineRow, JobRow.pipeline_id == PipelineRow.id)
            query = query.where(
                PipelineRow.id == int(need.pipeline),
                PipelineRow.project == row.pipeline.project,
                JobRow.name == need.job,
                JobRow.retried.is_(False),
                JobRow.status == Status.SUCCESS,
            )
            found |= {one.id: one for one in work.session.scalars(query)}
    return [found[job_id] for job_id in sorted(found)]


def artifact_of(job: JobRow, kind: str) -> ArtifactRow | None:
    """Return an uploaded file of a job by its type."""
    return next((one for one in job.artifacts if one.artifact_type == kind), None)


def dependencies(jobs: Sequence[JobRow], token: str) -> list[dict[str, Any]]:
    """Return the payload's ``dependencies``.

    :param token: of the job that fetches.
    """
    entries = []
    for job in jobs:
        entry: dict[str, Any] = {"id": job.id, "name": job.name, "token": token}
        archive = artifact_of(job, "archive")
        if archive is not None:
            entry["artifacts_file"] = {"filename": archive.filename, "size": archive.size}
        entries.append(entry)
    return entries


def report_variables(jobs: Sequence[JobRow]) -> list[Variable]:
    """Return the variables of the jobs' dotenv reports."""
    found: list[Variable] = []
    for job in jobs:
        report = artifact_of(job, "dotenv")
        if report is not None:
            try:
                found += read_report(Path(report.path))
            except (InvalidReport, OSError):
                continue  # refused when it came; or erased since
    return found


def file_from_archive(job: JobRow, path: str) -> str | None:
    """Return the text of a file in a job's archive; None when there is none."""
    archive = artifact_of(job, "archive")
    if archive is None:
        return None
    try:
        with zipfile.ZipFile(archive.path) as opened, opened.open(path) as file:
            data = file.read(_LARGEST_FILE + 1)
    except (OSError, KeyError, zipfile.BadZipFile, NotImplementedError, RuntimeError):
        return None
    return data.decode("utf-8", "replace") if len(data) <= _LARGEST_FILE else None
