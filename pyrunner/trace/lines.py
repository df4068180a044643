"""The lines that the runner itself writes into a trace, as bytes (job-execution.md 6.1)."""

from __future__ import annotations

from typing import Final

from pyrunner.trace.text import to_bytes

CLEAR: Final = b"\x1b[0K"
RESET: Final = b"\x1b[0;m"
BOLD_RED: Final = b"\x1b[31;1m"
BOLD_GREEN: Final = b"\x1b[32;1m"
BOLD_YELLOW: Final = b"\x1b[33;1m"
BOLD_CYAN: Final = b"\x1b[36;1m"
YELLOW: Final = b"\x1b[0;33m"
GREY: Final = b"\x1b[0;37m"


def plain(text: str) -> bytes:
    """A line without colour."""
    return CLEAR + to_bytes(text) + RESET + b"\n"


def info(text: str) -> bytes:
    """A green line."""
    return BOLD_GREEN + to_bytes(text) + RESET + b"\n"


def warning(text: str) -> bytes:
    """A yellow line that begins with ``WARNING: ``."""
    return YELLOW + b"WARNING: " + to_bytes(text) + RESET + b"\n"


def error(text: str) -> bytes:
    """A red line that begins with ``ERROR: ``."""
    return BOLD_RED + b"ERROR: " + to_bytes(text) + RESET + b"\n"


def section_title(text: str) -> bytes:
    """The visible first line of a section; it ends with two resets, its own and the line's."""
    return CLEAR + BOLD_CYAN + to_bytes(text) + RESET + RESET + b"\n"


def section_start(name: str, now: float) -> bytes:
    """The marker that opens a section; no newline follows.

    :param now: seconds since the epoch; the marker holds whole ones.
    """
    return _marker("section_start", name, now)


def section_end(name: str, now: float) -> bytes:
    """The marker that closes a section; no newline follows.

    :param now: seconds since the epoch; the marker holds whole ones.
    """
    return _marker("section_end", name, now)


def _marker(kind: str, name: str, now: float) -> bytes:
    return to_bytes(f"{kind}:{int(now)}:{name}\r") + CLEAR
