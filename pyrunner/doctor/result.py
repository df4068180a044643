"""What a check found: one line for a person, one object for a program."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """How a check ended."""

    OK = "ok"
    #: Works, but with a loss or a risk.
    WARNING = "warning"
    #: Jobs will fail, or none will come.
    FAILED = "failed"
    #: Means nothing here, or an earlier check failed.
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Result:
    """One finding of one check.

    :param check: name of the check, e.g. ``tls``.
    :param text: what was found; holds no secret.
    :param fix: what to do about it; empty when there is nothing to do.
    """

    check: str
    status: Status
    text: str
    fix: str = ""


def ok(check: str, text: str) -> Result:
    """Return a good result."""
    return Result(check, Status.OK, text)


def warning(check: str, text: str, fix: str) -> Result:
    """Return a result that costs something."""
    return Result(check, Status.WARNING, text, fix)


def failed(check: str, text: str, fix: str) -> Result:
    """Return a result with which jobs fail or none come."""
    return Result(check, Status.FAILED, text, fix)


def skipped(check: str, text: str) -> Result:
    """Return that there was nothing to look at, and why."""
    return Result(check, Status.SKIPPED, text)
