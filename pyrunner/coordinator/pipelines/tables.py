"""Pipelines and jobs as the database keeps them: SQLAlchemy's typed classes."""

from __future__ import annotations

from typing import Any, ClassVar

from sqlalchemy import JSON, Enum, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from pyrunner.coordinator.pipelines.status import Status

_STATUS = Enum(Status, native_enum=False, length=32, values_callable=lambda kind: [str(one) for one in kind])


class Base(DeclarativeBase):
    """All tables."""

    type_annotation_map: ClassVar[dict[Any, Any]] = {
        Status: _STATUS,
        dict[str, Any]: JSON,
        list[Any]: JSON,
        list[str]: JSON,
        list[int]: JSON,
    }


class PipelineRow(Base):
    """One pipeline. Times are seconds since the epoch, 0 for "not yet"."""

    __tablename__ = "pipelines"

    id: Mapped[int] = mapped_column(primary_key=True)
    project: Mapped[str]
    ref: Mapped[str]
    #: The commit that jobs check out; a snapshot of uncommitted work is not the event's commit.
    sha: Mapped[str]
    source: Mapped[str]
    name: Mapped[str] = mapped_column(default="")
    status: Mapped[Status] = mapped_column(default=Status.CREATED)
    stages: Mapped[list[str]]
    #: Files the event changed; None: unknown.
    changed: Mapped[list[str] | None] = mapped_column(JSON)
    #: Names of manual and delayed jobs that start as soon as they may.
    auto_play: Mapped[list[str]]
    on_new_commit: Mapped[str] = mapped_column(default="conservative")
    on_job_failure: Mapped[str] = mapped_column(default="none")
    #: The trigger job of a child pipeline.
    parent_job_id: Mapped[int | None] = mapped_column(ForeignKey("jobs.id", use_alter=True))
    created_at: Mapped[float]
    started_at: Mapped[float] = mapped_column(default=0.0)
    finished_at: Mapped[float] = mapped_column(default=0.0)

    jobs: Mapped[list[JobRow]] = relationship(
        back_populates="pipeline", order_by="JobRow.id", foreign_keys="JobRow.pipeline_id"
    )

    __table_args__ = (Index("pipelines_of_ref", "project", "ref"),)


class JobRow(Base):
    """One attempt at a job; ``retried`` marks those that a later attempt replaces."""

    __tablename__ = "jobs"

    #: The id that runners know.
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    pipeline_id: Mapped[int] = mapped_column(ForeignKey("pipelines.id"), index=True)
    name: Mapped[str]
    stage: Mapped[str]
    stage_index: Mapped[int]
    status: Mapped[Status] = mapped_column(default=Status.CREATED, index=True)
    attempt: Mapped[int] = mapped_column(default=1)
    retried: Mapped[bool] = mapped_column(default=False)
    #: The planned job; see :mod:`.codec`. Large, and only read when the job begins or has ended.
    plan: Mapped[dict[str, Any]] = mapped_column(deferred=True)
    when: Mapped[str]
    start_in: Mapped[int] = mapped_column(default=0)
    #: None: waits for all earlier stages.
    needs: Mapped[list[str] | None] = mapped_column(JSON)
    allow_failure: Mapped[bool]
    exit_codes: Mapped[list[int]]
    retry: Mapped[dict[str, Any]]
    interruptible: Mapped[bool] = mapped_column(default=False)
    resource_group: Mapped[str] = mapped_column(default="", index=True)
    triggers: Mapped[bool] = mapped_column(default=False)

    failure_reason: Mapped[str] = mapped_column(default="")
    exit_code: Mapped[int] = mapped_column(default=0)
    #: Why a trigger job did what it did; empty for others.
    message: Mapped[str] = mapped_column(default="")
    coverage: Mapped[float | None]
    #: What a person gave when playing the job.
    manual_variables: Mapped[list[Any]]
    #: Given out with the payload; empty before.
    token: Mapped[str] = mapped_column(default="")
    #: The runner that has to take it, and the manager that has it.
    runner_id: Mapped[int | None]
    assigned_runner_id: Mapped[int | None]
    system_id: Mapped[str] = mapped_column(default="")
    waiting_since: Mapped[float] = mapped_column(default=0.0)
    scheduled_at: Mapped[float] = mapped_column(default=0.0)
    queued_at: Mapped[float] = mapped_column(default=0.0)
    started_at: Mapped[float] = mapped_column(default=0.0)
    finished_at: Mapped[float] = mapped_column(default=0.0)

    pipeline: Mapped[PipelineRow] = relationship(back_populates="jobs", foreign_keys=[pipeline_id])
    artifacts: Mapped[list[ArtifactRow]] = relationship(back_populates="job", cascade="all, delete-orphan")


class ArtifactRow(Base):
    """One uploaded file."""

    __tablename__ = "artifacts"

    id: Mapped[int] = mapped_column(primary_key=True)
    job_id: Mapped[int] = mapped_column(ForeignKey("jobs.id"), index=True)
    artifact_type: Mapped[str]
    artifact_format: Mapped[str]
    filename: Mapped[str]
    path: Mapped[str]
    size: Mapped[int]
    sha256: Mapped[str]
    expire_in: Mapped[str] = mapped_column(default="")

    job: Mapped[JobRow] = relationship(back_populates="artifacts")

    __table_args__ = (UniqueConstraint("job_id", "artifact_type"),)


class ResourceGroupRow(Base):
    """How the jobs of one resource group take turns."""

    __tablename__ = "resource_groups"

    id: Mapped[int] = mapped_column(primary_key=True)
    project: Mapped[str]
    key: Mapped[str]
    #: ``unordered oldest_first newest_first newest_ready_first``.
    process_mode: Mapped[str] = mapped_column(default="unordered")

    __table_args__ = (UniqueConstraint("project", "key"),)
