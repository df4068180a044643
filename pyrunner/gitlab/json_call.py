"""Calls that carry JSON, and their result codes (runner-api.md 0.4)."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pyrunner.errors import CoordinatorError, RequestCanceled
from pyrunner.gitlab.answer import Reply, decode_json, status_text
from pyrunner.gitlab.call import Call
from pyrunner.gitlab.cancel import Stop
from pyrunner.gitlab.transport import Transport

#: No usable answer: transport error, wrong media type, or undecodable JSON.
NO_ANSWER: Final = -1

#: No client can be built for the URL.
CLIENT_ERROR: Final = -100


@dataclass(frozen=True, slots=True)
class JsonCall:
    """One call with a JSON body.

    :param payload: the body; None is sent as ``null``.
    :param success: the status that brings a JSON answer.
    :param expects_json: False when the answer's body does not matter (PUT job, DELETE).
    :param endpoint: the metrics' name of the call, empty for calls that are not measured.
    :param retry: repeat on the statuses of 6.1; false where somebody waits for the answer.
    :param total_timeout: seconds for each attempt, None for no limit.
    """

    method: str
    path: str
    payload: Mapping[str, Any] | None = field(repr=False)
    success: int
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    expects_json: bool = True
    endpoint: str = ""
    correlation_id: str = ""
    retry: bool = True
    total_timeout: float | None = None


@dataclass(frozen=True, slots=True)
class JsonResult:
    """What came of a :class:`JsonCall`.

    :param code: HTTP status, :data:`NO_ANSWER` or :data:`CLIENT_ERROR`.
    :param text: for the ``status`` field of a log line.
    :param value: the decoded answer, on the success status only.
    :param reply: the answer itself, None when none came.
    """

    code: int
    text: str
    correlation_id: str = ""
    value: Any = field(default=None, repr=False)
    reply: Reply | None = field(default=None, repr=False)


def call_json(transport: Transport, call: JsonCall, stop: Stop | None = None) -> JsonResult:
    """Make a JSON call; failures of the network and of decoding are results, not exceptions.

    :raises RequestCanceled: when ``stop`` came first.
    """
    started = time.monotonic()
    result = _call(transport, call, stop)
    if call.endpoint and transport.observer is not None and result.code != CLIENT_ERROR:
        seconds = time.monotonic() - started
        transport.observer.request_finished(call.endpoint, call.method, result.code, seconds)
    return result


def _call(transport: Transport, call: JsonCall, stop: Stop | None) -> JsonResult:
    headers = dict(call.headers)
    if call.expects_json:
        headers["Accept"] = "application/json"
    body = json.dumps(call.payload, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")
    try:
        reply = transport.call(
            Call(
                call.method,
                call.path,
                headers,
                body,
                retry=call.retry,
                total_timeout=call.total_timeout,
                correlation_id=call.correlation_id,
            ),
            stop,
        )
    except RequestCanceled:
        raise
    except CoordinatorError as error:
        return JsonResult(error.status, str(error), error.correlation_id)
    value = None
    if call.expects_json and reply.status == call.success:
        try:
            value = _decoded(reply)
        except ValueError as error:
            return JsonResult(NO_ANSWER, str(error), reply.correlation_id, reply=reply)
    transport.remember_last_update(reply.headers.get("X-GitLab-Last-Update"))
    return JsonResult(reply.status, status_text(reply), reply.correlation_id, value, reply)


def _decoded(reply: Reply) -> Any:
    if reply.media_type != "application/json":
        kind = reply.headers.get("Content-Type", "")
        raise ValueError(
            f"response is not application/json: server should return application/json. Got: {kind}"
        )
    try:
        value = decode_json(reply.body)
    except ValueError as error:
        raise ValueError(f"decoding json payload {error}") from None
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ValueError("decoding json payload: expected an object")
    return value
