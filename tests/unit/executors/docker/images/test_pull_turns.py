"""One pull at a time (pull_turns)."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from pathlib import Path

import pytest

from pyrunner.errors import JobDirError
from pyrunner.executors.docker.images.pull_turns import Turn, take_turn


class Waiter:
    """Another job, in a thread: takes its turn, tells what it found."""

    def __init__(self, folder: Path, key: str = "key", succeeds: bool = True) -> None:
        self.waits = threading.Event()
        self.done_by_another: bool | None = None
        self._folder, self._key, self._succeeds = folder, key, succeeds
        self._pause = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _wait(self) -> None:
        self.waits.set()
        self._pause.wait(0.01)

    def _run(self) -> None:
        with take_turn(self._folder, self._key, self._wait) as turn:
            self.done_by_another = turn.done_by_another
            if self._succeeds and not turn.done_by_another:
                turn.done()

    def ended(self) -> bool | None:
        """Wait for its end; returns whether another had done the work."""
        self._thread.join(30)
        return self.done_by_another


def refuse() -> None:
    """Fail: nobody has to wait here."""
    raise AssertionError("waited")


def names(folder: Path) -> list[str]:
    """Return what lies in the folder."""
    return [one.name for one in folder.iterdir()]


def test_who_comes_alone_does_the_work(tmp_path: Path) -> None:
    """And leaves nothing behind, in a folder that is nobody else's."""
    folder = tmp_path / "locks"
    with take_turn(folder, "key", refuse) as turn:
        assert not turn.done_by_another
        assert names(folder) == ["key.pull"]
        turn.done()
    assert names(folder) == []
    assert folder.stat().st_mode & 0o777 == 0o700


def test_who_waited_takes_what_has_come(tmp_path: Path) -> None:
    """All who had begun to wait; who comes later does the work again."""
    with take_turn(tmp_path, "key", refuse) as turn:
        waiters = [Waiter(tmp_path) for _ in range(3)]
        for one in waiters:
            assert one.waits.wait(30)
        turn.done()
    assert [one.ended() for one in waiters] == [True, True, True]
    with take_turn(tmp_path, "key", refuse) as turn:
        assert not turn.done_by_another
    assert names(tmp_path) == []


def test_after_a_failure_the_next_tries(tmp_path: Path) -> None:
    """One of those who wait does the work, the others take it; nobody is forgotten."""
    waiters: list[Waiter] = []

    def fail() -> None:
        with take_turn(tmp_path, "key", refuse):
            waiters.extend(Waiter(tmp_path) for _ in range(3))
            for one in waiters:
                assert one.waits.wait(30)
            raise KeyError("no registry")

    with pytest.raises(KeyError):
        fail()
    found = [one.ended() for one in waiters]
    assert False in found
    assert None not in found
    assert names(tmp_path) == []


def test_what_a_killed_job_left_behind_is_taken_up(tmp_path: Path) -> None:
    """The file is a turn like any other."""
    (tmp_path / "key.pull").touch()
    with take_turn(tmp_path, "key", refuse) as turn:
        assert not turn.done_by_another
        waiter = Waiter(tmp_path)
        assert waiter.waits.wait(30)
        turn.done()
    assert waiter.ended() is True
    assert names(tmp_path) == []


def test_other_keys_do_not_wait(tmp_path: Path) -> None:
    """Another image, or other credentials: another turn."""
    with take_turn(tmp_path, "key", refuse), take_turn(tmp_path, "other", refuse) as turn:
        assert not turn.done_by_another


def test_a_stopped_job_leaves_its_place(tmp_path: Path) -> None:
    """What ends the wait comes through; the turn of the other is untouched."""

    def stop() -> None:
        raise KeyError("stopped")

    with take_turn(tmp_path, "key", refuse) as turn:
        with pytest.raises(KeyError), take_turn(tmp_path, "key", stop):
            raise AssertionError("came")
        waiter = Waiter(tmp_path)
        assert waiter.waits.wait(30)
        turn.done()
    assert waiter.ended() is True


def test_a_late_comer_during_the_work_of_a_second_waits_for_that(tmp_path: Path) -> None:
    """A turn that was won behind a failure is as good as any."""
    with ExitStack() as second:
        with take_turn(tmp_path, "key", refuse):
            pass  # fails: not done
        turn: Turn = second.enter_context(take_turn(tmp_path, "key", refuse))
        waiter = Waiter(tmp_path)
        assert waiter.waits.wait(30)
        turn.done()
    assert waiter.ended() is True


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    """The error names the file."""
    (tmp_path / "key.pull").symlink_to(tmp_path / "victim")
    with pytest.raises(JobDirError, match=r"cannot open .*key\.pull"), take_turn(tmp_path, "key", refuse):
        pass
    assert not (tmp_path / "victim").exists()
