"""One job as the manager sees it, from the coordinator's answer to the acknowledgement of its result."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

from pyrunner.jobdir.control import ControlDir
from pyrunner.jobdir.journal import JobResult, JobStateRecord
from pyrunner.jobdir.orders import Order, give_order
from pyrunner.manager.cursor import Cursor
from pyrunner.manager.link import Link
from pyrunner.manager.shipper import Shipper
from pyrunner.manager.slots import Slot, Slots
from pyrunner.manager.summary import JobSummary
from pyrunner.manager.tracefile import Checksum, TraceBytes
from pyrunner.manager.verdict import Verdict
from pyrunner.system.process import ProcessIdentity

#: Read from the runner's configuration only, never from job variables (runner-api.md 5.5).
_DYNAMIC_FORCE_SEND: Final = "FF_USE_DYNAMIC_TRACE_FORCE_SEND_INTERVAL"

_log: Final = logging.getLogger(__name__)


class Stage(Enum):
    """Where a job stands."""

    #: ``PUT running`` has not been answered: nothing of the job may run.
    ANNOUNCE = auto()
    #: A supervisor works on it, or is to be started.
    RUN = auto()
    #: It has ended; result and trace are being delivered.
    SHIP = auto()


@dataclass(slots=True)
class Progress:
    """What the journal of a job has said last, for metrics; seconds since the epoch, 0 where not known."""

    #: Section name of the stage now running.
    stage: str = ""
    #: The last one that was not empty.
    last_stage: str = ""
    started_at: float = 0.0
    finished_at: float = 0.0

    def note(self, state: JobStateRecord) -> None:
        """Take over what a journal says."""
        self.stage = state.stage
        self.last_stage = state.stage or self.last_stage
        self.started_at = state.started_at
        self.finished_at = state.finished_at


@dataclass(eq=False)
class TrackedJob:
    """A job in the manager's memory; all that matters of it is also on disk."""

    summary: JobSummary
    link: Link
    #: Whom to tell that a place is free: the runner's key.
    runner_key: str
    trace: TraceBytes
    shipper: Shipper
    cursor: Cursor
    slots: Slots
    #: None when not even a folder could be made.
    control: ControlDir | None
    #: None when it occupies none any more, or never did.
    slot: Slot | None = None
    stage: Stage = Stage.ANNOUNCE
    #: A call about it is under way.
    calling: bool = False
    #: A supervisor has been asked for.
    spawning: bool = False
    supervisor: ProcessIdentity | None = None
    #: When the heartbeat was last seen to change: its time stamp, and our monotonic clock.
    beat: tuple[int, float] | None = None
    #: Time stamp, inode and size of the journal that was read last.
    state_stamp: tuple[int, int, int] = (0, 0, 0)
    progress: Progress = field(default_factory=Progress)
    #: How it has ended; None before that.
    result: JobResult | None = None
    #: The manager's own word on how the job ends.
    verdict: Verdict | None = None
    #: When the shipper has to be asked again, monotonic.
    due: float = 0.0
    given: set[Order] = field(default_factory=set)
    #: The last warning that would come every second.
    complaint: str = ""
    checksum: Checksum = field(init=False)

    def __post_init__(self) -> None:
        self.checksum = Checksum(self.trace)

    @classmethod
    def create(
        cls,
        summary: JobSummary,
        link: Link,
        runner_key: str,
        slots: Slots,
        now: float,
        *,
        control: ControlDir | None,
        trace: TraceBytes,
        slot: Slot | None = None,
        cursor: Cursor | None = None,
    ) -> TrackedJob:
        """Return a job with the shipper that fits it.

        :param now: seconds, monotonic.
        """
        cursor = cursor or Cursor()

        known = cursor.offset

        def size() -> int:
            nonlocal known
            try:
                known = job.trace.size()
            except OSError as error:  # the result counts without the rest of the trace
                job.warn_once(f"the size of its trace cannot be read: {error}")
            return known

        shipper = Shipper(
            size,
            now,
            offset=cursor.offset,
            failure_reasons=summary.failure_reasons,
            dynamic_force_send=link.config.feature_flags.get(_DYNAMIC_FORCE_SEND, False),
        )
        job = cls(summary, link, runner_key, trace, shipper, cursor, slots, control, slot)
        return job

    @property
    def id(self) -> int:
        """The job's id."""
        return self.summary.id

    @property
    def runs(self) -> bool:
        """It has not ended yet."""
        return self.stage is not Stage.SHIP

    def replace_trace(self, trace: TraceBytes) -> None:
        """Ship these bytes from here on."""
        self.trace = trace
        self.checksum = Checksum(trace)

    def order(self, order: Order, text: str = "") -> None:
        """Leave an order once; when that fails, the next call tries again."""
        if self.control is None or order in self.given:
            return
        try:
            give_order(self.control, order, text)
        except OSError as error:
            self.warn("the order %r cannot be left: %s", str(order), error)
        else:
            self.given.add(order)
            fields = {"order": str(order), "reason": text, **self.log_fields}
            _log.info("Job is being stopped", extra={"fields": {k: v for k, v in fields.items() if v != ""}})

    def pass_on_orders(self) -> None:
        """Tell the supervisor what the coordinator wants."""
        if self.shipper.aborted:
            self.order(Order.ABORT)
        elif self.shipper.cancel_requested:
            self.order(Order.CANCEL)

    def store_cursor(self, durable: bool = False) -> None:
        """Write cursor.json; a failure costs no more than a repetition."""
        if self.control is None:
            return
        try:
            self.cursor.store(self.control.cursor, durable)
        except OSError as error:
            self.warn("the cursor cannot be stored: %s", error)

    def warn(self, text: str, *values: object) -> None:
        """Log a warning about this job."""
        _log.warning(f"job %d: {text}", self.id, *values, extra={"fields": self.log_fields})

    def warn_once(self, text: str) -> None:
        """Log a warning that a repeated look would repeat; again only when it changes."""
        if text != self.complaint:
            self.complaint = text
            self.warn("%s", text)

    @property
    def log_fields(self) -> dict[str, object]:
        """The fields of every line about this job."""
        return {"job": self.id, **self.link.log_fields}
