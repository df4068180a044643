"""Asking the coordinator for a job (1.7); :mod:`.updates` has what follows, offered here as well.

Each function logs its outcome itself and returns it typed; none raises for what the coordinator or
the network does, nor for a stop: then the outcome says ``canceled`` or ``FAILED``.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pyrunner.errors import RequestCanceled
from pyrunner.gitlab.answer import clean_url, member
from pyrunner.gitlab.cancel import Stop
from pyrunner.gitlab.json_call import CLIENT_ERROR, NO_ANSWER, JsonCall, call_json
from pyrunner.gitlab.lines import CallLog
from pyrunner.gitlab.runners import RUNNER_TOKEN
from pyrunner.gitlab.transport import Transport
from pyrunner.gitlab.trust import TlsData
from pyrunner.gitlab.updates import (
    JobUpdate,
    PatchResult,
    PatchState,
    UpdateResult,
    UpdateState,
    patch_trace,
    update_job,
)
from pyrunner.protocol.session import SessionOffer

__all__ = [
    "JobRequestOutcome",
    "JobUpdate",
    "PatchResult",
    "PatchState",
    "UpdateResult",
    "UpdateState",
    "patch_trace",
    "request_job",
    "update_job",
]

_log = logging.getLogger(__name__)

_CHECKING: Final = "Checking for jobs..."


@dataclass(frozen=True, slots=True)
class JobRequestOutcome:
    """What came of asking for a job.

    :param payload: the job as it was sent, None when there is none. It is JSON, but need not decode
        as a :class:`~pyrunner.protocol.job.Job`: the caller does that, and reports a job that does
        not as failed, as long as it has an ``id`` and a ``token``.
    :param healthy: feeds the health check: False for 403 and an unusable URL only (4.6).
    :param status: HTTP status, -1 without a usable answer, -100 without a usable URL.
    :param correlation_id: becomes the job's.
    :param retriable_seen: a status of 6.1 came at least once: halves the adaptive concurrency (4.3).
    :param canceled: the stop came before the answer. A job that was being handed out is lost to the
        server's own time limit.
    :param tls: goes into the job (6.4).
    :param held: the coordinator kept the request waiting and saw a change, or the end of its patience:
        a job that has come meanwhile is handed out with the next request only (1.7).
    """

    payload: dict[str, Any] | None = field(repr=False)
    healthy: bool
    status: int
    text: str = ""
    correlation_id: str = ""
    retriable_seen: bool = False
    canceled: bool = False
    tls: TlsData = field(default_factory=TlsData, repr=False)
    held: bool = False
    #: What was offered with the request, for the job's record; set by whoever has made the offer.
    session: SessionOffer | None = field(default=None, repr=False)


def request_job(
    transport: Transport,
    info: Mapping[str, Any],
    system_id: str,
    session: Mapping[str, str] | None = None,
    stop: Stop | None = None,
    hold: bool = True,
) -> JobRequestOutcome:
    """Ask for a job; the coordinator may hold the request for a minute (1.7).

    The ``last_update`` mark is kept by the transport: it survives a 201, so that the queue drains,
    and moves with each answer that carries a new one (4.5).

    :param stop: ends the call; at once when it is a :class:`.Cancellation`.
    :param hold: False asks for an answer at once: without the mark, no coordinator holds a request.
    """
    token = transport.credentials.token
    payload: dict[str, Any] = {"info": info, "token": token, "system_id": system_id}
    if hold and transport.last_update:
        payload["last_update"] = transport.last_update
    if session:
        payload["session"] = session
    call = JsonCall("POST", "jobs/request", payload, 201, {RUNNER_TOKEN: token}, endpoint="request_job")
    log = CallLog(_log, transport.credentials)
    try:
        result = call_json(transport, call, stop)
    except RequestCanceled as error:
        log.write(logging.DEBUG, f"{_CHECKING}canceled", correlation_id=error.correlation_id)
        return JobRequestOutcome(None, True, NO_ANSWER, str(error), error.correlation_id, canceled=True)
    log.add({"correlation_id": result.correlation_id})
    if result.code == 201 and result.reply is not None:
        job: dict[str, Any] = result.value
        log.write(logging.INFO, f"{_CHECKING} received", job=member(job, "id"), repo_url=_repo_url(job))
        return JobRequestOutcome(
            job,
            True,
            201,
            result.text,
            result.correlation_id,
            result.reply.retriable_seen,
            tls=transport.tls_data(result.reply),
        )
    level, text = _no_job(result.code)
    log.write(level, _CHECKING + text, status=result.text)
    return JobRequestOutcome(
        None,
        result.code not in (403, CLIENT_ERROR),
        result.code,
        result.text,
        result.correlation_id,
        result.reply.retriable_seen if result.reply is not None else False,
        # The gateway that holds requests answers them itself, without the mark.
        held="last_update" in payload
        and result.code == 204
        and result.reply is not None
        and "X-GitLab-Last-Update" not in result.reply.headers,
    )


def _no_job(code: int) -> tuple[int, str]:
    if code == 204:
        return logging.DEBUG, "no content"
    if code == 403:
        return logging.ERROR, " forbidden"
    if code == CLIENT_ERROR:
        return logging.ERROR, " client error"
    if code == 503:
        return logging.WARNING, " GitLab instance currently unavailable"
    return logging.WARNING, " failed"


def _repo_url(job: object) -> str:
    url = member(member(job, "git_info"), "repo_url")
    return clean_url(url) if isinstance(url, str) else ""
