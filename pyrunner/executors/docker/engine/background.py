"""Calls that may take long, made beside the supervisor's one thread so that its heart beats on."""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Callable
from typing import Final, Generic, TypeVar

from pyrunner.executors.base import Report

T = TypeVar("T")

#: Seconds that the caller simply waits: most calls to an engine are over by then.
_AT_ONCE: Final = 0.25
#: Seconds between two looks at a call that lasts; what it did is known at once, orders meanwhile.
_LOOK: Final = 0.05


def in_background(
    work: Callable[[], T],
    report: Report,
    give_up: Callable[[], None] | None = None,
    meanwhile: Callable[[], None] | None = None,
) -> T:
    """Return what ``work`` returns, or raise what it raises; the heart beats meanwhile.

    The thread has ended when this returns: the caller may fork.

    :param give_up: called when the job is stopped meanwhile; has to make ``work`` end soon. Without it the
        stop waits until ``work`` has ended by itself.
    :param meanwhile: called again and again, in the caller's thread, while ``work`` lasts.
    :raises PyrunnerError: what stopped the job, once ``work`` has ended.
    """
    call = _Call(work)
    stopped: BaseException | None = None
    try:
        call.wait(_AT_ONCE)
        while not call.done:
            try:
                report.pause(0.0 if stopped is not None else _LOOK)
                if meanwhile is not None and stopped is None:
                    meanwhile()
            except Exception as stop:  # noqa: BLE001 - raised again below, when the call has ended
                if stopped is None and give_up is not None:
                    give_up()
                stopped = stopped or stop
            call.wait(_LOOK)
    finally:
        call.close()
    if stopped is not None:
        raise stopped
    return call.result()


class _Call(Generic[T]):
    """One call in a thread of its own; its end can be polled for."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self._value: list[T] = []
        self._error: BaseException | None = None
        self._ended = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def done(self) -> bool:
        """Tell whether the call has ended."""
        return not self._thread.is_alive()

    def wait(self, seconds: float) -> None:
        """Return when the call has ended, or after ``seconds``."""
        if select.select([self._ended], [], [], seconds)[0]:
            self._thread.join()

    def result(self) -> T:
        """Return or raise what the call came to."""
        if self._error is not None:
            raise self._error
        return self._value[0]

    def close(self) -> None:
        """Release the descriptor; the call has ended, or is never asked for again."""
        if self.done:
            os.close(self._ended)

    def _run(self) -> None:
        try:
            self._value.append(self._work())
        except BaseException as error:  # noqa: BLE001 - handed to the caller
            self._error = error
        finally:
            os.eventfd_write(self._ended, 1)
