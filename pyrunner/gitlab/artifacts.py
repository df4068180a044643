"""Sending artifacts to the coordinator (1.11, 7.2); :mod:`.downloads` has the way back, offered here too.

A failure of the coordinator or the network is an outcome; what the archive's producer or the target
file raises is an exception, as it will not be better the next time.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final
from urllib.parse import urlencode

from pyrunner.errors import CoordinatorError, RequestCanceled
from pyrunner.gitlab.answer import status_text
from pyrunner.gitlab.call import JOB_TOKEN, BodyFactory, Call
from pyrunner.gitlab.cancel import Stop
from pyrunner.gitlab.credentials import JobCredentials
from pyrunner.gitlab.downloads import (
    DownloadResult,
    DownloadState,
    TransferLimits,
    download_artifacts,
    job_log_fields,
)
from pyrunner.gitlab.multipart import ContentFailed, FileForm
from pyrunner.gitlab.streams import StreamedAnswer, Streaming
from pyrunner.system.golang import quoted

__all__ = [
    "ArtifactFile",
    "DownloadResult",
    "DownloadState",
    "TransferLimits",
    "UploadResult",
    "UploadState",
    "download_artifacts",
    "upload_artifacts",
]

_log = logging.getLogger(__name__)

#: Runs of an upload (7.2, 6.2): in all, and when the last answer was 503.
RUNS: Final = 3
RUNS_WHEN_UNAVAILABLE: Final = 6

#: Seconds before the second, third, ... run.
PAUSES: Final = (1.0, 2.0, 4.0, 5.0, 5.0)

_PEEK: Final = 512


class UploadState(StrEnum):
    """How an upload ended."""

    SUCCEEDED = "succeeded"
    #: 403: the job no longer runs, or its token is wrong; not tried again.
    FORBIDDEN = "permission denied"
    #: 413; not tried again.
    TOO_LARGE = "too large"
    #: 503, up to the last run.
    SERVICE_UNAVAILABLE = "service unavailable"
    FAILED = "failed"


_STATES: Final = {
    201: UploadState.SUCCEEDED,
    403: UploadState.FORBIDDEN,
    413: UploadState.TOO_LARGE,
    503: UploadState.SERVICE_UNAVAILABLE,
}


@dataclass(frozen=True, slots=True)
class ArtifactFile:
    """What is uploaded, next to its bytes; empty members are not sent.

    :param name: file name with its extension, without a folder (7.1).
    :param expire_in: as the job has it; the server parses it.
    """

    name: str
    artifact_type: str = ""
    artifact_format: str = ""
    expire_in: str = ""

    @property
    def query(self) -> str:
        """The request's query, in alphabetical order."""
        members = {
            "artifact_format": self.artifact_format,
            "artifact_type": self.artifact_type,
            "expire_in": self.expire_in,
        }
        return urlencode({key: value for key, value in members.items() if value})

    @property
    def subject(self) -> str:
        """The first half of the log lines."""
        kind = f" as {quoted(self.artifact_type)}" if self.artifact_type else ""
        return f"Uploading artifacts{kind} to coordinator..."


@dataclass(frozen=True, slots=True)
class UploadResult:
    """The outcome of the last run of an upload.

    :param status: HTTP status, -1 without an answer, -100 without a usable URL.
    :param text: what the coordinator or the network said; holds no secret.
    """

    state: UploadState
    status: int
    text: str
    correlation_id: str = ""

    @property
    def reason(self) -> str:
        """What gitlab-runner says of a run that failed; an answer's own text stands in the line before."""
        if self.state is not UploadState.FAILED:
            return self.state.value
        return self.text if self.status < 0 else "upload failed with no response from coordinator"


def upload_artifacts(
    transport: Streaming,
    job: JobCredentials,
    file: ArtifactFile,
    content: BodyFactory,
    *,
    limits: TransferLimits | None = None,
    debug_trace: bool = False,
    stop: Stop | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> UploadResult:
    """Upload one artifact, its archive streamed while it is made, with the outer retries of 6.2.

    :param content: yields the file; called again for each attempt.
    :param debug_trace: log the answer's headers and the start of its body.
    :param sleep: waits between runs, in seconds.
    :raises Exception: whatever ``content`` raises, unchanged.
    :raises RequestCanceled: when ``stop`` came first.
    """
    run = 0
    while True:
        result = _upload_once(transport, job, file, content, limits or TransferLimits(), debug_trace, stop)
        run += 1
        unavailable = result.state is UploadState.SERVICE_UNAVAILABLE
        if not unavailable and result.state is not UploadState.FAILED:
            return result
        if run >= (RUNS_WHEN_UNAVAILABLE if unavailable else RUNS):
            return result
        _log.warning(
            "Retrying...", extra={"fields": {"context": "artifacts-uploader", "error": result.reason}}
        )
        sleep(PAUSES[run - 1])


def _upload_once(
    transport: Streaming,
    job: JobCredentials,
    file: ArtifactFile,
    content: BodyFactory,
    limits: TransferLimits,
    debug_trace: bool,
    stop: Stop | None,
) -> UploadResult:
    form = FileForm(file.name, content)
    query = file.query
    call = Call(
        "POST",
        f"jobs/{job.id}/artifacts" + (f"?{query}" if query else ""),
        {JOB_TOKEN: job.token},
        form,
        form.content_type,
        read_timeout=limits.response_header_timeout,
        total_timeout=limits.timeout,
    )
    fields = job_log_fields(job)
    try:
        with transport.stream(call, stop) as answer:
            reply = answer.read()
    except ContentFailed as failed:
        raise failed.cause from None
    except RequestCanceled:
        raise
    except CoordinatorError as error:
        text = str(error)
        _log.error(
            "%s error",
            file.subject,
            extra={"fields": {**fields, "correlation_id": error.correlation_id, "error": text}},
        )
        return UploadResult(UploadState.FAILED, error.status, text, error.correlation_id)
    fields["correlation_id"] = reply.correlation_id
    if debug_trace:
        _log_details(answer, reply.body, fields)
    text = status_text(reply)
    state = _STATES.get(reply.status, UploadState.FAILED)
    level = {UploadState.SUCCEEDED: logging.INFO, UploadState.FAILED: logging.WARNING}.get(
        state, logging.ERROR
    )
    fields["status"] = reply.status
    _log.log(level, "%s %s", file.subject, text, extra={"fields": fields})
    return UploadResult(state, reply.status, text, reply.correlation_id)


def _log_details(answer: StreamedAnswer, body: bytes, fields: dict[str, Any]) -> None:
    details = {f"header[{_canonical(key)}]": [value] for key, value in answer.headers.items()}
    start = body[:_PEEK].decode("utf-8", "replace") + ("..." if len(body) > _PEEK else "")
    _log.warning("received response", extra={"fields": {**fields, **details, "body": start}})


def _canonical(name: str) -> str:
    """Return a header's name as Go writes it, whatever the server did."""
    return "-".join(part.capitalize() for part in name.split("-"))
