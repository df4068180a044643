"""Telling the coordinator about a running job: its state and its trace (1.8, 1.9)."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from pyrunner.errors import CoordinatorError, RequestCanceled
from pyrunner.gitlab.answer import integer
from pyrunner.gitlab.call import JOB_TOKEN, Call, new_correlation_id
from pyrunner.gitlab.cancel import Stop
from pyrunner.gitlab.credentials import JobCredentials
from pyrunner.gitlab.json_call import CLIENT_ERROR, NO_ANSWER, JsonCall, call_json
from pyrunner.gitlab.lines import CallLog
from pyrunner.gitlab.remote import RemoteState
from pyrunner.gitlab.transport import Transport
from pyrunner.protocol.states import FailureReason, JobState

_log = logging.getLogger(__name__)

_SUBMITTING: Final = "Submitting job to coordinator..."
_APPENDING: Final = "Appending trace to coordinator..."


class UpdateState(StrEnum):
    """What came of a ``PUT`` (1.8)."""

    SUCCEEDED = "succeeded"
    #: The coordinator still stores the trace: ask again after :attr:`UpdateResult.interval`.
    ACCEPTED_BUT_NOT_COMPLETED = "accepted, but not yet completed"
    #: Send the whole trace again, then ask again.
    TRACE_VALIDATION_FAILED = "trace validation failed"
    #: The coordinator has closed the job: stop it, and take this as the end of the protocol.
    ABORT = "abort"
    FAILED = "failed"


class PatchState(StrEnum):
    """What came of a ``PATCH`` (1.9)."""

    SUCCEEDED = "succeeded"
    NOT_FOUND = "not found"
    #: :attr:`PatchResult.offset` is what the coordinator has.
    RANGE_MISMATCH = "range mismatch"
    #: The coordinator has closed the job: stop it.
    ABORT = "abort"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class JobUpdate:
    """What to report about a job.

    :param failure_reason: only with ``failed``, already mapped (5.9).
    :param exit_code: left out when 0; taken as signed 32 bit.
    :param checksum: ``crc32:xxxxxxxx`` of the trace, left out when empty.
    :param bytesize: of the trace, left out when 0.
    """

    state: JobState
    failure_reason: FailureReason | str = ""
    exit_code: int = 0
    checksum: str = ""
    bytesize: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return the request's members; only ``state`` and ``output`` are always there."""
        members: dict[str, Any] = {"state": str(self.state)}
        if self.failure_reason and self.state is JobState.FAILED:
            members["failure_reason"] = str(self.failure_reason)
        output: dict[str, Any] = {}
        if self.checksum:
            members["checksum"] = output["checksum"] = self.checksum
        if self.bytesize:
            output["bytesize"] = self.bytesize
        members["output"] = output
        code = (self.exit_code + 2**31) % 2**32 - 2**31
        if code:
            members["exit_code"] = code
        return members


@dataclass(frozen=True, slots=True)
class UpdateResult:
    """The answer to a ``PUT``.

    :param cancel_requested: the job is being canceled gracefully (5.7), whatever the state.
    :param interval: seconds the coordinator wants between updates, None when it did not say.
    :param status: HTTP status, -1 without an answer, -100 without a usable URL.
    :param job_status: the remote state as sent, empty when it was not.
    """

    state: UpdateState
    cancel_requested: bool = False
    interval: int | None = None
    status: int = NO_ANSWER
    job_status: str = ""
    correlation_id: str = ""


@dataclass(frozen=True, slots=True)
class PatchResult:
    """The answer to a ``PATCH``.

    :param offset: bytes the coordinator has, as far as is known: where the next patch starts.

    The others are those of :class:`UpdateResult`.
    """

    state: PatchState
    offset: int
    cancel_requested: bool = False
    interval: int | None = None
    status: int = NO_ANSWER
    job_status: str = ""
    correlation_id: str = ""


def update_job(
    transport: Transport,
    job: JobCredentials,
    update: JobUpdate,
    info: Mapping[str, Any],
    stop: Stop | None = None,
) -> UpdateResult:
    """Report a job's state, or keep it alive with ``running`` (1.8).

    :param stop: ends the waits between attempts; the result is then ``FAILED``.
    """
    correlation_id = new_correlation_id()
    log = CallLog(
        _log,
        transport.credentials,
        job=job.id,
        checksum=update.checksum,
        bytesize=update.bytesize,
        correlation_id=correlation_id,
    )
    log.write(logging.INFO, "Updating job...")
    call = JsonCall(
        "PUT",
        f"jobs/{job.id}",
        {"info": info, "token": job.token, **update.to_json()},
        200,
        {JOB_TOKEN: job.token},
        expects_json=False,
        endpoint="update_job",
        correlation_id=correlation_id,
    )
    try:
        result = call_json(transport, call, stop)
    except RequestCanceled as error:
        log.write(logging.WARNING, f"{_SUBMITTING} failed", status=str(error), code=NO_ANSWER)
        return UpdateResult(UpdateState.FAILED, correlation_id=correlation_id)
    remote = RemoteState.of(result.reply, log)
    log.add({"code": result.code, "correlation_id": result.correlation_id or correlation_id, **remote.fields})
    state, level, text = _update_state(result.code, remote)
    fields = {"status": result.text} if level > logging.INFO else {}
    log.write(level, _SUBMITTING + text, **fields)
    return UpdateResult(
        state,
        remote.cancel_requested,
        remote.interval,
        result.code,
        remote.job_status,
        result.correlation_id or correlation_id,
    )


def _update_state(code: int, remote: RemoteState) -> tuple[UpdateState, int, str]:
    """Judge an answer in the order of 1.8; the text tells the log reader."""
    if remote.closed or code == 403:
        return UpdateState.ABORT, logging.WARNING, " job failed"
    if code == 200:
        return UpdateState.SUCCEEDED, logging.INFO, "ok"
    if code == 202:
        return UpdateState.ACCEPTED_BUT_NOT_COMPLETED, logging.INFO, "accepted, but not yet completed"
    if code == 412:
        return UpdateState.TRACE_VALIDATION_FAILED, logging.INFO, "trace validation failed"
    if code == 404:
        return UpdateState.ABORT, logging.WARNING, " not found"
    if code == CLIENT_ERROR:
        return UpdateState.ABORT, logging.ERROR, " client error"
    return UpdateState.FAILED, logging.WARNING, " failed"


def patch_trace(
    transport: Transport,
    job: JobCredentials,
    content: bytes,
    offset: int,
    debug_trace: bool = False,
    stop: Stop | None = None,
) -> PatchResult:
    """Append ``content`` to the job's trace at byte ``offset`` (1.9, 5.3); empty content is not sent.

    :param debug_trace: tell the coordinator that the trace may hold secrets.
    :param stop: ends the waits between attempts; the result is then ``FAILED``.
    """
    log = CallLog(_log, transport.credentials, job=job.id)
    if not content:
        log.write(logging.INFO, f"{_APPENDING}skipped due to empty patch")
        return PatchResult(PatchState.SUCCEEDED, offset, status=0)
    end = offset + len(content)
    sent = f"{offset}-{end - 1}"
    correlation_id = new_correlation_id()
    call = Call(
        "PATCH",
        f"jobs/{job.id}/trace?debug_trace={'true' if debug_trace else 'false'}",
        {JOB_TOKEN: job.token, "Content-Range": sent},
        content,
        "text/plain",
        correlation_id=correlation_id,
    )
    started = time.monotonic()
    try:
        reply = transport.call(call, stop)
    except CoordinatorError as error:
        CallLog(_log, transport.credentials).write(logging.ERROR, f"{_APPENDING} error {error}")
        return PatchResult(PatchState.FAILED, offset, status=error.status, correlation_id=correlation_id)
    if transport.observer is not None:
        seconds = time.monotonic() - started
        transport.observer.request_finished("patch_trace", call.method, reply.status, seconds)
    remote = RemoteState.of(reply, log)
    there = reply.headers.get("Range", "")
    fields = {"sent-log": sent, "job-log": there, "code": reply.status, "status": reply.status_line}
    log.add({**fields, "correlation_id": reply.correlation_id, **remote.fields})
    state, level, text = _patch_state(reply.status, remote)
    log.write(level, _APPENDING + text)
    return PatchResult(
        state,
        _next_offset(state, offset, end, there),
        remote.cancel_requested,
        remote.interval,
        reply.status,
        remote.job_status,
        reply.correlation_id,
    )


def _patch_state(status: int, remote: RemoteState) -> tuple[PatchState, int, str]:
    """Judge an answer in the order of 1.9; only 202 is a success, 200 is none."""
    if remote.closed or status == 403:
        return PatchState.ABORT, logging.WARNING, " job failed"
    if status == 202:
        return PatchState.SUCCEEDED, logging.INFO, "ok"
    if status == 404:
        return PatchState.NOT_FOUND, logging.WARNING, " not-found"
    if status == 416:
        return PatchState.RANGE_MISMATCH, logging.WARNING, " range mismatch"
    return PatchState.FAILED, logging.WARNING, " failed"


def _next_offset(state: PatchState, offset: int, end: int, there: str) -> int:
    """Return where the next patch starts; ``Range: 0-N`` counts bytes, N is not a last index (5.3)."""
    if state is PatchState.SUCCEEDED:
        return end
    if state is not PatchState.RANGE_MISMATCH:
        return offset
    parts = there.split("-")
    return max(0, integer(parts[1]) or 0) if len(parts) == 2 else 0
