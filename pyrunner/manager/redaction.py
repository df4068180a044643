"""Copies of what a job was started with that may be kept: no token, no value that is not public (R8)."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

#: What stands where something was taken out.
REDACTED: Final = "[REDACTED]"

#: Keys of a ``[[runners]]`` entry that hold no secret; all others are left out.
_RUNNER_KEYS: Final = ("name", "url", "id", "executor", "shell", "limit", "output_limit")
#: Top-level keys of the payload that are kept as they are.
_PAYLOAD_KEYS: Final = ("id", "allow_git_fetch", "job_info", "runner_info", "artifacts", "cache", "features")


def redact_record(record: dict[str, Any]) -> dict[str, Any]:
    """Return the members of a job record without secrets."""
    runner = record.get("runner")
    kept = {key: value for key, value in record.items() if key not in ("payload", "runner", "tls", "session")}
    return {
        **kept,
        "payload": redact_payload(record.get("payload")),
        "runner": {key: runner[key] for key in _RUNNER_KEYS if key in runner} if runner else {},
    }


def redact_payload(payload: object) -> dict[str, Any]:
    """Return what may be kept of a payload, whatever its shape.

    Scripts are left out as well: GitLab masks neither them nor hooks, and people write secrets there.
    """
    if not isinstance(payload, dict):
        return {}
    kept: dict[str, Any] = {key: payload[key] for key in _PAYLOAD_KEYS if key in payload}
    kept["token"] = REDACTED
    variables = payload.get("variables")
    kept["variables"] = [_variable(one) for one in variables] if isinstance(variables, list) else []
    git_info = payload.get("git_info")
    if isinstance(git_info, dict):
        kept["git_info"] = {**git_info, "repo_url": _without_credentials(git_info.get("repo_url"))}
    image = payload.get("image")
    kept["image"] = {"name": image.get("name")} if isinstance(image, dict) else None
    return kept


def _variable(one: object) -> dict[str, Any]:
    if not isinstance(one, dict):
        return {}
    public = one.get("public") is True and one.get("masked") is not True
    value = one.get("value")
    return {**one, "value": _without_credentials(value) if public else REDACTED}


def _without_credentials(value: object) -> object:
    """Return a URL without user and password; anything else as it is."""
    if not isinstance(value, str) or "@" not in value or "://" not in value:
        return value
    try:
        parts = urlsplit(value)
    except ValueError:
        return REDACTED
    if "@" not in parts.netloc:
        return value
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
