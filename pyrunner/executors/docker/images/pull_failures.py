"""Why a pull failed, from what the engine says (docker-executor.md 3.3)."""

from __future__ import annotations

from typing import Final

from pyrunner.protocol.states import FailureReason

#: Texts and what they mean, in the order of the search.
_CLASSES: Final[tuple[tuple[FailureReason, tuple[str, ...]], ...]] = (
    (
        FailureReason.EXTERNAL_DEPENDENCY_FAILURE,
        (
            "dial tcp",
            "connection refused",
            "no such host",
            "i/o timeout",
            "tls handshake",
            "client.timeout exceeded",
            "request canceled",
            "connection reset",
        ),
    ),
    (FailureReason.CONFIGURATION_ERROR, ("not found", "manifest unknown")),
    (
        FailureReason.CONFIGURATION_ERROR,
        (
            "pull access denied",
            "access to the resource is denied",
            "no basic auth credentials",
            "repository does not exist or may require",
            "unauthorized",
            "authentication required",
        ),
    ),
)


def pull_failure_reason(text: str) -> FailureReason:
    """Return the reason for the coordinator; the first match wins, case does not count."""
    lower = text.lower()
    for reason, signs in _CLASSES:
        if any(one in lower for one in signs):
            return reason
    return FailureReason.IMAGE_PULL_FAILURE


def worth_another_try(reason: str) -> bool:
    """Tell whether the registry may answer a moment later."""
    return reason == FailureReason.EXTERNAL_DEPENDENCY_FAILURE
