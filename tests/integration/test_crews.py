"""Forked workers: order, errors, and their end."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from pyrunner.errors import ArchiveError
from pyrunner.helper.crews import Crew, Result

pytestmark = [
    pytest.mark.integration,
    # the test runner may have threads of its own
    pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning"),
]


def numbers(number: int, count: int) -> Iterator[Result]:
    """Yield every ``count``-th number up to 100, each with more bytes than a pipe holds."""
    for one in range(number, 100, count):
        yield bytes(50_000) + b"%d" % one, b"%d" % one


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_results_come_in_order(count: int) -> None:
    """The same, however many share the work."""
    with Crew(numbers, count) as crew:
        results = list(crew.results())
    assert [int(note) for _, note in results] == list(range(100))
    assert all(body == bytes(50_000) + note for body, note in results)


@pytest.mark.parametrize("count", [1, 3])
def test_an_error_is_raised_where_the_results_are_wanted(count: int) -> None:
    """With its text, names in any alphabet included."""

    def share(number: int, _: int) -> Iterator[Result]:
        yield b"fine", b""
        if number == count - 1:
            raise ArchiveError(f"open {os.fsdecode(b'latin-e9')}: permission denied")

    with Crew(share, count) as crew, pytest.raises(ArchiveError, match="open latin-e9: permission denied"):
        list(crew.results())


def test_an_error_before_the_first_result(capfd: pytest.CaptureFixture[str]) -> None:
    """Unpacking has no results and is done at once: its error has the entry's name."""

    def share(_: int, __: int) -> Iterator[Result]:
        raise ArchiveError("'name': zip: checksum error")

    with Crew(share, 2) as crew, pytest.raises(ArchiveError, match="'name': zip: checksum error"):
        crew.finish()
    assert capfd.readouterr() == ("", "")


def test_a_worker_that_dies_is_missed() -> None:
    """As by the kernel, short of memory; nobody waits for what does not come."""

    def share(number: int, _: int) -> Iterator[Result]:
        yield b"", b""
        if number == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        yield b"", b""

    with Crew(share, 2) as crew, pytest.raises(ArchiveError, match="has died: is there enough memory"):
        list(crew.results())


def test_who_is_not_listened_to_ends() -> None:
    """An upload that is given up leaves no process behind."""

    def share(_: int, __: int) -> Iterator[Result]:
        while True:
            yield bytes(1 << 20), b"%d" % os.getpid()

    with Crew(share, 2) as crew:
        results = crew.results()
        workers = {int(next(results)[1]) for _ in range(2)}
    assert len(workers) == 2
    for worker in workers:
        with pytest.raises(ProcessLookupError):
            os.kill(worker, 0)


def test_finishing_waits_for_all() -> None:
    """Work without results, done by others."""

    def share(number: int, _: int) -> Iterator[Result]:
        os.write(writing, b"%d" % number)
        return iter(())

    reading, writing = os.pipe()
    try:
        with Crew(share, 3) as crew:
            crew.finish()
        assert sorted(os.read(reading, 10)) == sorted(b"012")
    finally:
        os.close(reading)
        os.close(writing)
