"""A job that may run becomes what a runner gets (gitlab-ci-yml.md 7)."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

from pyrunner.ci.event import NO_COMMIT
from pyrunner.ci.facts import JobFacts
from pyrunner.ci.payload import make_payload
from pyrunner.ci.plan import PlannedJob
from pyrunner.coordinator.jobs import FAILURE_REASONS, new_job_token
from pyrunner.coordinator.pipelines.codec import from_plain
from pyrunner.coordinator.pipelines.projects import Projects
from pyrunner.coordinator.pipelines.sources import dependencies, report_variables, suppliers
from pyrunner.coordinator.pipelines.tables import JobRow
from pyrunner.coordinator.pipelines.work import Work
from pyrunner.protocol.variables import Variable


class Handover:
    """Makes payloads.

    :param release: add the step that makes a release.
    """

    def __init__(self, projects: Projects, release: bool = False) -> None:
        self._projects = projects
        self._release = release

    def payload(self, work: Work, job: JobRow) -> dict[str, Any]:
        """Return what the runner gets; the job has a token from now on.

        :raises PyrunnerError: when its variables expand without end, or its project is gone.
        """
        plan = from_plain(PlannedJob, job.plan)
        job.token = job.token or new_job_token()
        pipeline = job.pipeline
        given = suppliers(work, job, plan)
        facts = JobFacts(
            job_id=job.id,
            token=job.token,
            pipeline_id=pipeline.id,
            repo_url=self._projects.repository_url(pipeline.project, job.token),
            started_at=datetime.fromtimestamp(job.started_at or work.now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            dependencies=dependencies(given, job.token),
            dotenv=report_variables(given),
            manual_variables=[from_plain(Variable, one) for one in job.manual_variables],
            release=self._release,
            failure_reasons=FAILURE_REASONS,
            time_in_queue=max(0.0, time.time() - job.queued_at) if job.queued_at else 0.0,
        )
        files = self._projects.files(pipeline.project, pipeline.sha, pipeline.changed)
        payload = make_payload(plan, facts, files)
        if pipeline.sha != NO_COMMIT:
            # a snapshot of uncommitted work: the variables name the commit it was made on (5.4)
            payload["git_info"]["sha"] = pipeline.sha
        return payload
