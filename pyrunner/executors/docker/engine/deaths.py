"""The engine's events tell of a container's death before anything else does."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

import docker
import requests

#: An engine whose events cannot be had this way: another API, or somebody's proxy that knows few paths.
_UNSUPPORTED: Final = frozenset({400, 403, 404, 405, 501})
_NANOSECONDS: Final = 9


def passed(api: docker.APIClient, container: str, seconds: float) -> bool:
    """Wait for the end of a container that runs; True when it ended with exit code 0.

    False when it ended otherwise, does not run, or ``seconds`` are over: then the engine has to be asked.
    """
    state = api.inspect_container(container)["State"]
    since = _timestamp(str(state.get("StartedAt", "")))
    if not state.get("Running") or not since:
        return False
    chosen = json.dumps({"container": [container], "event": ["die"], "type": ["container"]})

    def follow() -> bool:
        with api.get(
            f"{api.base_url}/v{api.api_version}/events",
            # By the engine's clock: what died since then died in this run, and it has not been long ago.
            params={"since": since, "filters": chosen},
            stream=True,
            timeout=max(1, math.ceil(seconds)),
        ) as response:
            if response.status_code in _UNSUPPORTED:
                return False
            response.raise_for_status()
            return _exit_code(response) == 0

    return in_time(follow)


def in_time(ask: Callable[[], bool]) -> bool:
    """Return what ``ask`` returns; False when its time for an answer is over."""
    try:
        return ask()
    except requests.exceptions.Timeout:
        return False
    except requests.exceptions.ConnectionError as error:
        # How urllib3's time-out of a read arrives.
        if "Read timed out" in str(error):
            return False
        raise


def _exit_code(events: requests.Response) -> int | None:
    """Return the exit code of the first death; None when there is none, or it does not tell."""
    for line in events.iter_lines(chunk_size=1):
        try:
            event = json.loads(line) if line else {}
        except ValueError:  # no event: whoever sends that is asked another way
            return None
        if event.get("Action") == "die":
            code = event.get("Actor", {}).get("Attributes", {}).get("exitCode", "")
            return int(code) if code.isdigit() else None
    return None


def _timestamp(text: str) -> str:
    """Return ``2026-01-31T10:00:00.5Z`` as seconds and nanoseconds of the epoch; empty when it is no time."""
    whole, _, fraction = text.removesuffix("Z").partition(".")
    try:
        seconds = int(datetime.fromisoformat(whole).replace(tzinfo=UTC).timestamp())
    except ValueError:
        return ""
    return f"{seconds}.{fraction.ljust(_NANOSECONDS, '0')[:_NANOSECONDS]}"
