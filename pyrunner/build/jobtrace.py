"""Our own lines in the trace, written once each however often a supervisor is started again (design R6).

The lines of a job come in a fixed order. What is already in the raw log was written by a former
supervisor: that many lines are skipped. The journal keeps how many there were at each of its entries
(:attr:`JobTrace.position`), so that a walk that takes another way before such an entry, because a newer
version has one line more, cannot shift all that comes behind it; up to the last entry nothing is written
(:attr:`JobTrace.catching_up`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pyrunner.trace import lines
from pyrunner.trace.rawlog import MESSAGES, RawLog


class JobTrace:
    """Writes headers, section markers and messages of one job.

    :param sections: write section markers (payload ``features.trace_sections``).
    """

    def __init__(self, raw_log: RawLog, sections: bool, clock: Callable[[], float] = time.time) -> None:
        self.raw_log = raw_log
        self.sections = sections
        self._clock = clock
        self._position = 0
        #: The journal tells that a former supervisor has been further than this, whatever the count says.
        self.catching_up = False

    @property
    def position(self) -> int:
        """How many lines and ends of writers have been written or skipped."""
        return self._position

    @property
    def replaying(self) -> bool:
        """Tell whether a former supervisor has written more: it has been further than this."""
        return self.catching_up or self._position < self.raw_log.message_count

    def resume_at(self, position: int, catching_up: bool = False) -> None:
        """Go on where the walk was when ``position`` was journaled.

        :param catching_up: there is a later entry in the journal.
        """
        self._position = position
        self.catching_up = catching_up

    def catch_up(self) -> None:
        """Go on behind all that is written: what a former supervisor did here came out differently."""
        if not self.catching_up:
            self._position = max(self._position, self.raw_log.message_count)

    def write(self, data: bytes, stream: int = MESSAGES) -> None:
        """Append bytes of our own, unless a former supervisor has.

        :param stream: ``MESSAGES`` or ``ERRORS``.
        :raises DiskFull: when there is no room; the line is not counted then.
        """
        if not self.replaying:
            self.raw_log.append_message(data, self._clock(), stream)
        self._position += 1

    def close_writer(self) -> None:
        """End the current writer: header, stages and final status each have their own (6.3 rule 4).

        :raises DiskFull: when there is no room; it is not counted then.
        """
        if not self.replaying:
            self.raw_log.close_messages(self._clock())
        self._position += 1

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
