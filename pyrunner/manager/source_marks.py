"""``.refs``: sources are used by the jobs of one ref only, and of one kind of trust (design R8).

Names of refs become folders, and two names may come to the same one: whoever can push a branch can look for
a name that comes to a protected one's folder. With containers the tree of a protected ref also is nobody
else's when all refs share one tree a slot, or when the protection of a branch changes. What is another's is
moved aside and removed.
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Final

from pyrunner.errors import JobDirError
from pyrunner.jobdir.layout import JobPlace, ref_kind
from pyrunner.manager.guard import TRASH
from pyrunner.protocol.job import Job
from pyrunner.system.files import make_private, read_json, write_json

_FILE: Final = ".refs"
_SHARED: Final = "*"


def take_sources(place: JobPlace, job: Job, trust: str, slot: Path) -> Path | None:
    """Note whose a job's sources are from now on; return what was moved aside, if it was another's.

    :param trust: what must be equal beside the ref; empty where nothing keeps jobs apart.
    :param slot: folder of the slot.
    :raises JobDirError: when that cannot be done.
    """
    file, folder = place.project / _FILE, place.source.relative_to(place.project).as_posix()
    owner = [_SHARED if place.source.parent == place.project else "/".join(ref_kind(job)), trust]
    try:
        known = _read(file)
        if known.get(folder) == owner:
            return None
        aside: Path | None = None
        if place.source.is_dir():
            make_private(slot / TRASH)
            aside = slot / TRASH / secrets.token_hex(8)
            place.source.rename(aside)
        kept = {one: value for one, value in known.items() if (place.project / one).is_dir()}
        write_json(file, {**kept, folder: owner}, durable=False)
    except OSError as error:
        raise JobDirError(f"cannot take {place.source}: {error.strerror}") from error
    return aside


def _read(file: Path) -> dict[str, object]:
    try:
        value = read_json(file)
    except (FileNotFoundError, JobDirError):
        return {}
    return value if isinstance(value, dict) else {}
