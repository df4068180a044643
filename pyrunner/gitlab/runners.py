"""A runner's own record on the coordinator: register, verify, unregister, reset the token (1.1-1.6).

Each function logs its outcome itself and returns it typed; none raises for what the coordinator or
the network does.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from pyrunner.gitlab.answer import member
from pyrunner.gitlab.json_call import CLIENT_ERROR, NO_ANSWER, JsonCall, JsonResult, call_json
from pyrunner.gitlab.lines import CallLog
from pyrunner.gitlab.transport import Transport

_log = logging.getLogger(__name__)

RUNNER_TOKEN: Final = "RUNNER-TOKEN"  # noqa: S105 - a header's name
PRIVATE_TOKEN: Final = "PRIVATE-TOKEN"  # noqa: S105 - a header's name


class Outcome(StrEnum):
    """How a call about a runner ended."""

    SUCCEEDED = "succeeded"
    #: 403: the token is unknown or not allowed to.
    FORBIDDEN = "forbidden"
    #: The URL cannot be used at all.
    CLIENT_ERROR = "client error"
    #: Everything else; the network included.
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class RunnerResult:
    """The coordinator's answer about a runner; the fields after ``text`` only on success.

    :param status: HTTP status, -1 without a usable answer, -100 without a usable URL.
    :param text: what the log line said about the status; holds no secret.
    :param id: 0 when the server did not say.
    :param token_expires_at: None when the token does not expire.
    :param token_obtained_at: now, UTC, cut to seconds.
    """

    outcome: Outcome
    status: int
    text: str = ""
    id: int = 0
    token: str = field(default="", repr=False)
    token_expires_at: datetime | None = None
    token_obtained_at: datetime | None = None

    @property
    def succeeded(self) -> bool:
        """True when the coordinator did what was asked."""
        return self.outcome is Outcome.SUCCEEDED

    @property
    def still_exists(self) -> bool:
        """True unless the coordinator said 403: the only answer that means a runner is gone (1.2)."""
        return self.outcome is not Outcome.FORBIDDEN


@dataclass(frozen=True, slots=True)
class RegisterParameters:
    """What a legacy registration says about the new runner (1.1).

    :param tag_list: comma-separated; when empty, ``run_untagged`` is sent as true.
    :param maximum_timeout: seconds, 0 for none.
    """

    description: str = ""
    maintenance_note: str = ""
    access_level: str = ""
    tag_list: str = ""
    run_untagged: bool = False
    locked: bool = True
    paused: bool = False
    maximum_timeout: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return the request's members; empty texts and a zero timeout are left out."""
        optional: dict[str, Any] = {
            "description": self.description,
            "maintenance_note": self.maintenance_note,
            "access_level": self.access_level,
            "tag_list": self.tag_list,
            "maximum_timeout": self.maximum_timeout,
        }
        always = {
            "run_untagged": self.run_untagged or not self.tag_list,
            "locked": self.locked,
            "paused": self.paused,
        }
        return {**{key: value for key, value in optional.items() if value}, **always}


def register(transport: Transport, parameters: RegisterParameters, info: Mapping[str, Any]) -> RunnerResult:
    """Register a new runner with the transport's token, a registration token (1.1).

    :param info: :func:`.runner_info` without arguments.
    """
    token = transport.credentials.token
    payload = {**parameters.to_json(), "token": token, "info": info}
    result = call_json(transport, _post("runners", payload, 201, {RUNNER_TOKEN: token}))
    return _report(
        transport, result, 201, "Registering runner...", forbidden="forbidden (check registration token)"
    )


def verify(transport: Transport, system_id: str, info: Mapping[str, Any]) -> RunnerResult:
    """Ask whether the transport's token is a runner's (1.2).

    Only :attr:`Outcome.FORBIDDEN` means that it is not; see :attr:`RunnerResult.still_exists`.
    A server that answers success without JSON makes the runner valid with id 0.

    :param info: the full one: the server keeps its features for the better part of an hour.
    """
    call = verify_call(transport, system_id, info)
    result = call_json(transport, call)
    if result.code == NO_ANSWER:
        result = call_json(transport, replace(call, expects_json=False))
    created = transport.credentials.is_created_runner
    return _report(
        transport,
        result,
        200,
        "Verifying runner...",
        success="is valid" if created else "is alive",
        forbidden="is not valid" if created else "is removed",
        forbidden_level=logging.INFO if created else logging.ERROR,
    )


def verify_call(transport: Transport, system_id: str, info: Mapping[str, Any]) -> JsonCall:
    """Return the call that :func:`verify` makes, for those who want the answer itself."""
    token = transport.credentials.token
    payload: dict[str, Any] = {"info": info, "token": token}
    if system_id:
        payload["system_id"] = system_id
    return _post("runners/verify", payload, 200, {RUNNER_TOKEN: token})


def unregister(transport: Transport) -> RunnerResult:
    """Remove the runner, for all its managers (1.3); for tokens that are not ``glrt-``."""
    token = transport.credentials.token
    call = JsonCall("DELETE", "runners", {"token": token}, 204, {RUNNER_TOKEN: token}, expects_json=False)
    return _report(transport, call_json(transport, call), 204, "Unregistering runner from GitLab")


def unregister_manager(transport: Transport, system_id: str) -> RunnerResult:
    """Remove this system's manager of a ``glrt-`` runner; the runner itself stays (1.4)."""
    token = transport.credentials.token
    payload = {"token": token, "system_id": system_id}
    call = JsonCall("DELETE", "runners/managers", payload, 204, {RUNNER_TOKEN: token}, expects_json=False)
    result = call_json(transport, call)
    return _report(transport, result, 204, "Unregistering runner manager from GitLab")


def reset_token(transport: Transport) -> RunnerResult:
    """Exchange the transport's token for a new one; the old one ends at once (1.5)."""
    payload = {"token": transport.credentials.token}
    call = _post("runners/reset_authentication_token", payload, 201, {}, "reset_token")
    return _report(transport, call_json(transport, call), 201, _RESET, forbidden=_RESET_FORBIDDEN)


def reset_token_with_pat(transport: Transport, runner_id: int, pat: str) -> RunnerResult:
    """Give a runner a new token, by right of a personal access token (1.6)."""
    path = f"runners/{runner_id}/reset_authentication_token"
    call = _post(path, None, 201, {PRIVATE_TOKEN: pat}, "reset_token")
    return _report(transport, call_json(transport, call), 201, _RESET, forbidden=_RESET_FORBIDDEN)


_RESET: Final = "Resetting runner authentication token..."
_RESET_FORBIDDEN: Final = "failed (check used token)"


def _post(
    path: str,
    payload: Mapping[str, Any] | None,
    success: int,
    headers: Mapping[str, str],
    endpoint: str = "",
) -> JsonCall:
    return JsonCall("POST", path, payload, success, headers, endpoint=endpoint)


def _report(
    transport: Transport,
    result: JsonResult,
    success_code: int,
    subject: str,
    *,
    success: str = "succeeded",
    forbidden: str = "forbidden",
    forbidden_level: int = logging.ERROR,
) -> RunnerResult:
    """Log the outcome of a call and return it."""
    log = CallLog(_log, transport.credentials, correlation_id=result.correlation_id)
    if result.code == success_code:
        answer = _decoded(result)
        if answer is not None:
            log.write(logging.INFO, f"{subject} {success}")
            return answer
        result = JsonResult(NO_ANSWER, "decoding json payload: wrong type", result.correlation_id)
    if result.code == 403:
        fields = {"status": result.text} if forbidden_level >= logging.ERROR else {}
        log.write(forbidden_level, f"{subject} {forbidden}", **fields)
        return RunnerResult(Outcome.FORBIDDEN, 403, result.text)
    outcome = Outcome.CLIENT_ERROR if result.code == CLIENT_ERROR else Outcome.FAILED
    log.write(logging.ERROR, f"{subject} {outcome}", status=result.text)
    return RunnerResult(outcome, result.code, result.text)


def _decoded(result: JsonResult) -> RunnerResult | None:
    """Return the members of a success answer, None when one is of a wrong type."""
    number = member(result.value, "id")
    token = member(result.value, "token")
    expiry = member(result.value, "token_expires_at")
    try:
        expires_at = None if expiry is None else _time(expiry)
    except (TypeError, ValueError):
        return None
    if isinstance(number, bool) or not isinstance(number, int | None) or not isinstance(token, str | None):
        return None
    return RunnerResult(
        Outcome.SUCCEEDED,
        result.code,
        result.text,
        id=number or 0,
        token=token or "",
        token_expires_at=expires_at,
        token_obtained_at=datetime.now(UTC).replace(microsecond=0),
    )


def _time(value: object) -> datetime | None:
    if not isinstance(value, str):
        raise TypeError("expected a time")
    moment = datetime.fromisoformat(value)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
