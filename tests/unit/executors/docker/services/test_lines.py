"""A service's log as lines of the trace, and where to go on in it (docker-executor.md 5.6)."""

from __future__ import annotations

import pytest

from pyrunner.executors.docker.services.lines import LogPosition, line_prefix, trace_lines

PREFIX = line_prefix(["db", "main"])
SECOND = "2023-11-14T22:13:20"
EPOCH = 1700000000


def piece(fraction: str, text: str, end: str = "\n") -> bytes:
    """Return one piece of a log, as the engine sends it."""
    return f"{SECOND}.{fraction}Z {text}{end}".encode()


def test_the_form_of_a_line() -> None:
    """Grey, the aliases, the engine's time, the text, reset."""
    (line,) = trace_lines(piece("000000001", "ready"), PREFIX)
    assert line == b"\x1b[0;37m[service:db-main] 2023-11-14T22:13:20.000000001Z ready\x1b[0;m\n"


def test_pieces_without_an_end_become_lines() -> None:
    """The engine cuts a line at 16 KiB: each part is a line, an empty line stays one."""
    assert list(trace_lines(b"part", b"P ")) == [b"P part\x1b[0;m\n"]
    assert list(trace_lines(b"\n", b"P ")) == [b"P \x1b[0;m\n"]
    assert list(trace_lines(b"a\nb\n", b"P ")) == [b"P a\x1b[0;m\n", b"P b\x1b[0;m\n"]


# The two streams of a container are written side by side: times need not be in order.
LOG = [
    piece("000000100", "one"),
    piece("000000300", "three"),
    piece("000000200", "two, late"),
    piece("000000300", "three again"),
    piece("000000300", "and again", end=""),
    piece("500000000", "half"),
    piece("400000000", ""),
    piece("700000000", "\x1b[31mred\r\n"),
]


def since(log: list[bytes], position: LogPosition) -> list[bytes]:
    """Return what the engine sends of a log for ``since``: every piece that is not before."""
    if not position.since:
        return log
    second, _, fraction = position.since.partition(".")
    assert len(fraction) == 9
    if int(second) < EPOCH:
        return log
    return [one for one in log if one[len(SECOND) + 1 : len(SECOND) + 10] >= fraction.encode()]


@pytest.mark.parametrize("limit", [10**6, 400])
def test_cut_anywhere_nothing_is_lost_or_doubled(limit: int) -> None:
    """Whatever of the lines was out when their writer was killed, the next one writes the rest.

    Also when only the last lines are known, the first of them in part.
    """
    whole = b"".join(line for one in LOG for line in trace_lines(one, PREFIX))
    for cut in range(len(whole) + 1):
        written = whole[:cut]
        tail = written[-limit:]
        position = LogPosition.behind(tail, tail == written, PREFIX)
        rest = b"".join(position.rest_of(since(LOG, position), PREFIX))
        assert written + rest == whole, cut


def test_nothing_was_written() -> None:
    """From the beginning."""
    assert LogPosition.behind(b"", True, PREFIX) == LogPosition()


def test_the_time_is_seconds_and_nanoseconds() -> None:
    """Also where an engine writes fewer digits."""
    line = PREFIX + b"2023-11-14T22:13:20.5Z x\x1b[0;m\n"
    assert LogPosition.behind(line + b"half", True, PREFIX) == LogPosition(f"{EPOCH - 1}.500000000", 1, 4)
