"""Timeouts that a job sets for its own scripts (job-execution.md 1.4)."""

from __future__ import annotations

import pytest

from pyrunner.build.timeouts import ScriptTimeouts, script_timeouts
from tests.support.contexts import build_context, payload, variable

SCRIPT, AFTER = "RUNNER_SCRIPT_TIMEOUT", "RUNNER_AFTER_SCRIPT_TIMEOUT"
#: Seconds left of the job.
REMAINING = 3600.0


def timeouts(remaining: float = REMAINING, /, **variables: str) -> ScriptTimeouts:
    """Return the timeouts of a job with these variables."""
    sent = [variable(key, value) for key, value in variables.items()]
    return script_timeouts(build_context(job=payload(variables=sent)), remaining)


def test_defaults() -> None:
    """The script has the job's time, after_script 5 minutes."""
    assert timeouts() == ScriptTimeouts(0.0, 300.0, [])


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90.0), ("1h", 3600.0), ("1m30s", 90.0), ("1.5s", 1.5), ("150ms", 0.15)]
)
def test_durations(text: str, seconds: float) -> None:
    """Go's duration syntax, up to the time that is left."""
    assert timeouts(**{SCRIPT: text, AFTER: text}) == ScriptTimeouts(seconds, seconds, [])


@pytest.mark.parametrize("text", ["", " ", "0", "0s", "0h0m", "-0s"])
def test_nothing_means_the_default(text: str) -> None:
    """Zero is no unlimited after_script."""
    assert timeouts(**{SCRIPT: text, AFTER: text}) == ScriptTimeouts(0.0, 300.0, [])


@pytest.mark.parametrize("text", ["90", "1 h", "soon", "1d", "1h30", "s"])
def test_malformed(text: str) -> None:
    """The default is taken, and said why."""
    assert timeouts(**{SCRIPT: text, AFTER: text}) == ScriptTimeouts(
        0.0,
        300.0,
        [f"Ignoring malformed {SCRIPT} timeout: {text}", f"Ignoring malformed {AFTER} timeout: {text}"],
    )


def test_negative() -> None:
    """Likewise for a time that is relative to the end."""
    assert timeouts(**{SCRIPT: "-5m", AFTER: "-1s"}) == ScriptTimeouts(
        0.0,
        300.0,
        [f"Ignoring relative {SCRIPT} timeout: -5m", f"Ignoring relative {AFTER} timeout: -1s"],
    )


def test_longer_than_what_is_left() -> None:
    """The default applies, so that after_script stays at 5 minutes, not at the job's time."""
    assert timeouts(**{SCRIPT: "2h", AFTER: "1h0m1s"}) == ScriptTimeouts(
        0.0,
        300.0,
        [
            f"{SCRIPT} timeout: 2h is longer than job timeout. Setting to job timeout",
            f"{AFTER} timeout: 1h0m1s is longer than job timeout. Setting to job timeout",
        ],
    )


def test_what_is_left_counts() -> None:
    """Not the job's timeout: time that the sources took is gone."""
    assert timeouts(59.0, **{SCRIPT: "1m"}).script == 0.0
    assert timeouts(60.0, **{SCRIPT: "1m"}).script == 60.0


def test_each_is_read_by_itself() -> None:
    """A bad value of one does not touch the other."""
    read = timeouts(**{SCRIPT: "never", AFTER: "10s"})
    assert (read.script, read.after_script, len(read.warnings)) == (0.0, 10.0, 1)


def test_references_are_expanded() -> None:
    """Values are those that the job's scripts see."""
    assert timeouts(LIMIT="20s", **{SCRIPT: "$LIMIT"}).script == 20.0
