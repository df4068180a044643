"""The end of what a job left running whose supervisor could not bring it to one (design R3, R11).

A job that is given up is reported as failed at once: its script must not go on, unseen, until the
wrapper's deadline. Only what the journal, the claims and the marker name is killed.
"""

from __future__ import annotations

import contextlib
import logging
import signal
from collections.abc import Iterator, Mapping
from typing import Any, Final

from pyrunner.errors import JobDirError
from pyrunner.jobdir.control import ControlDir
from pyrunner.jobdir.journal import JobStateRecord, load_state
from pyrunner.jobdir.record import JobRecord, job_marker
from pyrunner.system.cgroup import JobCgroup
from pyrunner.system.files import read_json
from pyrunner.system.process import ProcessIdentity, boot_id
from pyrunner.system.proctree import find_job_processes, kill_tree

_log: Final = logging.getLogger(__name__)

#: How long killing may take, seconds: what waits in the kernel for a device cannot be killed.
_PATIENCE: Final = 5.0


def reap(control: ControlDir) -> bool:
    """Kill the processes of a job that nobody works on; tell whether none is left. Takes seconds.

    :raises OSError: when the job's files cannot be read.
    :raises JobDirError: when they make no sense: then nothing is killed.
    """
    state = load_state(control.state)
    if state is None or not _is_of_this_boot(state):
        return True  # nothing was begun, or nothing of it can live
    record = JobRecord.load(control.job)
    marker = job_marker(control.path, record.received_at)
    wrappers = list(_wrappers(control))

    def living() -> list[ProcessIdentity]:
        # Not the wrappers: orphans would go to somebody of whom nobody knows that they are the job's.
        found = {one for wrapper in (*wrappers, None) for one in find_job_processes(marker, wrapper)}
        return sorted(found.difference(wrappers), key=lambda one: one.start_time)

    none_left = True
    for group in _groups(state):
        with contextlib.suppress(FileNotFoundError):
            none_left = group.kill(_PATIENCE) and none_left
    none_left = not kill_tree(living, _PATIENCE) and none_left
    for wrapper in wrappers:
        wrapper.send(signal.SIGKILL)
    return none_left


def _is_of_this_boot(state: JobStateRecord) -> bool:
    boots = {one.get("boot_id") for one in state.begun.values() if isinstance(one, dict)}
    return boot_id() in {*boots, state.boot_id}


def _wrappers(control: ControlDir) -> Iterator[ProcessIdentity]:
    for claim in control.path.glob("claim.*"):
        try:
            wrapper = ProcessIdentity.from_dict(read_json(claim))
        except (FileNotFoundError, JobDirError):
            continue  # void
        if wrapper.alive():
            yield wrapper


def _groups(state: JobStateRecord) -> Iterator[JobCgroup]:
    for value in (*state.begun.values(), *state.steps.values()):
        identity: Any = value.get("identity") if isinstance(value, Mapping) else None
        group = identity.get("cgroup") if isinstance(identity, Mapping) else None
        if group:
            try:
                yield JobCgroup.from_dict(group)
            except JobDirError as error:
                _log.warning("%s; nothing is killed by it", error)
