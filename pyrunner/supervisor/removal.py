"""A tag's sources are not kept (tristan-layout.md 2)."""

from __future__ import annotations

import logging
import subprocess
from collections.abc import Callable
from pathlib import Path

from pyrunner.system.mounts import mounts_within

logger = logging.getLogger(__name__)


def remove_sources(source: Path, beat: Callable[[], None]) -> None:
    """Remove a tree that a job has made, however large, deep or hostile; what cannot be removed stays.

    By ``rm``: it follows no link, whatever is changed meanwhile, and knows no limit of depth. A tree in which
    the job has left something mounted stays: that would be emptied as well, wherever it is.

    :param beat: called at least every second.
    """
    if mounted := mounts_within(source):
        logger.warning("%s is not removed: something is mounted at %s; unmount it", source, mounted[0])
        return
    # Under another name first: the folder's next user must not lose what he puts there.
    removed = source.with_name(f".{source.name}.removed")
    if not removed.exists():
        try:
            source.rename(removed)
        except FileNotFoundError:
            return
    folders = [str(removed), str(source)]
    process = subprocess.Popen(
        ["rm", "-rf", "--", *folders],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while True:
        try:
            process.wait(1.0)
            return
        except subprocess.TimeoutExpired:
            beat()
