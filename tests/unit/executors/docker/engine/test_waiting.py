"""What the end of a container says that nobody has waited for."""

from __future__ import annotations

from typing import Any

import pytest

from pyrunner.executors.docker.engine.waiting import _end_meanwhile

_ENDED = "2026-01-02T03:04:05.1Z"


def _state(code: int, finished: str = _ENDED) -> dict[str, Any]:
    return {"Running": False, "ExitCode": code, "FinishedAt": finished}


@pytest.mark.parametrize("code", [0, 1, 42])
def test_it_ended_by_itself(code: int) -> None:
    """Its shim has kept the exit code, which counts."""
    end = _end_meanwhile(_state(code))
    assert (end.exit_code, end.vanished) == (code, "")


@pytest.mark.parametrize(
    "state", [_state(137), _state(143), _state(255), _state(0, "0001-01-01T00:00:00Z"), {"ExitCode": 0}]
)
def test_the_engine_ended_it(state: dict[str, Any]) -> None:
    """By its own stop, or without knowing how: nothing is known of the script."""
    assert _end_meanwhile(state).vanished == "the container engine was restarted while the job ran"
