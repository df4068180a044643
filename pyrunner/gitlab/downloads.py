"""Fetching the artifacts of earlier jobs (1.12, 7.3)."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, StrEnum
from pathlib import Path
from typing import Any, BinaryIO, Final
from urllib.parse import urlsplit

from pyrunner.errors import CoordinatorError, PyrunnerError, RequestCanceled
from pyrunner.gitlab.answer import Reply, status_text
from pyrunner.gitlab.call import JOB_TOKEN, READ_TIMEOUT, Call
from pyrunner.gitlab.cancel import Stop
from pyrunner.gitlab.credentials import JobCredentials
from pyrunner.gitlab.streams import StreamedAnswer, Streaming
from pyrunner.protocol.tokens import short_token

_log = logging.getLogger(__name__)

#: Runs of a download, a second apart (6.2).
RUNS: Final = 3
PAUSE: Final = 1.0
#: All that gitlab-runner says of a run that failed; the line before says more.
INVALID: Final = "invalid argument"

_CHUNK: Final = 1024 * 1024
_SUBJECT: Final = "Downloading artifacts from coordinator..."


class DownloadState(StrEnum):
    """How a download ended."""

    SUCCEEDED = "succeeded"
    #: 403; not tried again.
    FORBIDDEN = "forbidden"
    #: 401: the token is unusable, or the job that downloads no longer runs; not tried again.
    UNAUTHORIZED = "unauthorized"
    #: 404; not tried again.
    NOT_FOUND = "not found"
    FAILED = "failed"


_STATES: Final = {
    200: DownloadState.SUCCEEDED,
    401: DownloadState.UNAUTHORIZED,
    403: DownloadState.FORBIDDEN,
    404: DownloadState.NOT_FOUND,
}


class _Way(Enum):
    """The three requests of 7.3."""

    #: The first of a direct download.
    PROBE = 1
    #: The second.
    DIRECT = 2
    #: Without the flag, and every retry.
    PLAIN = 3


@dataclass(frozen=True, slots=True)
class TransferLimits:
    """Seconds that one attempt of a transfer may take (6.3).

    :param timeout: all of it; ``[runners.artifact] upload_timeout`` for uploads.
    :param response_header_timeout: longest silence, the wait for the answer included.
    """

    timeout: float = 3600.0
    response_header_timeout: float = READ_TIMEOUT


@dataclass(frozen=True, slots=True)
class DownloadResult:
    """The outcome of the last run of a download.

    :param status: HTTP status, -1 without an answer, -100 without a usable URL.
    :param text: what the coordinator or the network said; holds no secret.
    :param size: bytes written.
    """

    state: DownloadState
    status: int
    text: str
    correlation_id: str = ""
    size: int = 0


def download_artifacts(
    transport: Streaming,
    job: JobCredentials,
    target: Path,
    *,
    direct: bool = True,
    parallel: bool = False,
    limits: TransferLimits | None = None,
    on_bytes: Callable[[int], None] | None = None,
    stop: Stop | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> DownloadResult:
    """Fetch a dependency's archive into ``target``, which is replaced at each try.

    :param job: the dependency's id and token.
    :param direct: ask for the object storage's address first (``FF_USE_DIRECT_DOWNLOAD``).
    :param parallel: fetch a large archive from there in ranges (``FF_USE_PARALLEL_ARTIFACT_TRANSFER``).
    :param on_bytes: told the size of each piece as it is written, for progress meters.
    :param sleep: waits between runs, in seconds.
    :raises PyrunnerError: when ``target`` cannot be written.
    :raises RequestCanceled: when ``stop`` came first.
    """
    download = _Download(transport, job, target, limits or TransferLimits(), on_bytes, stop, parallel)
    result = download.run(direct=direct)
    for _ in range(1, RUNS):
        if result.state is not DownloadState.FAILED:
            break
        sleep(PAUSE)
        _log.warning("Retrying...", extra={"fields": {"error": INVALID}})
        result = download.run(direct=False)
    return result


def job_log_fields(job: JobCredentials) -> dict[str, Any]:
    """Return the fields of every log line about a transfer."""
    return {"id": job.id, "token": short_token(job.token)}


class _Download:
    """One download and its log lines."""

    def __init__(
        self,
        transport: Streaming,
        job: JobCredentials,
        target: Path,
        limits: TransferLimits,
        on_bytes: Callable[[int], None] | None,
        stop: Stop | None,
        parallel: bool,
    ) -> None:
        self._transport = transport
        self._job = job
        self._target = target
        self._limits = limits
        self._on_bytes = on_bytes
        self._stop = stop
        self._parallel = parallel

    def run(self, direct: bool) -> DownloadResult:
        """Make one run: the plain request, or the two of a direct download."""
        fields = job_log_fields(self._job)
        try:
            if not direct:
                return self._request(_Way.PLAIN, fields)
            if (first := self._probe(fields)) is not None:
                return first
            # The lines about the second request keep the identity of the first.
            return self._request(_Way.DIRECT, fields)
        except RequestCanceled:
            raise
        except CoordinatorError as error:
            text = str(error)
            if direct:
                _log.error("%s error", _SUBJECT, extra={"fields": {**fields, "error": text}})
            else:
                fields["correlation_id"] = error.correlation_id
                _log.error("%s error %s", _SUBJECT, text, extra={"fields": fields})
            return DownloadResult(DownloadState.FAILED, error.status, text, error.correlation_id)

    def _probe(self, fields: dict[str, Any]) -> DownloadResult | None:
        """Ask where the archive is; None when it is elsewhere and the API is to be asked again (7.3, 1)."""
        with self._transport.stream(self._call(_Way.PROBE), self._stop) as answer:
            fields |= {"correlation_id": answer.correlation_id, "status": answer.status}
            if answer.status not in (302, 307):
                return self._taken(answer, fields, _Way.PROBE)
            location = answer.headers.get("Location", "")
            self._announce(location, fields)
        if not self._parallel or not location.startswith(("http://", "https://")):
            return None
        return self._in_ranges(location, fields)

    def _in_ranges(self, location: str, fields: dict[str, Any]) -> DownloadResult | None:
        from pyrunner.gitlab.ranges import RangeDownload  # its threads are rarely wanted

        limits = self._limits
        size = RangeDownload(
            self._transport, location, limits.response_header_timeout, limits.timeout, fields,
            self._on_bytes, self._stop,
        ).run(self._target)  # fmt: skip
        if size is None:
            return None
        _log.info("%s ok", _SUBJECT, extra={"fields": fields})
        return DownloadResult(DownloadState.SUCCEEDED, 200, "200 OK", fields["correlation_id"], size)

    def _request(self, way: _Way, fields: dict[str, Any]) -> DownloadResult:
        with self._transport.stream(self._call(way), self._stop) as answer:
            if way is _Way.PLAIN:
                place = urlsplit(answer.url).netloc.rpartition("@")[2]
                fields |= {"correlation_id": answer.correlation_id, "status": answer.status, "host": place}
            return self._taken(answer, fields, way)

    def _call(self, way: _Way) -> Call:
        """Return the request; a probe follows no redirect and makes no inner retry (7.3, 1)."""
        query = "" if way is _Way.PLAIN else "?direct_download=true"
        return Call(
            "GET",
            f"jobs/{self._job.id}/artifacts{query}",
            {JOB_TOKEN: self._job.token},
            follow_redirects=way is not _Way.PROBE,
            retry=way is not _Way.PROBE,
            read_timeout=self._limits.response_header_timeout,
            total_timeout=self._limits.timeout,
        )

    def _taken(self, answer: StreamedAnswer, fields: dict[str, Any], way: _Way) -> DownloadResult:
        if answer.status != 200:
            return self._refused(answer.read(), fields, way)
        size = self._store(answer)
        _log.info("%s ok", _SUBJECT, extra={"fields": fields})
        return DownloadResult(DownloadState.SUCCEEDED, 200, "200 OK", answer.correlation_id, size)

    def _announce(self, location: str, fields: dict[str, Any]) -> None:
        place = urlsplit(location).netloc.rpartition("@")[2]
        if place:
            _log.info("Direct download from %s", place, extra={"fields": fields})

    def _refused(self, reply: Reply, fields: dict[str, Any], way: _Way) -> DownloadResult:
        state = _STATES.get(reply.status, DownloadState.FAILED)
        text = status_text(reply, xml=True) if state is DownloadState.FORBIDDEN else reply.status_line
        if state in (DownloadState.FORBIDDEN, DownloadState.UNAUTHORIZED) or (
            state is DownloadState.FAILED and way is _Way.PLAIN
        ):
            fields = {**fields, "status": text}
        level = logging.WARNING if state is DownloadState.FAILED else logging.ERROR
        _log.log(level, "%s %s", _SUBJECT, state, extra={"fields": fields})
        return DownloadResult(state, reply.status, text, reply.correlation_id)

    def _store(self, answer: StreamedAnswer) -> int:
        try:
            file = self._target.open("wb")
        except OSError as error:
            raise self._unwritable(error) from error
        with file:
            size = sum(self._write(file, chunk) for chunk in answer.chunks(_CHUNK))
            self._write(file, b"", flush=True)
        return size

    def _write(self, file: BinaryIO, chunk: bytes, flush: bool = False) -> int:
        try:
            file.write(chunk)
            if flush:
                file.flush()
        except OSError as error:
            raise self._unwritable(error) from error
        if self._on_bytes is not None and chunk:
            self._on_bytes(len(chunk))
        return len(chunk)

    def _unwritable(self, error: OSError) -> PyrunnerError:
        return PyrunnerError(
            f"cannot write {self._target}: {error.strerror}: free space or choose another folder"
        )
