"""What a running job uses now, by its journal and the kernel: also while no manager runs.

Looked up by whoever wants to know; the supervisors need not write anything for it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psutil

from pyrunner.errors import JobDirError
from pyrunner.jobdir.control import ControlDir
from pyrunner.jobdir.journal import JobStateRecord
from pyrunner.jobdir.record import job_marker
from pyrunner.system.cgroup import JobCgroup
from pyrunner.system.cgroup_path import CgroupPath, group_of
from pyrunner.system.files import read_json
from pyrunner.system.process import ProcessIdentity
from pyrunner.system.proctree import find_job_processes
from pyrunner.system.usage import ResourceUsage

#: Characters of a container's id that are looked for: fewer could be part of another word.
_ID_LENGTH: Final = 64


@dataclass(frozen=True, slots=True)
class LiveUsage:
    """Use of one job at one moment; None where nothing tells.

    :param cpu: seconds of processor time since the job began.
    :param memory: bytes held by the stage now running.
    """

    cpu: float | None = None
    memory: int | None = None


class LiveUsages:
    """Looks at jobs again and again; remembers where each container's figures are."""

    def __init__(self) -> None:
        self._groups: dict[str, CgroupPath] = {}

    def of(self, control: ControlDir, state: JobStateRecord, received_at: float) -> LiveUsage:
        """Return what a job uses now.

        :param received_at: of its record.
        """
        cpu = _cpu_of_ended_stages(state)
        now = LiveUsage()
        if state.phase != "finished":
            now = self._of_stage(control, _running_stage(state), received_at)
        if now.cpu is None:
            return LiveUsage(cpu, now.memory)
        return LiveUsage(now.cpu + (cpu or 0.0), now.memory)

    def _of_stage(self, control: ControlDir, identity: dict[str, Any], received_at: float) -> LiveUsage:
        container = identity.get("container")
        if isinstance(container, str) and len(container) == _ID_LENGTH:
            return self._of_container(container)
        if identity.get("cgroup"):
            try:
                group = JobCgroup.from_dict(identity["cgroup"])
            except JobDirError:
                return LiveUsage()
            memory = group.memory()
            return LiveUsage(
                _seconds(group.usage()), _resident(group.processes()) if memory is None else memory
            )
        return _of_processes(control, job_marker(control.path, received_at))

    def _of_container(self, container: str) -> LiveUsage:
        group = self._groups.get(container)
        if group is None:
            path = _group_of_container(container)
            if path is None:
                return LiveUsage()
            group = self._groups[container] = CgroupPath(path)
        return LiveUsage(_seconds(group.usage()), group.memory())


def _running_stage(state: JobStateRecord) -> dict[str, Any]:
    """Return the identity of the stage that has begun and not ended; empty when there is none."""
    numbers = [int(key) for key in state.begun if key.isdecimal()]
    value = state.begun[str(max(numbers))] if numbers else {}
    identity = value.get("identity") if isinstance(value, dict) else None
    return identity if isinstance(identity, dict) else {}


def _cpu_of_ended_stages(state: JobStateRecord) -> float | None:
    total: float | None = None
    for key, value in state.steps.items():
        if not key.isdecimal() or not isinstance(value, dict):
            continue
        try:
            seconds = _seconds(ResourceUsage.from_dict(value.get("usage")))
        except JobDirError:
            continue
        if seconds is not None:
            total = (total or 0.0) + seconds
    return total


def _seconds(usage: ResourceUsage) -> float | None:
    if usage.cpu_user is None and usage.cpu_system is None:
        return None
    return (usage.cpu_user or 0.0) + (usage.cpu_system or 0.0)


def _of_processes(control: ControlDir, marker: str) -> LiveUsage:
    """Add up the processes of a stage without a control group."""
    found = {
        one
        for wrapper in (*_wrappers(control), None)
        for one in (*find_job_processes(marker, wrapper), *((wrapper,) if wrapper else ()))
    }
    seconds = memory = 0.0
    for one in found:
        try:
            process = psutil.Process(one.pid)
            times = process.cpu_times()
            rss = process.memory_info().rss
        except psutil.Error:
            continue
        seconds += times.user + times.system + times.children_user + times.children_system
        memory += rss
    return LiveUsage(seconds, int(memory)) if found else LiveUsage()


def _wrappers(control: ControlDir) -> list[ProcessIdentity]:
    found = []
    for claim in control.path.glob("claim.*"):
        try:
            wrapper = ProcessIdentity.from_dict(read_json(claim))
        except (OSError, JobDirError):
            continue  # void
        if wrapper.alive():
            found.append(wrapper)
    return found


def _resident(processes: Iterable[ProcessIdentity]) -> int | None:
    total: int | None = None
    for one in processes:
        try:
            total = (total or 0) + psutil.Process(one.pid).memory_info().rss
        except psutil.Error:
            continue
    return total


def _group_of_container(container: str) -> str | None:
    """Return the control group of a container of an engine on this host: engines name it by the id."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        path = group_of(int(entry.name))
        if path is not None and container in path:
            # The job may have made groups below its own.
            end = path.index(container) + len(container)
            return path[:end] + path[end:].partition("/")[0]
    return None
