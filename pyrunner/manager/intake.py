"""Puts a job that came on disk: slot, folders, record, index (design R4, tristan-layout.md 2)."""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pyrunner.errors import JobDirError
from pyrunner.gitlab.jobs import JobRequestOutcome
from pyrunner.jobdir.control import ControlDir
from pyrunner.jobdir.dependency_folders import make_dependency_folders
from pyrunner.jobdir.index import add_pending
from pyrunner.jobdir.layout import project_dependency_lib
from pyrunner.jobdir.record import JobRecord, SessionData, TLSData, new_received_at
from pyrunner.manager.fleet import ActiveRunner
from pyrunner.manager.guard import remove_tree, take_project
from pyrunner.manager.slots import Slot
from pyrunner.manager.source_marks import take_sources
from pyrunner.manager.verdict import Verdict, store_verdict
from pyrunner.protocol.job import Job
from pyrunner.protocol.session import SessionOffer


@dataclass(frozen=True, slots=True)
class HostSettings:
    """What every job record says about this manager."""

    system_id: str
    #: ``--user`` of ``run``.
    user: str = ""
    working_directory: str = ""


@dataclass(frozen=True, slots=True)
class Placed:
    """A job that is on disk."""

    control: ControlDir
    slot: Slot | None
    #: Trees to be removed when there is time: another project's, another ref's.
    aside: tuple[Path, ...] = ()


def place_on_disk(
    runner: ActiveRunner, job: Job, outcome: JobRequestOutcome, host: HostSettings, keep: list[Path]
) -> Placed:
    """Give a job a slot and write all that a supervisor needs to know; durable when this returns.

    :param keep: control directories with something to lose.
    :raises JobDirError: when a folder or file cannot be made; the slot is free again.
    """
    config, slots = runner.link.config, runner.slots
    slot: Slot | None = None
    control: ControlDir | None = None
    try:
        slot = slots.take(config.token, job, config.tristan.source_path, keep)
        place = slots.place(slot, job, config.tristan.source_path)
        folder = slots.business.slot(slot.executor_id)
        protected = _is_protected(job) if job.git_info.protected is None else job.git_info.protected
        # Jobs of the host itself are kept apart by nothing.
        trust = str(protected).lower() if config.executor == "docker" else ""
        aside = take_project(place.project, job, folder), take_sources(place, job, trust, folder)
        control = ControlDir(place.control)
        if control.path.exists():
            # Of a manager that was killed before the job was in the index, or of an equal id elsewhere.
            shutil.rmtree(control.path)
        control.create()
        libraries = project_dependency_lib(place.project, protected)
        for folder in (libraries, slots.business.dependency_lib):
            make_dependency_folders(folder)
        record = JobRecord(
            payload=outcome.payload or {},
            runner=config.to_dict(),
            business=str(slots.business.path),
            business_id=slots.business.business_id,
            executor_id=slot.executor_id,
            concurrent_project_id=slot.concurrent_project_id,
            system_id=host.system_id,
            correlation_id=outcome.correlation_id,
            received_at=new_received_at(),
            source=str(place.source),
            project=str(place.project),
            keep_source=place.keep_source,
            cache=str(slots.business.project_cache(job, protected)),
            dependency_lib=str(libraries),
            dependency_lib_shared=(
                str(slots.business.dependency_lib) if config.tristan.dependency_lib_shared else ""
            ),
            tls=TLSData(outcome.tls.ca_chain, outcome.tls.cert, outcome.tls.key),
            session=_session(outcome.session),
            user=host.user,
            working_directory=host.working_directory,
        )
        _write(control, record)
        slots.store_parameters(slot.executor_id, asdict(record))
        add_pending(slots.business, job.id, control)
        slots.settled(slot)
    except BaseException as error:
        if control is not None:
            # Nobody would remove the secrets in it: it is in no index.
            remove_tree(control.path)
        if slot is not None:
            slots.release(slot)
        if isinstance(error, OSError):
            place_of_error = error.filename or slots.business.path
            raise JobDirError(f"{place_of_error}: {error.strerror}") from error
        raise
    return Placed(control, slot, tuple(one for one in aside if one is not None))


def place_refusal(
    runner: ActiveRunner, payload: dict[str, Any], verdict: Verdict, host: HostSettings
) -> Placed:
    """Write a job that cannot be run, so that its failure is reported whatever happens to this process.

    Only id and token are kept of a payload that may make no sense at all.

    :raises JobDirError: when it cannot be written.
    """
    business = runner.slots.business
    control = ControlDir(business.path / "jobs" / "refused" / str(payload["id"]))
    record = JobRecord(
        payload=payload,
        runner=runner.link.config.to_dict(),
        business=str(business.path),
        business_id=business.business_id,
        system_id=host.system_id,
        received_at=new_received_at(),
    )
    try:
        control.create()
        _write(control, record)
        store_verdict(control, verdict)
        add_pending(business, payload["id"], control)
    except OSError as error:
        raise JobDirError(f"{error.filename or control.path}: {error.strerror}") from error
    return Placed(control, None)


def _write(control: ControlDir, record: JobRecord) -> None:
    try:
        record.store(control.job)
    except (TypeError, ValueError) as error:
        raise JobDirError(f"{control.job}: cannot be written: {error}") from error


def _session(offer: SessionOffer | None) -> SessionData:
    if offer is None:
        return SessionData()
    return SessionData(offer.endpoint, offer.authorization, offer.timeout)


def _is_protected(job: Job) -> bool:
    """Tell whether the job's ref is protected; the first value counts (runner-api.md 8.2, trap 22)."""
    first = next((one.value for one in job.variables if one.key == "CI_COMMIT_REF_PROTECTED"), "")
    return first == "true"
