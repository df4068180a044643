"""A job's trace as people read it: whole lines, each with the section it belongs to."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

from pyrunner.cli.terminal_text import visible

_HEADER: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z ([0-9a-f]{2}[OE])([ +])")
_MARKER: Final = re.compile(r"section_(start|end):\d+:([^\r\n\[]*)(?:\[[^\r\n]*\])?\r\x1b\[0K")
#: The number of the runner's own stream.
_OWN: Final = "00"
#: The sections that are the user's own.
_SCRIPTS: Final = ("step_script", "after_script", "release")


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line.

    :param section: the innermost open section; empty outside all.
    :param text: harmless on a terminal: of all escape sequences only colours are left.
    """

    section: str
    text: str
    #: Said by the runner, not by the job.
    own: bool = False

    @property
    def of_script(self) -> bool:
        """Tell whether the user's own script says it."""
        return self.section in _SCRIPTS and not self.own

    @property
    def matters(self) -> bool:
        """Tell whether a person wants to see it who looks at the job, not at the runner."""
        return self.of_script or plain(self.text).startswith(("ERROR:", "WARNING:"))


class JobLog:
    """Takes a trace as it comes."""

    def __init__(self) -> None:
        self._rest = b""
        self._sections: list[str] = []

    def feed(self, data: bytes) -> list[LogLine]:
        """Return the lines that are whole now."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        return self._read(lines)

    def close(self) -> list[LogLine]:
        """Return the last line when it has no newline."""
        rest, self._rest = self._rest, b""
        return self._read([rest]) if rest else []

    def _read(self, lines: list[bytes]) -> list[LogLine]:
        found: list[LogLine] = []
        latest: dict[str, int] = {}  # by stream, the line that a continuation goes on with
        for line in lines:
            text = line.decode("utf-8", "replace")
            header = _HEADER.match(text)
            if header:
                text = text[header.end() :]
            marked = bool(_MARKER.search(text))
            for kind, name in _MARKER.findall(text):
                if kind == "start":
                    self._sections.append(name)
                elif name in self._sections:
                    del self._sections[self._sections.index(name) :]
            shown = harmless(_MARKER.sub("", text))
            stream = header[1] if header else ""
            before = latest.pop(stream, None)
            if marked and not shown:
                continue
            if header and header[2] == "+" and before is not None:
                found[before] = replace(found[before], text=found[before].text + shown)
                latest[stream] = before
            else:
                latest[stream] = len(found)
                section = self._sections[-1] if self._sections else ""
                found.append(LogLine(section, shown, stream.startswith(_OWN)))
        return found


def harmless(text: str) -> str:
    """Return what is left of a line on a terminal: behind its last carriage return, colours and all."""
    return visible(text.rstrip("\r").rpartition("\r")[2], colours=True)


def plain(text: str) -> str:
    """Return a line without colours."""
    return visible(text, colours=False)
