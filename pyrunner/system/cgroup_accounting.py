"""What a control group has used, from its files (kernel: admin-guide/cgroup-v1, cgroup-v2)."""

from __future__ import annotations

import os
from collections.abc import Set as AbstractSet
from pathlib import Path

from pyrunner.system.usage import ResourceUsage

_NANO = 1e-9
_MICRO = 1e-6


def usage_of_v2(folder: Path) -> ResourceUsage:
    """Return the use of a v2 cgroup; memory and disk need their controllers enabled above it."""
    cpu = _pairs(folder / "cpu.stat")
    user, system = cpu.get("user_usec"), cpu.get("system_usec")
    io = _text(folder / "io.stat")
    return ResourceUsage(
        cpu_user=None if user is None else user * _MICRO,
        cpu_system=None if system is None else system * _MICRO,
        peak_memory=_number(folder / "memory.peak"),
        read_bytes=None if io is None else _sum_of(io, "rbytes="),
        write_bytes=None if io is None else _sum_of(io, "wbytes="),
        oom_kills=_pairs(folder / "memory.events").get("oom_kill"),
        source="cgroup",
    )


def usage_of_v1(folder: Path, controllers: AbstractSet[str]) -> ResourceUsage:
    """Return what a v1 cgroup's controllers tell; the rest is None.

    Writes are those that the process did itself; what the kernel writes back later is not counted.
    """
    cpu_user, cpu_system = _cpuacct(folder) if "cpuacct" in controllers else (None, None)
    read, written = _blkio(folder) if "blkio" in controllers else (None, None)
    memory = "memory" in controllers
    return ResourceUsage(
        cpu_user=cpu_user,
        cpu_system=cpu_system,
        peak_memory=_number(folder / "memory.max_usage_in_bytes") if memory else None,
        read_bytes=read,
        write_bytes=written,
        oom_kills=_pairs(folder / "memory.oom_control").get("oom_kill") if memory else None,
        source="cgroup",
    )


def memory_of_v2(folder: Path) -> int | None:
    """Return the bytes that a v2 cgroup holds now, without file pages that the kernel would drop first."""
    return _without_cache(_number(folder / "memory.current"), folder, "inactive_file")


def memory_of_v1(folder: Path, controllers: AbstractSet[str]) -> int | None:
    """Return the same of a v1 cgroup."""
    if "memory" not in controllers:
        return None
    return _without_cache(_number(folder / "memory.usage_in_bytes"), folder, "total_inactive_file")


def _without_cache(size: int | None, folder: Path, key: str) -> int | None:
    return None if size is None else max(0, size - _pairs(folder / "memory.stat").get(key, 0))


def _cpuacct(folder: Path) -> tuple[float | None, float | None]:
    user, system = _number(folder / "cpuacct.usage_user"), _number(folder / "cpuacct.usage_sys")
    if user is not None and system is not None:
        return user * _NANO, system * _NANO
    ticks, per_second = _pairs(folder / "cpuacct.stat"), os.sysconf("SC_CLK_TCK")
    if "user" in ticks and "system" in ticks:
        return ticks["user"] / per_second, ticks["system"] / per_second
    return None, None


def _blkio(folder: Path) -> tuple[int | None, int | None]:
    """Sum the lines ``<major>:<minor> Read <bytes>``; recursive figures count cgroups below, too.

    Kernels from 6.10 count only where a limit is set; no line of a device means: not known.
    """
    for name in ("blkio.throttle.io_service_bytes_recursive", "blkio.throttle.io_service_bytes"):
        text = _text(folder / name)
        if text is None:
            continue
        amounts: dict[str, int] = {}
        for line in text.splitlines():
            fields = line.split()
            if len(fields) == 3 and fields[2].isdigit():
                amounts[fields[1]] = amounts.get(fields[1], 0) + int(fields[2])
        return amounts.get("Read"), amounts.get("Write")
    return None, None


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return None


def _number(path: Path) -> int | None:
    text = (_text(path) or "").strip()
    return int(text) if text.isdigit() else None


def _pairs(path: Path) -> dict[str, int]:
    """Read lines of a name and a number."""
    pairs: dict[str, int] = {}
    for line in (_text(path) or "").splitlines():
        name, _, number = line.partition(" ")
        if number.isdigit():
            pairs[name] = int(number)
    return pairs


def _sum_of(text: str, prefix: str) -> int:
    """Add up ``<prefix><number>`` over all devices."""
    words = (word.removeprefix(prefix) for word in text.split() if word.startswith(prefix))
    return sum(int(word) for word in words if word.isdigit())
