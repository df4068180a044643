"""What a stage or job has used of the machine (tristan-layout.md 5)."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from resource import struct_rusage
from typing import Any, TypeVar

from pyrunner.errors import JobDirError

#: Block of ru_inblock and ru_oublock, bytes: fixed in the kernel, whatever the device.
_BLOCK = 512

_Amount = TypeVar("_Amount", int, float)


@dataclass(frozen=True, slots=True)
class ResourceUsage:
    """Use of time, processor, memory and disk; None where nothing is known.

    Bytes are those that went to and came from block devices, not what caches served.
    """

    #: Seconds on the clock.
    wall: float = 0.0
    #: Seconds of processor time in user mode.
    cpu_user: float | None = None
    #: Seconds of processor time in the kernel.
    cpu_system: float | None = None
    #: Bytes; a cgroup's includes the page cache charged to it, a sampled one is resident memory.
    peak_memory: int | None = None
    read_bytes: int | None = None
    write_bytes: int | None = None
    #: Processes that the kernel killed for want of memory.
    oom_kills: int | None = None
    #: Where the figures are from: ``cgroup``, ``sampled``, ``rusage``, joined by ``+``.
    source: str = ""

    @classmethod
    def from_rusage(cls, rusage: struct_rusage, wall: float) -> ResourceUsage:
        """Return what ``os.wait4`` told of a process and all descendants that were waited for.

        Its memory is that of the largest single process.
        """
        return cls(
            wall=wall,
            cpu_user=rusage.ru_utime,
            cpu_system=rusage.ru_stime,
            peak_memory=rusage.ru_maxrss * 1024,
            read_bytes=rusage.ru_inblock * _BLOCK,
            write_bytes=rusage.ru_oublock * _BLOCK,
            source="rusage",
        )

    @classmethod
    def from_dict(cls, value: object) -> ResourceUsage:
        """Read what :meth:`to_dict` returned; unknown keys of a newer version are passed over.

        :raises JobDirError: when it is something else.
        """
        if not isinstance(value, dict):
            raise JobDirError(f"not a resource usage: {value!r}")
        known: dict[str, Any] = {}
        for name in cls.__slots__:
            if name not in value:
                continue
            one = value[name]
            text = name == "source"
            if not (isinstance(one, str) if text else _is_amount(one) or (one is None and name != "wall")):
                raise JobDirError(f"not a resource usage: {name} is {one!r}")
            known[name] = one
        return cls(**known)

    def to_dict(self) -> dict[str, Any]:
        """Return this usage for JSON."""
        return asdict(self)

    def with_wall(self, seconds: float) -> ResourceUsage:
        """Return the same with another time on the clock."""
        return replace(self, wall=seconds)

    def __add__(self, other: ResourceUsage) -> ResourceUsage:
        """Join what followed one another: amounts add up, the peak is the higher one."""
        return ResourceUsage(
            wall=self.wall + other.wall,
            cpu_user=_sum(self.cpu_user, other.cpu_user),
            cpu_system=_sum(self.cpu_system, other.cpu_system),
            peak_memory=_larger(self.peak_memory, other.peak_memory),
            read_bytes=_sum(self.read_bytes, other.read_bytes),
            write_bytes=_sum(self.write_bytes, other.write_bytes),
            oom_kills=_sum(self.oom_kills, other.oom_kills),
            source=_sources(self.source, other.source),
        )

    def __sub__(self, earlier: ResourceUsage) -> ResourceUsage:
        """Return what came after ``earlier``, an earlier reading of the same counters.

        The peak remains that of the later reading: a peak cannot be taken back. No amount falls
        below 0, even when the counters began anew between the readings.
        """
        return ResourceUsage(
            wall=max(0.0, self.wall - earlier.wall),
            cpu_user=_difference(self.cpu_user, earlier.cpu_user),
            cpu_system=_difference(self.cpu_system, earlier.cpu_system),
            peak_memory=self.peak_memory,
            read_bytes=_difference(self.read_bytes, earlier.read_bytes),
            write_bytes=_difference(self.write_bytes, earlier.write_bytes),
            oom_kills=_difference(self.oom_kills, earlier.oom_kills),
            source=self.source,
        )

    def filled_from(self, other: ResourceUsage) -> ResourceUsage:
        """Return this with what is not known taken from ``other``, a measure of the same time.

        Of bytes the larger figure counts: samples miss short processes, and cgroup v1 does not
        count what the kernel writes back later, so both can only be too low.
        """
        filled = ResourceUsage(
            wall=self.wall or other.wall,
            cpu_user=self.cpu_user if self.cpu_user is not None else other.cpu_user,
            cpu_system=self.cpu_system if self.cpu_system is not None else other.cpu_system,
            peak_memory=self.peak_memory if self.peak_memory is not None else other.peak_memory,
            read_bytes=_larger(self.read_bytes, other.read_bytes),
            write_bytes=_larger(self.write_bytes, other.write_bytes),
            oom_kills=self.oom_kills if self.oom_kills is not None else other.oom_kills,
            source=self.source,
        )
        unchanged = replace(filled, wall=self.wall) == self
        return filled if unchanged else replace(filled, source=_sources(self.source, other.source))


def _is_amount(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


def _sum(one: _Amount | None, other: _Amount | None) -> _Amount | None:
    if one is None or other is None:
        return other if one is None else one
    return one + other


def _difference(later: _Amount | None, earlier: _Amount | None) -> _Amount | None:
    if later is None or earlier is None:
        return later
    return max(0, later - earlier)


def _larger(one: int | None, other: int | None) -> int | None:
    if one is None or other is None:
        return other if one is None else one
    return max(one, other)


def _sources(one: str, other: str) -> str:
    """Name both, each once, in order."""
    return "+".join(dict.fromkeys(part for part in f"{one}+{other}".split("+") if part))
