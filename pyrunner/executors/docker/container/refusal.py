"""A value of config.toml that cannot be used fails the jobs that need it, at once and with its own words."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from pyrunner.errors import BuildError
from pyrunner.protocol.states import FailureReason

S = TypeVar("S")
T = TypeVar("T")


def configured(parse: Callable[[S], T], value: S, prefix: str = "") -> T:
    """Return what ``parse`` makes of a value of the file.

    gitlab-runner prepares such a job three times and calls it a system failure; the file does not get better
    by that.

    :param prefix: put before the words of ``parse``.
    :raises BuildError: ``runner_configuration_error``, when ``parse`` raises ValueError.
    """
    try:
        return parse(value)
    except ValueError as error:
        raise refused(f"{prefix}{error}") from None


def refused(text: str) -> BuildError:
    """Return the error of a job that config.toml makes impossible."""
    return BuildError(text, FailureReason.CONFIGURATION_ERROR)
