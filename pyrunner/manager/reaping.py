"""The end of what a job left running whose supervisor could not bring it to one (design R3, R11).

A job that is given up is reported as failed at once: its script must not go on, unseen, until the
wrapper's deadline. Only what the journal, the claims and the marker name is killed.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Any, Final

from pyrunner.errors import JobDirError
from pyrunner.executors.tree import HostTree, job_marker
from pyrunner.jobdir.control import ControlDir
from pyrunner.jobdir.journal import JobStateRecord, load_state
from pyrunner.jobdir.record import JobRecord
from pyrunner.system.cgroup import JobCgroup
from pyrunner.system.process import boot_id

_log: Final = logging.getLogger(__name__)


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
    groups = list(_groups(state))
    left = False
    claims = sorted(control.path.glob("claim.*")) or [control.path / "claim"]
    for claim in claims:
        tree = HostTree(None, marker, claim, groups)
        if tree.alive():
            tree.kill()
            left = tree.alive() or left
        tree.abandon()
        groups = []  # once is enough
    return not left


def _is_of_this_boot(state: JobStateRecord) -> bool:
    boots = {one.get("boot_id") for one in state.begun.values() if isinstance(one, dict)}
    return boot_id() in {*boots, state.boot_id}


def _groups(state: JobStateRecord) -> Iterator[JobCgroup]:
    for value in (*state.begun.values(), *state.steps.values()):
        identity: Any = value.get("identity") if isinstance(value, Mapping) else None
        group = identity.get("cgroup") if isinstance(identity, Mapping) else None
        if group:
            try:
                yield JobCgroup.from_dict(group)
            except JobDirError as error:
                _log.warning("%s; nothing is killed by it", error)
