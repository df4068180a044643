"""A stage that runs as the command of the build container; started once, attached to at will."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from pyrunner.executors.base import ExitKind, Report, StageEnd, StageLimits, Watch
from pyrunner.executors.docker.stages.container_tree import ContainerTree
from pyrunner.executors.docker.stages.section_attempts import SectionAttempts
from pyrunner.executors.process import DurableProcess
from pyrunner.executors.wrapper import read_exit
from pyrunner.system.usage import ResourceUsage

_OUTPUT_LOST: Final = (
    "The container engine could not be reached when the script ended: its last lines may be missing"
)
_UNITS: Final = ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))


@dataclass
class ContainerStage:
    """See :class:`pyrunner.executors.base.Running`."""

    process: DurableProcess
    tree: ContainerTree
    report: Report
    #: Bytes that the container may use; 0: no limit of its own.
    memory_limit: int
    #: Removes the container: what was stopped is not used again (docker-executor.md 1.3).
    discard: Callable[[], None]
    #: Starts it again where its container is gone before it could begin; None: nobody may.
    attempts: SectionAttempts | None = None

    def wait(self, watch: Watch, limits: StageLimits) -> StageEnd:
        """Return when the stage has ended and all its output is in the raw log."""
        # Where the wrapper has vanished, the engine still knows an exit code; but nobody has held the output
        # open, and a script that lost some of it has not passed.
        end = self.process.wait(watch, limits)
        record = read_exit(self.process.files.exit)
        if record is not None and record.get("missing") and end.stop is None and self.attempts is not None:
            if self.attempts.goes_on_without(self.tree.container):
                return self.attempts.start().wait(watch, limits)
            return end
        if record is not None and record.get("output_lost"):
            self.report.warning(_OUTPUT_LOST)
        if record is not None and record.get("out_of_memory") and not end.status.ok:
            self.report.warning(out_of_memory_text(end.usage, self.memory_limit))
        if end.stop is not None or end.status.kind is not ExitKind.EXITED:
            self.discard()
        return end


def out_of_memory_text(usage: ResourceUsage, limit: int) -> str:
    """Say that the kernel has killed a process of the job, and at which size."""
    peak = usage.peak_memory
    if not limit:
        return "A process of the job was killed by the kernel: the machine is out of memory"
    size, unit = next(((size, unit) for size, unit in _UNITS if limit >= size), _UNITS[-1])
    used = f"{min(peak, limit) / size:.1f} of " if peak else ""
    return f"A process of the job was killed by the kernel's memory limit: {used}{limit / size:.1f} {unit}"
