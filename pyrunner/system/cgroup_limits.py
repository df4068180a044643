"""Limits of a control group of ours, in the words of both versions of the interface (cgroups(7))."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import Final

#: Microseconds that a share of CPU time is counted over; what container engines use.
_PERIOD: Final = 100_000
_NANO: Final = 10**9
#: Written where one of them is missing costs nothing: swap is not counted by every kernel.
_OPTIONAL: Final = frozenset({"memory.memsw.limit_in_bytes", "memory.swap.max"})


@dataclass(frozen=True, slots=True)
class GroupLimits:
    """What all processes of a group may use together; 0: no limit."""

    #: Bytes.
    memory: int = 0
    #: Bytes of memory and swap together; twice the memory unless given, as container engines do it.
    memory_swap: int = 0
    #: Bytes that are taken away last when memory is short.
    memory_reservation: int = 0
    #: Billionths of a CPU.
    nano_cpus: int = 0
    #: Weight against others, 1024 is usual.
    cpu_shares: int = 0

    def __bool__(self) -> bool:
        return bool(self.controllers)

    @property
    def controllers(self) -> frozenset[str]:
        """What the kernel needs to hold a group to them."""
        memory = self.memory or self.memory_swap or self.memory_reservation
        cpu = self.nano_cpus or self.cpu_shares
        return frozenset((*(["memory"] if memory else []), *(["cpu"] if cpu else [])))

    @property
    def _total(self) -> int:
        return self.memory_swap or 2 * self.memory

    def settings(self, version: int) -> Iterator[tuple[str, str, str]]:
        """Yield controller, file and content; what comes first has to be written first."""
        if version == 2:
            yield from self._settings_of_v2()
        else:
            yield from self._settings_of_v1()

    def _settings_of_v1(self) -> Iterator[tuple[str, str, str]]:
        if self.memory:
            yield "memory", "memory.limit_in_bytes", str(self.memory)
            yield "memory", "memory.memsw.limit_in_bytes", str(self._total)
        if self.memory_reservation:
            yield "memory", "memory.soft_limit_in_bytes", str(self.memory_reservation)
        if self.nano_cpus:
            yield "cpu", "cpu.cfs_period_us", str(_PERIOD)
            yield "cpu", "cpu.cfs_quota_us", str(self._quota)
        if self.cpu_shares:
            yield "cpu", "cpu.shares", str(self.cpu_shares)

    def _settings_of_v2(self) -> Iterator[tuple[str, str, str]]:
        if self.memory:
            yield "memory", "memory.max", str(self.memory)
            yield "memory", "memory.swap.max", str(max(0, self._total - self.memory))
        if self.memory_reservation:
            yield "memory", "memory.low", str(self.memory_reservation)
        if self.nano_cpus:
            yield "cpu", "cpu.max", f"{self._quota} {_PERIOD}"
        if self.cpu_shares:
            # The usual 1024 of v1 and the usual 100 of v2 differ; this is how engines convert them.
            yield "cpu", "cpu.weight", str(1 + (max(2, self.cpu_shares) - 2) * 9999 // 262142)

    @property
    def _quota(self) -> int:
        return max(1000, self.nano_cpus * _PERIOD // _NANO)

    def apply(self, folder: Path, version: int, controllers: AbstractSet[str]) -> frozenset[str]:
        """Hold the group ``folder`` to them; return the controllers that do.

        :param controllers: v1: those of the folder's hierarchy; v2 has all in one.
        """
        held = self.controllers if version == 2 else self.controllers & controllers
        for controller, name, content in self.settings(version):
            if controller not in held:
                continue
            try:
                # Never makes a file: what is not there is not the kernel's to serve.
                with (folder / name).open("r+") as file:
                    file.write(content)
            except OSError:
                if name not in _OPTIONAL:
                    held -= {controller}
        return held
