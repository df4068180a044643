"""Is there room for another job: ``min_free`` (tristan-layout.md 7)."""

from __future__ import annotations

import shutil
from pathlib import Path

from pyrunner.config.sizes import format_size


def shortage(path: Path, least: int | None) -> str:
    """Return what is missing for another job, with what to do about it; empty when there is room.

    :param path: a folder on the disk that jobs are on.
    :param least: bytes that have to be free; None or 0: any disk will do.
    """
    if not least:
        return ""
    try:
        free = shutil.disk_usage(path).free
    except OSError:  # it is made with the first job
        return ""
    if free >= least:
        return ""
    return (
        f"{path} has {format_size(free)} free, and {format_size(least)} have to be (min_free): "
        "make room on the runner's disk (pyrunner gc --dry-run shows what can go), or lower min_free"
    )
