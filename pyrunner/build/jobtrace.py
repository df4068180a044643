"""Our own lines in the trace, written once each however often a supervisor is started again (design R6).

The lines of a job come in a fixed order. What is already in the raw log was written by a former
supervisor: that many lines are skipped.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pyrunner.trace import lines
from pyrunner.trace.rawlog import RawLog


class JobTrace:
    """Writes headers, section markers and messages of one job.

    :param sections: write section markers (payload ``features.trace_sections``).
    """

    def __init__(self, raw_log: RawLog, sections: bool, clock: Callable[[], float] = time.time) -> None:
        self.raw_log = raw_log
        self.sections = sections
        self._clock = clock
        self._written = 0
        self._before = raw_log.message_count

    def write(self, data: bytes) -> None:
        """Append bytes of our own, unless a former supervisor has."""
        self._written += 1
        if self._written > self._before:
            self.raw_log.append_message(data, self._clock())

    def close_writer(self) -> None:
        """End the current writer: header, stages and final status each have their own (6.3 rule 4)."""
        self._written += 1
        if self._written > self._before:
            self.raw_log.close_messages(self._clock())

    def plain(self, text: str) -> None:
        """A line without colour."""
        self.write(lines.plain(text))

    def info(self, text: str) -> None:
        """A green line."""
        self.write(lines.info(text))

    def warning(self, text: str) -> None:
        """A yellow line with ``WARNING: ``."""
        self.write(lines.warning(text))

    def error(self, text: str) -> None:
        """A red line with ``ERROR: ``."""
        self.write(lines.error(text))

    @contextmanager
    def section(self, name: str, title: str) -> Iterator[None]:
        """Put section markers around what happens inside, the title first."""
        self._marker(lines.section_start, name)
        self.write(lines.section_title(title))
        try:
            yield
        finally:
            self._marker(lines.section_end, name)

    def _marker(self, marker: Callable[[str, float], bytes], name: str) -> None:
        if self.sections:
            self.write(marker(name, self._clock()))
