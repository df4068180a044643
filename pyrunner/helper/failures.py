"""Failures of the helper commands that end with less than a FATAL line."""

from __future__ import annotations

from pyrunner.errors import PyrunnerError


class CacheMissing(PyrunnerError):
    """There is no archive to restore: a warning and exit code 1 (job-execution.md 7.2)."""
