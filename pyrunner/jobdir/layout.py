"""Every path of the Tristan run directory, and nowhere else (tristan-layout.md 1 and 2)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pyrunner.jobdir.names import host_folder, safe_child, safe_name, suffixed
from pyrunner.protocol.job import Job

#: What the name of the folder with the slots' ``/cache`` ends with.
SLOT_CACHES: Final = "-slots"
#: What a project's folder holds of ours.
_OWN: Final = frozenset({"branches", "tags", "merge_requests", "source", "cache"})
#: A project has a namespace: what may be below a project's folder is the third segment of a path.
_FIRST_IN_A_PROJECT: Final = 2
_MERGE_REQUEST = re.compile(r"refs/merge-requests/(\d+)/(?:head|merge|train)\Z")


@dataclass(frozen=True, slots=True)
class Business:
    """``<root>/<business id>``: everything of one ``[[runners]]`` entry."""

    root: Path
    business_id: str

    @property
    def path(self) -> Path:
        """The folder itself."""
        return self.root / self.business_id

    @property
    def lock(self) -> Path:
        """Held by the one runner manager that works here (design R5)."""
        return self.path / "manager.lock"

    @property
    def pending(self) -> Path:
        """One record a job that the coordinator has not acknowledged yet; see :mod:`.index`."""
        return self.path / "jobs" / "pending"

    @property
    def done(self) -> Path:
        """One record a job that is acknowledged and waits to be pruned by age."""
        return self.path / "jobs" / "done"

    @property
    def cache(self) -> Path:
        """Shared by every executor of this business."""
        return self.path / "cache"

    @property
    def dependency_lib(self) -> Path:
        """Libraries and settings of build tools that the business's owner offers to all its projects."""
        return self.cache / "dependency_lib"

    @property
    def clean_up_lock(self) -> Path:
        """Held by the one process that removes what is old or too much here."""
        return self.path / "jobs" / "clean_up.lock"

    @property
    def measured(self) -> Path:
        """How much room what can be removed takes; see :mod:`pyrunner.manager.measured`."""
        return self.path / "jobs" / "measured.json"

    def slot_lock(self, executor_id: int) -> Path:
        """Held while a job is put into the slot, and while something of it is taken away."""
        return self.path / "jobs" / "slots" / f"{executor_id}.lock"

    def slot(self, executor_id: int) -> Path:
        """``run/<executor id>``; one executor runs one job at a time, ids count from 1."""
        return self.path / "run" / str(executor_id)

    def start_parameters(self, executor_id: int) -> Path:
        """``data_data.json`` of the job now running in this slot."""
        return self.slot(executor_id) / "data_data.json"

    def project(self, executor_id: int, job: Job) -> Path:
        """The folder of a project in a slot: one folder a path segment, below the repository's host."""
        folder = self.slot(executor_id) / host_folder(job.git_info.repo_url)
        for segment in project_segments(job):
            folder = safe_child(folder, segment)
        return folder

    def project_cache(self, job: Job, protected: bool) -> Path:
        """Where GitLab ``cache:`` archives of a project live, keyed by project id."""
        host = host_folder(job.git_info.repo_url)
        kind = "protected" if protected else "unprotected"
        return self.cache / "projects" / host / str(job.job_info.project_id) / kind


def slot_caches(project_cache: Path) -> Path:
    """Return the folder that holds what containers of each slot see as ``/cache``.

    :param project_cache: :meth:`Business.project_cache`.
    """
    return project_cache.with_name(f"{project_cache.name}{SLOT_CACHES}")


def project_dependency_lib(project: Path, protected: bool) -> Path:
    """Return the folder of a project's own libraries in a slot; what unprotected refs left is kept apart.

    :param project: :meth:`Business.project`.
    """
    return (project / "cache" / "protected" if protected else project / "cache") / "dependency_lib"


@dataclass(frozen=True, slots=True)
class JobPlace:
    """Where one job lives: its project, the folder of its ref, its sources and its control directory."""

    project: Path
    ref: Path
    source: Path
    control: Path
    #: A tag's sources are thrown away after the job; a branch or merge request keeps them.
    keep_source: bool


def place_job(business: Business, executor_id: int, job: Job, source_path: str = "branch") -> JobPlace:
    """Return where ``job`` runs when slot ``executor_id`` takes it (tristan-layout.md 2).

    :param source_path: ``branch`` (one tree a branch) or ``slot`` (one tree for all refs).
    """
    project = business.project(executor_id, job)
    kind, name = ref_kind(job)
    ref = safe_child(project / kind, name)
    per_slot = source_path == "slot"
    return JobPlace(
        project=project,
        ref=ref,
        source=(project if per_slot else ref) / "source",
        control=ref / "build" / str(job.id),
        keep_source=per_slot or kind != "tags",
    )


def ref_kind(job: Job) -> tuple[str, str]:
    """Return the kind folder (``branches``, ``tags``, ``merge_requests``) and the name within it."""
    ref = variable(job, "CI_COMMIT_REF_NAME") or job.git_info.ref
    for candidate in (job.git_info.ref, ref):
        if match := _MERGE_REQUEST.match(candidate):
            return "merge_requests", match.group(1)
    iid = variable(job, "CI_MERGE_REQUEST_IID")
    if iid and not job.git_info.ref_type:
        return "merge_requests", safe_name(iid)
    return ("tags" if job.git_info.ref_type == "tag" else "branches"), ref


def project_segments(job: Job) -> list[str]:
    """Return the path segments of the project, ``project-<id>`` when it has no path."""
    path = job.job_info.project_full_path or variable(job, "CI_PROJECT_PATH")
    segments = [segment for segment in path.split("/") if segment]
    # A project may come to where a group was, and a group to where a project was: none of its folders is
    # one that jobs of the other have written to.
    segments = [
        suffixed(one, one[:60]) if number >= _FIRST_IN_A_PROJECT and one.casefold() in _OWN else one
        for number, one in enumerate(segments)
    ]
    return segments or [f"project-{job.job_info.project_id}"]


def variable(job: Job, key: str) -> str:
    """Return the first value of a payload variable, unexpanded; empty when there is none.

    GitLab's own values come first. Those that follow are the pipeline's, which must not choose in whose
    folders a job works.
    """
    return next((one.value for one in job.variables if one.key == key), "")
