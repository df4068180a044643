"""The client against the embedded coordinator: both halves of the runner API (runner-api.md 1 to 7)."""

from __future__ import annotations

import threading
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyrunner.coordinator.server import EmbeddedCoordinator
from pyrunner.coordinator.settings import CoordinatorSettings
from pyrunner.gitlab.artifacts import (
    ArtifactFile,
    DownloadState,
    UploadState,
    download_artifacts,
    upload_artifacts,
)
from pyrunner.gitlab.cancel import Cancellation
from pyrunner.gitlab.credentials import JobCredentials, RunnerCredentials
from pyrunner.gitlab.jobs import (
    JobRequestOutcome,
    JobUpdate,
    PatchState,
    UpdateState,
    patch_trace,
    request_job,
    update_job,
)
from pyrunner.gitlab.runners import (
    Outcome,
    RegisterParameters,
    register,
    reset_token,
    reset_token_with_pat,
    unregister,
    unregister_manager,
    verify,
)
from pyrunner.gitlab.transport import Transport
from pyrunner.protocol.job import decode_job
from pyrunner.protocol.runner import SHELL_EXECUTOR_FEATURES, runner_info
from pyrunner.protocol.states import FailureReason, JobState

pytestmark = pytest.mark.integration

INFO = runner_info("shell", "bash", SHELL_EXECUTOR_FEATURES)
SYSTEM_ID = "s_0123456789ab"


@pytest.fixture
def coordinator() -> Iterator[EmbeddedCoordinator]:
    """Return a coordinator; at the end the client must have kept to the protocol."""
    with EmbeddedCoordinator() as one:
        yield one
        assert one.violations == []


class Client:
    """A runner's transports, closed at the end of the test."""

    def __init__(self, coordinator: EmbeddedCoordinator) -> None:
        self._coordinator = coordinator
        self._transports: list[Transport] = []

    def transport(self, token: str) -> Transport:
        """Return a transport for ``token``."""
        one = Transport(RunnerCredentials(self._coordinator.url, token), environment={})
        self._transports.append(one)
        return one

    def close(self) -> None:
        """Close the connections."""
        for one in self._transports:
            one.close()


@pytest.fixture
def client(coordinator: EmbeddedCoordinator) -> Iterator[Client]:
    """Return a maker of transports to the coordinator."""
    one = Client(coordinator)
    yield one
    one.close()


@pytest.fixture
def transport(coordinator: EmbeddedCoordinator, client: Client) -> Transport:
    """Return a registered runner's transport."""
    return client.transport(coordinator.add_runner())


def take(transport: Transport) -> JobCredentials:
    """Take a job and acknowledge it, as a manager does."""
    outcome = request_job(transport, INFO, SYSTEM_ID)
    assert outcome.payload is not None
    job = decode_job(outcome.payload)
    credentials = JobCredentials(job.id, job.token)
    assert (
        update_job(transport, credentials, JobUpdate(JobState.RUNNING), INFO).state is UpdateState.SUCCEEDED
    )
    return credentials


def report(trace: bytes, state: JobState, reason: str = "", exit_code: int = 0) -> JobUpdate:
    """Return the final update that goes with ``trace``."""
    return JobUpdate(state, reason, exit_code, f"crc32:{zlib.crc32(trace):08x}", len(trace))


def test_the_life_of_a_created_runner(coordinator: EmbeddedCoordinator, client: Client) -> None:
    """Verify brings the id, a reset ends the old token, unregistering ends the manager (1.2, 1.4, 1.5)."""
    token = coordinator.add_runner()
    transport = client.transport(token)
    verified = verify(transport, SYSTEM_ID, INFO)
    assert verified.succeeded
    assert verified.id == coordinator.runner(token).id
    renewed = reset_token(transport)
    assert renewed.succeeded
    assert verify(transport, SYSTEM_ID, INFO).outcome is Outcome.FORBIDDEN
    again = client.transport(renewed.token)
    assert verify(again, SYSTEM_ID, INFO).succeeded
    by_pat = reset_token_with_pat(again, verified.id, coordinator.personal_access_token)
    assert by_pat.succeeded
    assert unregister_manager(client.transport(by_pat.token), SYSTEM_ID).succeeded


def test_the_life_of_a_legacy_runner(coordinator: EmbeddedCoordinator, client: Client) -> None:
    """A registration token makes a runner, which is removed altogether (1.1, 1.3)."""
    made = register(
        client.transport(coordinator.registration_token),
        RegisterParameters(description="orchard", tag_list="a,b"),
        runner_info(),
    )
    assert made.succeeded
    assert made.id > 0
    own = client.transport(made.token)
    assert verify(own, SYSTEM_ID, INFO).succeeded
    assert unregister(own).succeeded
    assert verify(own, SYSTEM_ID, INFO).outcome is Outcome.FORBIDDEN
    refused = register(client.transport("GR1348941wrong"), RegisterParameters(), runner_info())
    assert refused.outcome is Outcome.FORBIDDEN


def test_old_servers_verify_with_text(coordinator: EmbeddedCoordinator, transport: Transport) -> None:
    """The text ``200`` is a valid runner without an id (1.2)."""
    coordinator.settings.legacy = True
    result = verify(transport, SYSTEM_ID, INFO)
    assert (result.succeeded, result.id) == (True, 0)


def test_a_job_from_request_to_success(coordinator: EmbeddedCoordinator, transport: Transport) -> None:
    """Request, acknowledge, patch in pieces, report: the coordinator holds the same bytes."""
    job_id = coordinator.enqueue(script=["echo hello"])
    job = take(transport)
    assert job.id == job_id
    trace = "gr\u00fc\u00df dich\n".encode() * 1000
    offset = 0
    while offset < len(trace):
        result = patch_trace(transport, job, trace[offset : offset + 5000], offset)
        assert result.state is PatchState.SUCCEEDED
        offset = result.offset
    final = update_job(transport, job, report(trace, JobState.SUCCESS), INFO)
    assert (final.state, final.job_status) == (UpdateState.SUCCEEDED, "success")
    assert coordinator.trace(job_id) == trace
    assert coordinator.wait_for(job_id).state == "success"
    assert request_job(transport, INFO, SYSTEM_ID).status == 204


def test_a_failed_job_ends_with_an_abort(coordinator: EmbeddedCoordinator, transport: Transport) -> None:
    """``Job-Status: failed`` on the final PUT is the normal end of a failed job (8.2, trap 3)."""
    job_id = coordinator.enqueue(script=["false"])
    job = take(transport)
    patch_trace(transport, job, b"x", 0)
    update = report(b"x", JobState.FAILED, FailureReason.SCRIPT_FAILURE, exit_code=1)
    final = update_job(transport, job, update, INFO)
    assert (final.state, final.status, final.job_status) == (UpdateState.ABORT, 200, "failed")
    assert coordinator.wait_for(job_id).state == "failed"


def test_a_lost_trace_is_sent_again(coordinator: EmbeddedCoordinator, transport: Transport) -> None:
    """416 says how many bytes there are; sending goes on from there, not one further (8.2, trap 2)."""
    job_id = coordinator.enqueue(script=["true"])
    job = take(transport)
    patch_trace(transport, job, b"0123456789", 0)
    coordinator.faults.lose_trace(4, job_id)
    mismatch = patch_trace(transport, job, b"abc", 10)
    assert (mismatch.state, mismatch.offset) == (PatchState.RANGE_MISMATCH, 4)
    assert patch_trace(transport, job, b"456789abc", 4).offset == 13
    assert coordinator.trace(job_id) == b"0123456789abc"
    update_job(transport, job, report(b"0123456789abc", JobState.SUCCESS), INFO)


def test_two_ways_to_cancel(coordinator: EmbeddedCoordinator, transport: Transport) -> None:
    """Gracefully: asked to on each answer; otherwise the job is gone with 403 (5.7)."""
    graceful_id = coordinator.enqueue(script=["true"])
    job = take(transport)
    coordinator.cancel(graceful_id, graceful=True)
    patched = patch_trace(transport, job, b"x", 0)
    assert (patched.state, patched.cancel_requested) == (PatchState.SUCCEEDED, True)
    update_job(transport, job, report(b"x", JobState.FAILED, "unknown_failure"), INFO)
    hard_id = coordinator.enqueue(script=["true"])
    job = take(transport)
    coordinator.cancel(hard_id, graceful=False)
    patched = patch_trace(transport, job, b"x", 0)
    assert (patched.state, patched.status, patched.offset) == (PatchState.ABORT, 403, 0)


def test_a_final_update_may_have_to_wait(coordinator: EmbeddedCoordinator, transport: Transport) -> None:
    """202 with an interval until the trace is stored, then 200 (5.8)."""
    job_id = coordinator.enqueue(script=["true"])
    job = take(transport)
    patch_trace(transport, job, b"x", 0)
    coordinator.faults.accepted(times=1, interval=1, job_id=job_id)
    first = update_job(transport, job, report(b"x", JobState.SUCCESS), INFO)
    assert (first.state, first.interval) == (UpdateState.ACCEPTED_BUT_NOT_COMPLETED, 1)
    assert update_job(transport, job, report(b"x", JobState.SUCCESS), INFO).state is UpdateState.SUCCEEDED


def test_two_phase_commit(coordinator: EmbeddedCoordinator, transport: Transport) -> None:
    """The PUT right after the 201 is the acknowledgement (1.7)."""
    coordinator.settings.two_phase_commit = True
    job_id = coordinator.enqueue(script=["true"])
    job = take(transport)
    assert coordinator.job(job_id).state == "running"
    update_job(transport, job, report(b"", JobState.SUCCESS), INFO)


def test_a_long_poll_is_held_and_can_be_ended(client: Client, coordinator: EmbeddedCoordinator) -> None:
    """With ``last_update`` the request is held; a stopping runner does not wait for it (4.4)."""
    coordinator.settings.long_poll_seconds = 50.0
    transport = client.transport(coordinator.add_runner())
    assert request_job(transport, INFO, SYSTEM_ID).status == 204
    assert transport.last_update
    stop = Cancellation()
    outcomes: list[JobRequestOutcome] = []
    thread = threading.Thread(
        target=lambda: outcomes.append(request_job(transport, INFO, SYSTEM_ID, stop=stop))
    )
    thread.start()
    stop.set()
    thread.join(10)
    assert outcomes[0].canceled


def test_a_removed_runner_is_unhealthy(coordinator: EmbeddedCoordinator, transport: Transport) -> None:
    """403 on jobs/request is the one answer that counts against the runner (4.6)."""
    coordinator.remove_runner(transport.credentials.token)
    outcome = request_job(transport, INFO, SYSTEM_ID)
    assert (outcome.healthy, outcome.status) == (False, 403)
    coordinator.tolerate(3)


def test_an_outage_is_survived(coordinator: EmbeddedCoordinator, transport: Transport) -> None:
    """While the coordinator is down calls fail without harm; back again, the next one works."""
    job_id = coordinator.enqueue(script=["true"])
    job = take(transport)
    coordinator.stop()
    assert patch_trace(transport, job, b"x", 0).state is PatchState.FAILED
    assert update_job(transport, job, JobUpdate(JobState.RUNNING), INFO).state is UpdateState.FAILED
    outcome = request_job(transport, INFO, SYSTEM_ID)
    assert (outcome.healthy, outcome.status) == (True, -1)
    coordinator.start()
    assert patch_trace(transport, job, b"x", 0).state is PatchState.SUCCEEDED
    update_job(transport, job, report(b"x", JobState.SUCCESS), INFO)
    assert coordinator.trace(job_id) == b"x"


@pytest.mark.parametrize("direct", [False, True])
def test_artifacts_come_back(
    coordinator: EmbeddedCoordinator, transport: Transport, tmp_path: Path, direct: bool
) -> None:
    """What one job uploads another downloads, proxied or straight from the object storage (7.2, 7.3)."""
    if direct:
        coordinator.enable_direct_download()
    archive = bytes(range(256)) * 5000
    first_id = coordinator.enqueue(script=["true"])
    job = take(transport)
    uploaded = upload_artifacts(
        transport,
        job,
        ArtifactFile("artifacts.zip", "archive", "zip", "1 week"),
        lambda: (archive[start : start + 65536] for start in range(0, len(archive), 65536)),
    )
    assert uploaded.state is UploadState.SUCCEEDED
    update_job(transport, job, report(b"", JobState.SUCCESS), INFO)
    coordinator.enqueue(script=["true"], dependencies=[first_id])
    outcome = request_job(transport, INFO, SYSTEM_ID)
    assert outcome.payload is not None
    second = decode_job(outcome.payload)
    running = JobCredentials(second.id, second.token)
    update_job(transport, running, JobUpdate(JobState.RUNNING), INFO)
    (dependency,) = second.dependencies
    assert dependency.artifacts_file.size == len(archive)
    target = tmp_path / "artifacts.zip"
    result = download_artifacts(transport, JobCredentials(dependency.id, dependency.token), target)
    assert (result.state, result.size) == (DownloadState.SUCCEEDED, len(archive))
    assert target.read_bytes() == archive
    nothing = download_artifacts(transport, JobCredentials(second.id, second.token), target)
    assert nothing.state is DownloadState.NOT_FOUND
    update_job(transport, running, report(b"", JobState.SUCCESS), INFO)


def test_an_artifact_that_is_too_large_is_refused(
    coordinator: EmbeddedCoordinator, transport: Transport
) -> None:
    """413 is final (1.11)."""
    coordinator.settings.max_artifact_bytes = 10
    coordinator.enqueue(script=["true"])
    job = take(transport)
    file = ArtifactFile("artifacts.zip", "archive", "zip")
    assert upload_artifacts(transport, job, file, lambda: [b"x" * 100]).state is UploadState.TOO_LARGE
    update_job(transport, job, report(b"", JobState.SUCCESS), INFO)


def test_settings_are_the_coordinators_own() -> None:
    """A strict coordinator asks for the whole trace again when size or checksum is wrong (412)."""
    with EmbeddedCoordinator(settings=CoordinatorSettings(strict_checksum=True)) as coordinator:
        coordinator.tolerate(11)
        transport = Transport(RunnerCredentials(coordinator.url, coordinator.add_runner()), environment={})
        coordinator.enqueue(script=["true"])
        job = take(transport)
        patch_trace(transport, job, b"x", 0)
        wrong = JobUpdate(JobState.SUCCESS, checksum="crc32:00000001", bytesize=1)
        refused = update_job(transport, job, wrong, INFO)
        assert refused.state is UpdateState.TRACE_VALIDATION_FAILED
        assert patch_trace(transport, job, b"x", 0).state is PatchState.SUCCEEDED
        assert update_job(transport, job, report(b"x", JobState.SUCCESS), INFO).state is UpdateState.SUCCEEDED
        transport.close()
