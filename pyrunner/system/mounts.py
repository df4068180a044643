"""What is mounted inside a folder: to empty a tree with a mount in it would empty what is mounted."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

_OCTAL: Final = re.compile(rb"\\([0-7]{3})")


def mounts_within(folder: Path) -> list[Path]:
    """Return the mount points at or below ``folder`` that this process sees; none where /proc is hidden.

    A mount of a folder of the same file system has the same device: only the list of mounts tells.
    """
    try:
        text = Path("/proc/self/mountinfo").read_bytes()
    except OSError:
        return []
    return find_mounts(text, folder.parent.resolve() / folder.name)


def find_mounts(mountinfo: bytes, folder: Path) -> list[Path]:
    """Return the mount points at or below ``folder``; see proc(5) for the format."""
    wanted = os.fsencode(folder)
    points = (_unescaped(fields[4]) for line in mountinfo.splitlines() if len(fields := line.split(b" ")) > 4)
    return [Path(os.fsdecode(one)) for one in points if one == wanted or one.startswith(wanted + b"/")]


def _unescaped(point: bytes) -> bytes:
    return _OCTAL.sub(lambda match: bytes((int(match[1], 8),)), point)
