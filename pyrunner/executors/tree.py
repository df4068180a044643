"""A host job's processes: by cgroup where one can be had, else by descent and marker.

Source: tristan-layout.md 6.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pyrunner.errors import JobDirError
from pyrunner.jobdir.record import JobRecord
from pyrunner.system.cgroup import JobCgroup
from pyrunner.system.process import ProcessIdentity
from pyrunner.system.proctree import find_job_processes, kill_tree
from pyrunner.system.usage import ResourceUsage

if TYPE_CHECKING:
    from pyrunner.system.sampler import ProcessSampler

#: How long killing may take before the supervisor looks after its other duties, seconds: what waits in
#: the kernel for a device cannot be killed.
KILL_PATIENCE: Final = 2.0
#: Seconds between two looks at the memory of a stage without a cgroup.
SAMPLE_EVERY: Final = 1.0


def cgroup_prefix(business: str) -> str:
    """Return what the cgroups of a business folder begin with; no other folder's do."""
    return f"job-{hashlib.sha256(os.fsencode(business)).hexdigest()[:12]}-"


def cgroup_name(record: JobRecord) -> str:
    """Return a name that no other stage has: whoever shared a cgroup would be stopped with it."""
    return f"{cgroup_prefix(record.business)}{record.job.id}-{secrets.token_hex(6)}"


@dataclass
class HostTree:
    """All processes of a job, those of stages that have ended included (design R11)."""

    #: The cgroup of the stage now running, None where none can be had.
    current: JobCgroup | None
    #: Value of ``PYRUNNER_JOB`` in the environment of processes that have no cgroup.
    marker: str
    #: The claim of the running stage: names its wrapper, the sub-reaper of what it started.
    claim: Path
    #: Cgroups of earlier stages: what they left behind goes with the job.
    earlier: list[JobCgroup] = field(default_factory=list)
    _sampler: ProcessSampler | None = None
    _sample_at: float = 0.0

    def terminate(self) -> None:
        """Ask all of it to end (SIGTERM)."""
        self._each(lambda group: group.signal(signal.SIGTERM))
        for process in self._strays():
            process.send(signal.SIGTERM)

    def kill(self) -> None:
        """End all of it (SIGKILL)."""
        self._each(lambda group: group.kill(KILL_PATIENCE))
        kill_tree(self._strays, KILL_PATIENCE)

    def abandon(self) -> None:
        """End the wrapper, which does not tell of the stage's end."""
        wrapper = self._wrapper()
        if wrapper is not None:
            wrapper.send(signal.SIGKILL)

    def alive(self) -> bool:
        """Tell whether anything of it lives."""
        groups = [self.current, *self.earlier]
        return any(group is not None and group.populated() for group in groups) or bool(self._strays())

    def sample(self) -> None:
        """Look at the memory of a stage that no cgroup counts for; at most once a second."""
        now = time.monotonic()
        if self.current is not None or now < self._sample_at:
            return
        if self._sample_at:  # a stage that is over within a second is not worth a look
            # psutil is only needed by stages that last.
            from pyrunner.system.sampler import ProcessSampler

            if self._sampler is None:
                self._sampler = ProcessSampler(self._strays)
            self._sampler.sample()
        self._sample_at = now + SAMPLE_EVERY

    def usage(self) -> ResourceUsage | None:
        """Resource use of the stage now running: a cgroup's figures, or the peak of what was sampled."""
        if self.current is not None:
            return self.current.usage()
        if self._sampler is None:
            return None
        # Time and bytes are known better from what the wrapper waited for.
        return ResourceUsage(peak_memory=self._sampler.usage().peak_memory, source="sampled")

    def _each(self, act: Callable[[JobCgroup], object]) -> None:
        for group in [self.current, *self.earlier]:
            if group is not None:
                with contextlib.suppress(FileNotFoundError):
                    act(group)

    def _strays(self) -> list[ProcessIdentity]:
        """Return the job's processes that no cgroup holds: by marker, and by descent from the wrapper.

        A job that is root can leave its cgroup; it still descends from the wrapper, its sub-reaper.
        """
        return find_job_processes(self.marker, self._wrapper())

    def _wrapper(self) -> ProcessIdentity | None:
        try:
            return ProcessIdentity.from_dict(json.loads(self.claim.read_bytes()))
        except (FileNotFoundError, ValueError, JobDirError):
            # Not begun, or void: then there is nothing to stop.
            return None
