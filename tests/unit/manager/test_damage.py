"""What a job, a full disk or a lack of descriptors does to one job's files must not reach the others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pyrunner.config.model import RunnerConfig
from pyrunner.errors import JobDirError
from pyrunner.gitlab.cancel import Cancellation
from pyrunner.gitlab.credentials import RunnerCredentials
from pyrunner.gitlab.jobs import JobRequestOutcome
from pyrunner.gitlab.transport import Transport
from pyrunner.jobdir.control import ControlDir
from pyrunner.jobdir.index import add_pending
from pyrunner.jobdir.journal import JobResult
from pyrunner.jobdir.layout import Business
from pyrunner.jobdir.record import JobRecord
from pyrunner.manager.capacity import Capacity
from pyrunner.manager.caretaker import Caretaker
from pyrunner.manager.delivery import Delivery
from pyrunner.manager.fleet import ActiveRunner
from pyrunner.manager.intake import HostSettings, place_on_disk
from pyrunner.manager.link import Link
from pyrunner.manager.mailbox import Mailbox
from pyrunner.manager.recovery import Recovery
from pyrunner.manager.roster import Roster
from pyrunner.manager.shipper import Phase
from pyrunner.manager.slots import Slot, Slots
from pyrunner.manager.spawner_client import SpawnAnswer
from pyrunner.manager.tracked import TrackedJob
from pyrunner.protocol.job import Job, JobInfo
from pyrunner.system.lock import OpenFileLock
from tests.unit.manager.jobs import control_of, job_on_disk


def damage(path: Path) -> None:
    """Put a folder where a file belongs: it can neither be read nor written, not even by root."""
    path.unlink(missing_ok=True)
    path.mkdir()


class NoSpawner:
    """Starts nothing."""

    def spawn(self, control: ControlDir, lock: OpenFileLock, done: Callable[[SpawnAnswer], None]) -> None:
        lock.close()


@pytest.mark.parametrize("name", ["lock", "state.json", "heartbeat", "trace.size", "orders"])
def test_a_damaged_job_does_not_stop_the_loop(tmp_path: Path, name: str) -> None:
    """Whatever file of a job cannot be used, looking at the job raises nothing."""
    job = job_on_disk(tmp_path)
    if name == "orders":
        control_of(job).orders.rmdir()
        control_of(job).orders.write_bytes(b"")
        job.shipper.cancel_requested = True
    else:
        damage(control_of(job).path / name)
    Caretaker(NoSpawner(), lambda _job, _result: None).look(job, 0.0)


def test_a_folder_that_is_gone_does_not_stop_the_loop(tmp_path: Path) -> None:
    """A job that removes its own control directory harms itself only."""
    job = job_on_disk(tmp_path)
    control_of(job).path.rename(tmp_path / "elsewhere")
    Caretaker(NoSpawner(), lambda _job, _result: None).look(job, 0.0)


def test_a_trace_of_unknown_size_is_taken_as_it_was(tmp_path: Path) -> None:
    """A trace that cannot be measured any more keeps neither the loop nor the result."""
    job = job_on_disk(tmp_path)
    control_of(job).store_trace_size(7)
    assert job.shipper.next(10.0) is not None
    damage(control_of(job).trace_size)
    mailbox = Mailbox()
    Delivery(mailbox, lambda: 10.0, Cancellation(), lambda _: None).step(job, 10.0)
    job.shipper.finish(JobResult("success"), 11.0)
    assert job.shipper.phase is Phase.FINALIZING
    job.shipper.next(11.0)


def test_a_place_is_given_back_whatever_the_disk_says(tmp_path: Path) -> None:
    """Start parameters that cannot be redacted cost neither the slot nor the place."""
    capacity = Capacity(1)
    freed: list[str] = []
    mailbox = Mailbox()
    roster = Roster(mailbox, capacity, None, freed.append)
    job = job_on_disk(tmp_path)
    job.slot = Slot(1, "token", 1, 0)
    job.slots.occupy(job.slot)
    roster.add(job)
    damage(control_of(job).job)
    roster.vacate(job)
    assert (capacity.free, list(job.slots.busy), freed) == (1, [], ["key"])
    mailbox.close()


def test_a_damaged_job_does_not_keep_others_from_being_resumed(tmp_path: Path) -> None:
    """At the start, a job whose files cannot be read is passed over; the next is taken up."""
    business = Business(tmp_path, "1")
    for job_id in (1, 2):
        control = ControlDir(business.path / "run" / "1" / "build" / str(job_id))
        control.create()
        JobRecord(
            payload={"id": job_id, "token": "t"}, runner=RunnerConfig(url="https://a.b").to_dict()
        ).store(control.job)
        add_pending(business, job_id, control)
    damage(business.path / "run" / "1" / "build" / "1" / "cursor.json")
    taken: list[TrackedJob] = []

    class Recorder:
        """Stands for roster, launcher and links alike."""

        def has(self, _business: Business, _job_id: int) -> bool:
            return False

        def add(self, job: TrackedJob, resumed: bool) -> None:
            assert resumed
            taken.append(job)

        def announce(self, _job: TrackedJob) -> None:
            pass

        def link(self, _config: RunnerConfig) -> object:
            return job_on_disk(tmp_path / "other").link

    recorder = Recorder()
    recovery = Recovery(recorder, recorder, recorder)  # type: ignore[arg-type]
    assert recovery.resume(Slots(business), {}) == 1
    assert [job.id for job in taken] == [2]


def test_a_job_whose_folder_is_gone_ends_as_a_system_failure(tmp_path: Path) -> None:
    """Nobody can bring such a job to an end but the manager, from memory."""
    ended: list[JobResult] = []
    job = job_on_disk(tmp_path)
    control_of(job).path.rename(tmp_path / "elsewhere")
    Caretaker(NoSpawner(), lambda _job, result: ended.append(result)).look(job, 0.0)
    assert [one.failure_reason for one in ended] == ["runner_system_failure"]
    assert b"is gone" in job.trace.read(0, job.trace.size())


def test_a_job_that_cannot_be_placed_leaves_no_secret(tmp_path: Path) -> None:
    """What was written before the disk refused is removed: no index knows of it."""
    config = RunnerConfig(url="https://gitlab.example.com", token="token", executor="shell")
    business = Business(tmp_path, "1")
    runner = ActiveRunner("1", Link(config, Transport(RunnerCredentials.of(config)), {}), Slots(business))
    job = Job(id=7, token="job-token", job_info=JobInfo(project_id=1, project_full_path="a/b"))
    business.start_parameters(1).mkdir(parents=True)
    outcome = JobRequestOutcome({"id": 7, "token": "job-token"}, True, 201)
    with pytest.raises(JobDirError):
        place_on_disk(runner, job, outcome, HostSettings("s_1"), [])
    assert list(runner.slots.busy) == []
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and b"job-token" in path.read_bytes()]
