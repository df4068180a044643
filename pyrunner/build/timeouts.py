"""Timeouts that a job sets for its own scripts (job-execution.md 1.4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pyrunner.build.context import BuildContext
from pyrunner.system.durations import parse_duration

#: Default limit of after_script, seconds; it can never be unlimited.
AFTER_SCRIPT_TIMEOUT: Final = 300.0


@dataclass(frozen=True, slots=True)
class ScriptTimeouts:
    """Seconds; ``script`` 0 means no limit of its own."""

    script: float
    after_script: float
    #: Lines for the trace about values that could not be used.
    warnings: list[str]


def script_timeouts(context: BuildContext, remaining: float) -> ScriptTimeouts:
    """Read ``RUNNER_SCRIPT_TIMEOUT`` and ``RUNNER_AFTER_SCRIPT_TIMEOUT``.

    :param remaining: seconds left of the job's own time.
    """
    warnings: list[str] = []
    script = _read(context, "RUNNER_SCRIPT_TIMEOUT", 0.0, remaining, warnings)
    after = _read(context, "RUNNER_AFTER_SCRIPT_TIMEOUT", AFTER_SCRIPT_TIMEOUT, remaining, warnings)
    return ScriptTimeouts(script, after, warnings)


def _read(context: BuildContext, name: str, default: float, remaining: float, warnings: list[str]) -> float:
    raw = context.variables.value(name)
    if not raw.strip():
        return default
    try:
        seconds = parse_duration(raw)
    except ValueError:
        warnings.append(f"Ignoring malformed {name} timeout: {raw}")
        return default
    if seconds < 0:
        warnings.append(f"Ignoring relative {name} timeout: {raw}")
        return default
    if seconds > remaining:
        warnings.append(f"{name} timeout: {raw} is longer than job timeout. Setting to job timeout")
        return default
    return seconds or default
