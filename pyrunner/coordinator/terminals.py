"""Where a job's terminal is, as GitLab tells Workhorse (runner-api.md 9.1)."""

from __future__ import annotations

from typing import Any, Final

from pyrunner.coordinator.records import JobRecord
from pyrunner.protocol.session import RAW

_SCHEME: Final = "https://"


def remember_session(job: JobRecord, session: object) -> None:
    """Keep what a runner has offered with the request that it got the job for."""
    if isinstance(session, dict):
        job.session = {str(key): str(value) for key, value in session.items()}


def channel_of(job: JobRecord) -> dict[str, Any]:
    """Return ``url``, ``subprotocols``, ``headers`` and ``ca_pem`` of a running job's terminal.

    :raises KeyError: when there is none.
    """
    url = job.session.get("url", "")
    if not url.startswith(_SCHEME) or not job.processing:
        raise KeyError(f"job {job.id} has no terminal")
    return {
        "url": f"wss://{url.removeprefix(_SCHEME)}/exec",
        "subprotocols": [RAW],
        "headers": {"Authorization": job.session.get("authorization", "")},
        "ca_pem": job.session.get("certificate", ""),
    }
