"""A job's control directory ``build/<job id>/``: its files and their one writer each (design R3).

=================== ============ ==========================================================
file                writer       holds
=================== ============ ==========================================================
job.json            manager      the job record (tokens; redacted when the job has ended)
lock                manager →    open-file-description lock: held while the supervisor lives
                    supervisor
heartbeat           supervisor   touched every 5 s
state.json          supervisor   the journal
scripts/            supervisor   stage scripts
boxes/              supervisor   what the job's containers see of the running stage
claim.<key>         wrapper      exclusive: this attempt of this stage is started by me
exit.<key>          wrapper      how the stage ended
drained.<key>       supervisor   all output of the stage is in raw.log
out.<key>,err.<key> wrapper      FIFOs of the stage's output
wlock.<key>         wrapper      lock: held while the wrapper lives
login.env           prepare_     environment, umask, folder and limits of the login shell
                    script
raw.log, raw.idx    supervisor   output as it came, and when from which stream
trace.log           supervisor   masked, stamped, limited: what the coordinator gets
overflow.log        supervisor   what the limit kept out of trace.log
trace.size          supervisor   how much of trace.log is durable and may be shipped
stats.json          supervisor   resource use
supervisor.log      supervisor   its own log
cursor.json         manager      what the coordinator has acknowledged
terminal.json       supervisor   how a terminal is opened (:mod:`pyrunner.jobdir.terminal`); holds secrets
terminal.lock       terminal     held while a terminal is connected
terminal.closed     supervisor   no terminal may be connected any more
terminal.log        terminal     why a terminal could not be opened
orders/             anyone       cancel, abort, interrupt: created once, never changed
=================== ============ ==========================================================
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from pyrunner.system.files import make_private

#: The last are replacements that a kill left half written.
_WORKING_FILES = (
    *("raw.*", "claim.*", "exit.*", "drained.*", "out.*", "err.*", "wlock.*", "login.env*", "terminal.json"),
    ".*.tmp",
)


@dataclass(frozen=True, slots=True)
class ControlDir:
    """Names every file of a control directory."""

    path: Path

    def create(self) -> None:
        """Make the folder and its subfolders, 0700.

        :raises JobDirError: when it cannot be made.
        """
        make_private(self.path)
        make_private(self.scripts)
        make_private(self.orders)

    @property
    def job(self) -> Path:
        """The job record."""
        return self.path / "job.json"

    @property
    def lock(self) -> Path:
        """Held while the supervisor lives."""
        return self.path / "lock"

    @property
    def heartbeat(self) -> Path:
        """Touched by a supervisor that is not hung."""
        return self.path / "heartbeat"

    @property
    def state(self) -> Path:
        """The supervisor's journal."""
        return self.path / "state.json"

    @property
    def cursor(self) -> Path:
        """The manager's record of what the coordinator has."""
        return self.path / "cursor.json"

    @property
    def scripts(self) -> Path:
        """Stage scripts."""
        return self.path / "scripts"

    @property
    def boxes(self) -> Path:
        """One folder for each container of the job that stages run in, which has it mounted read-only."""
        return self.path / "boxes"

    @property
    def orders(self) -> Path:
        """Orders to the supervisor."""
        return self.path / "orders"

    @property
    def raw_log(self) -> Path:
        """Output as it came."""
        return self.path / "raw.log"

    @property
    def raw_index(self) -> Path:
        """When which bytes of the raw log came from which stream."""
        return self.path / "raw.idx"

    @property
    def trace_log(self) -> Path:
        """What the coordinator gets; its offsets are the coordinator's."""
        return self.path / "trace.log"

    @property
    def overflow_log(self) -> Path:
        """What the limit kept out of the trace."""
        return self.path / "overflow.log"

    @property
    def trace_size(self) -> Path:
        """Eight bytes, little endian: the durable size of the trace."""
        return self.path / "trace.size"

    @property
    def stats(self) -> Path:
        """Resource use by stage and job."""
        return self.path / "stats.json"

    @property
    def supervisor_log(self) -> Path:
        """The supervisor's own log; no secrets."""
        return self.path / "supervisor.log"

    @property
    def login_environment(self) -> Path:
        """What prepare_script's login shell set up (:mod:`pyrunner.shells.login_dump`); holds secrets."""
        return self.path / "login.env"

    @property
    def terminal(self) -> Path:
        """How a terminal is opened; there as soon as one can be."""
        return self.path / "terminal.json"

    @property
    def terminal_lock(self) -> Path:
        """Held while a terminal is connected."""
        return self.path / "terminal.lock"

    @property
    def terminal_closed(self) -> Path:
        """Made when terminals have to end."""
        return self.path / "terminal.closed"

    @property
    def terminal_log(self) -> Path:
        """Why a terminal could not be opened; no secrets."""
        return self.path / "terminal.log"

    def durable_trace_size(self) -> int:
        """Return how many bytes of the trace may be shipped (design R6)."""
        try:
            return int.from_bytes(self.trace_size.read_bytes()[:8], "little")
        except FileNotFoundError:
            return 0

    def store_trace_size(self, size: int) -> None:
        """Record how many bytes of the trace are durable; the caller has synced them."""
        fd = os.open(self.trace_size, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            os.pwrite(fd, size.to_bytes(8, "little"), 0)
        finally:
            os.close(fd)

    def drop_working_files(self) -> None:
        """Remove what is only needed until the trace is complete: raw log, scripts, FIFOs (design R10)."""
        for pattern in _WORKING_FILES:
            for file in self.path.glob(pattern):
                file.unlink(missing_ok=True)
        for folder in (self.scripts, self.boxes):
            shutil.rmtree(folder, ignore_errors=True)
