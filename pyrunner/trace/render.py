"""From the raw log to the trace: a pure function of raw.log, raw.idx and options (design R6).

Each writer has a chain of its own (job-execution.md 6.4): the runner's messages, and each stage's standard
output, standard error and service logs. A chain masks, then stamps; what comes out of all of them passes
one limiter into trace.log. Chains are closed by records of the index, so that a trace that is rendered
anew after a restart is the same byte for byte.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pyrunner.errors import JobDirError
from pyrunner.jobdir.control import ControlDir
from pyrunner.system.files import sync_folder
from pyrunner.trace.limiter import TraceLimiter
from pyrunner.trace.masking import Masker, active_token_prefixes
from pyrunner.trace.outfile import OutputFile
from pyrunner.trace.rawindex import Kind, Record
from pyrunner.trace.rawlog import MESSAGES
from pyrunner.trace.rawreader import RawReader
from pyrunner.trace.stamper import Stamper


@dataclass(frozen=True, slots=True)
class TraceOptions:
    """What a trace depends on besides the raw log; constant for the life of a job."""

    #: Values to hide; see :func:`pyrunner.trace.masking.mask_phrases`.
    phrases: list[bytes] = field(default_factory=list)
    #: All prefixes of tokens, in any order; the shortest 15 are active.
    token_prefixes: list[str] = field(default_factory=list)
    #: ``FF_TIMESTAMPS``.
    timestamps: bool = True
    #: Bytes of the trace before it is cut; 0 for the default.
    limit: int = 0


class TraceRenderer:
    """Renders what a :class:`~pyrunner.trace.rawlog.RawLog` records into trace.log.

    It only reads the raw log and may live in any process, after :meth:`RawLog.open` has mended it. A new
    renderer starts at the first record and appends what is not in trace.log yet.
    """

    def __init__(self, control: ControlDir, options: TraceOptions) -> None:
        """Open the files; nothing is rendered yet.

        :raises JobDirError: when there is no raw log, or a file cannot be opened.
        """
        self._control = control
        self._options = options
        self._prefixes = active_token_prefixes(options.token_prefixes)
        self._raw = RawReader(control.raw_log, control.raw_index)
        try:
            self._trace = OutputFile(control.trace_log)
            self._overflow = OutputFile(control.overflow_log)
        except JobDirError:
            self._raw.close()
            raise
        self._limiter = TraceLimiter(self._trace, self._overflow, options.limit)
        self._messages = self._chain(MESSAGES)
        self._stages: dict[tuple[int, int], _Chain] = {}
        self._records = 0
        self._position = 0
        self._durable = control.durable_trace_size()
        self._folder_synced = False
        self._finished = False

    @property
    def size(self) -> int:
        """Bytes of the trace rendered so far; all of them are in trace.log after :meth:`advance`."""
        return self._trace.size

    @property
    def finished(self) -> bool:
        """Tell whether the final record has been rendered."""
        return self._finished

    @property
    def behind(self) -> bool:
        """Tell whether anything is recorded that is not rendered yet."""
        return not self._finished and self._raw.record_count() > self._records

    @property
    def unsynced(self) -> bool:
        """Tell whether :meth:`checkpoint` would let more of the trace be shipped."""
        return self.size > self._durable

    def advance(self, budget: int | None = None) -> bool:
        """Render what is recorded, and bring it into trace.log.

        :param budget: stop after about this many bytes of the raw log, so that the caller can look after
            other things; None: render all.
        :returns: True when the budget is used up and there may be more.
        :raises DiskFull: when there is no room. Nothing is lost: the next call goes on where this stopped.
        :raises JobDirError: when the files cannot be read or written.
        """
        if self._finished:
            self._limiter.close()
            return False
        stop_at = None if budget is None else self._position + budget
        for records in self._raw.records(self._records):
            until = records[-1].end
            for record in records:
                self._records += 1
                self._render(record, until)
                if self._finished:
                    self._limiter.close()
                    return False
                if self._trace.due or self._overflow.due:
                    self._flush()
                if stop_at is not None and self._position >= stop_at:
                    self._flush()
                    return True
        self._flush()
        return False

    def finish(self) -> None:
        """Render the rest, up to the final record, and make it durable.

        :raises DiskFull: when there is no room.
        :raises JobDirError: when the raw log has not been finished.
        """
        self.advance()
        if not self._finished:
            raise JobDirError(f"{self._control.raw_log}: the output of this job is not complete")
        self._overflow.sync()
        self.checkpoint()

    def checkpoint(self) -> None:
        """Make what is rendered durable, with what it is made from, and let it be shipped (R6).

        While a rebuilt trace is shorter than the former one, the former size stands.

        :raises DiskFull: when there is no room for what is not on disk yet.
        """
        self._flush()
        size = self.size
        if size == self._durable or (size < self._durable and not self._finished):
            return
        self._raw.sync()
        self._trace.sync()
        if not self._folder_synced:
            sync_folder(self._control.path)
            self._folder_synced = True
        self._control.store_trace_size(size)
        self._durable = size

    def close(self) -> None:
        """Release the descriptors. Safe twice."""
        self._raw.close()
        self._trace.close()
        self._overflow.close()

    def _flush(self) -> None:
        self._trace.flush()
        self._overflow.flush()

    def _render(self, record: Record, until: int) -> None:
        start, self._position = self._position, record.end
        if record.kind == Kind.DATA:
            chain = self._writer(record)
            while start < record.end:
                data = self._raw.read(start, record.end, until)
                start += len(data)
                self._limiter.feed(chain.feed(data, record.time))
        elif record.kind == Kind.CLOSE_STAGE:
            self._close_stages([key for key in self._stages if key[0] == record.stage])
        elif record.kind == Kind.CLOSE_MESSAGES:
            self._limiter.feed(self._messages.close())
            self._messages = self._chain(MESSAGES)
        elif record.kind == Kind.FINAL:
            self._close_stages(list(self._stages))
            self._limiter.feed(self._messages.close())
            self._finished = True

    def _close_stages(self, keys: list[tuple[int, int]]) -> None:
        for key in sorted(keys):
            self._limiter.feed(self._stages.pop(key).close())

    def _writer(self, record: Record) -> _Chain:
        if record.stream == MESSAGES:
            return self._messages
        key = (record.stage, record.stream)
        chain = self._stages.get(key)
        if chain is None:
            chain = self._stages[key] = self._chain(record.stream)
        return chain

    def _chain(self, stream: int) -> _Chain:
        masker = Masker(self._options.phrases, self._prefixes)
        return _Chain(masker, Stamper(stream) if self._options.timestamps else None)


class _Chain:
    """The filters of one writer; with timestamps off a line is passed on as it comes."""

    def __init__(self, masker: Masker, stamper: Stamper | None) -> None:
        self._masker = masker
        self._stamper = stamper
        self._time = 0

    def feed(self, data: bytes, now: int) -> bytes:
        self._time = now
        data = self._masker.feed(data)
        return self._stamper.feed(data, now) if self._stamper and data else data

    def close(self) -> bytes:
        data = self._masker.close()
        if self._stamper is None:
            return data
        # What was held back is stamped with the time of the write that brought it.
        return self._stamper.feed(data, self._time) + self._stamper.close()
