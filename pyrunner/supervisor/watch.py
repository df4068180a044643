"""What a supervisor looks after while a stage runs: heartbeat, orders, clocks, and the trace."""

from __future__ import annotations

import select
import time
from typing import Final

from pyrunner.executors.base import StageLimits, Stop, StopKind
from pyrunner.jobdir.control import ControlDir
from pyrunner.jobdir.orders import Order, read_order
from pyrunner.supervisor.heartbeat import Heartbeat
from pyrunner.system.inotify import Inotify
from pyrunner.trace.render import TraceRenderer

#: Seconds between checks of what no event announces: clocks, a wrapper that vanished.
TICK: Final = 1.0
#: The same where the kernel gives no inotify instance (128 a user by default): nothing is announced.
BLIND_TICK: Final = 0.05
#: Seconds between renderings, and between checkpoints (which sync to disk), of a busy trace.
RENDER_EVERY: Final = 0.1
CHECKPOINT_EVERY: Final = 1.0
#: Bytes rendered before orders and output get their turn again.
RENDER_BUDGET: Final = 4 * 1024 * 1024

_STOPS: Final = (
    (Order.ABORT, StopKind.ABORT),
    (Order.INTERRUPT, StopKind.INTERRUPT),
)


class SupervisorWatch:
    """Beats the heart, reads orders, compares deadlines, and keeps the trace up to date."""

    def __init__(self, control: ControlDir, renderer: TraceRenderer, heart: Heartbeat) -> None:
        self.control = control
        self.heart = heart
        self.renderer = renderer
        self._inotify = _watch(control)
        self._render_at = 0.0
        self._checkpoint_at = 0.0
        self._orders: dict[Order, str] = {}

    @property
    def fd(self) -> int:
        """Readable when orders or stage files have changed."""
        return self._inotify.fd if self._inotify is not None else -1

    def check(self, limits: StageLimits) -> Stop | None:
        """Do what is due; return why the stage has to stop, if it has."""
        if self._inotify is not None:
            self._inotify.read()
        self.heart.beat()
        now = time.monotonic()
        self._advance_trace(now)
        self._read_orders()
        for order, kind in _STOPS:
            if order in self._orders:
                return Stop(kind, self._orders[order])
        passed = [name for name, ends in limits.deadlines.items() if now >= ends]
        if passed:
            # The job's own deadline outranks that of a stage.
            return Stop(StopKind.TIMEOUT, "job" if "job" in passed else passed[0])
        if limits.cancelable and Order.CANCEL in self._orders:
            return Stop(StopKind.CANCEL, self._orders[Order.CANCEL])
        return None

    def timeout(self, limits: StageLimits) -> float:
        """Seconds until :meth:`check` has to be called again."""
        now = time.monotonic()
        due = [TICK if self._inotify is not None else BLIND_TICK, self.heart.due - time.monotonic()]
        # What has passed is known: it must not keep us busy while the stage is being stopped.
        due.extend(ends - now for ends in limits.deadlines.values() if ends > now)
        if self.renderer.behind:
            due.append(self._render_at - time.monotonic())
        return max(0.0, min(due))

    def pause(self, seconds: float, limits: StageLimits) -> None:
        """Wait while the heart beats; ends early when something stops the job."""
        ends = time.monotonic() + seconds
        poller = select.poll()
        if self.fd >= 0:
            poller.register(self.fd, select.POLLIN)
        while (left := ends - time.monotonic()) > 0:
            stop = self.check(limits)
            if stop is not None:
                return
            poller.poll(min(left, self.timeout(limits)) * 1000)

    def finish_trace(self) -> None:
        """Render what is left of a finished raw log, in turns with the heart.

        :raises DiskFull: when there is no room; may be called again.
        """
        while self.renderer.advance(RENDER_BUDGET):
            self.heart.beat()
        self.renderer.finish()

    def close(self) -> None:
        """Release the descriptors."""
        if self._inotify is not None:
            self._inotify.close()

    def _advance_trace(self, now: float) -> None:
        if now >= self._render_at:
            more = self.renderer.advance(RENDER_BUDGET)
            self._render_at = now if more else now + RENDER_EVERY
            if now >= self._checkpoint_at and self.renderer.unsynced:
                self._checkpoint_at = now + CHECKPOINT_EVERY
                self.renderer.checkpoint()

    def _read_orders(self) -> None:
        for order in Order:
            if order not in self._orders:
                text = read_order(self.control, order)
                if text is not None:
                    self._orders[order] = text


def _watch(control: ControlDir) -> Inotify | None:
    try:
        inotify = Inotify()
    except OSError:
        return None
    try:
        inotify.add(control.path)
        inotify.add(control.orders)
    except OSError:
        inotify.close()
        return None
    return inotify
