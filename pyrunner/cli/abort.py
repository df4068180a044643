"""``abort``: stop running jobs by an order in their control directory (design R7).

The job ends at once, without after_script, and is reported as failed. The order also holds for a
job whose supervisor is started again later.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final

from pyrunner.cli.config_file import ConfigFile
from pyrunner.cli.flags import CONFIG, Flag, Kind
from pyrunner.cli.group import Invocation, RunnerCommand
from pyrunner.cli.running_jobs import RunningJob, running_jobs
from pyrunner.errors import JobDirError, UsageError
from pyrunner.jobdir.control import ControlDir
from pyrunner.jobdir.orders import Order, give_order

_log = logging.getLogger(__name__)

_ALL: Final = Flag(("all",), Kind.BOOLEAN, help="Stop every running job")
_REASON: Final = Flag(
    ("reason",), default="stopped by operator", help="What the job's log says, after 'aborted: '"
)

_Job = tuple[RunningJob, ControlDir]


def run(invocation: Invocation) -> int:
    """Give the orders.

    :raises UsageError: when no job is named, or a name does not fit exactly one running job.
    :raises JobDirError: when this user may not give orders.
    """
    values = invocation.values
    config = ConfigFile.of(invocation).load()
    jobs = [one for one in running_jobs(config, invocation.session.environ) if not one[0].finished]
    for job, control in chosen(jobs, invocation.rest, values.flag(_ALL.name)):
        reason = " ".join(values.text(_REASON.name).split())
        try:
            given = give_order(control, Order.INTERRUPT, reason)
        except OSError as error:
            raise JobDirError(f"cannot give an order to job {job.job}: {error}") from None
        fields = {"job": job.job, "business": job.business}
        if not given:
            _log.info("Job is being aborted already", extra={"fields": fields})
        elif job.alive:
            _log.info("Aborting job", extra={"fields": fields})
        else:
            _log.warning(
                "Job has no living supervisor; it is aborted when the runner manager takes it up again",
                extra={"fields": fields},
            )
    return 0


def chosen(jobs: Sequence[_Job], names: Sequence[str], every: bool) -> list[_Job]:
    """Return the jobs that ``names`` name: ``JOB``, or ``BUSINESS/JOB`` where an id is not unique.

    :raises UsageError: when nothing is named, or a name does not fit exactly one job.
    """
    if every == bool(names):
        raise UsageError("name the jobs to abort by their id (see ps), or give --all instead")
    if every:
        return list(jobs)
    found: list[_Job] = []
    for name in names:
        business, _, number = name.rpartition("/")
        matches = [one for one in jobs if str(one[0].job) == number and business in ("", one[0].business)]
        if not matches:
            raise UsageError(f"no running job {name}; ps shows which there are")
        if len(matches) > 1:
            choices = ", ".join(f"{one.business}/{one.job}" for one, _ in matches)
            raise UsageError(f"job {name} is not unique; say which: {choices}")
        found += matches
    return found


COMMAND: Final = RunnerCommand(
    "abort", run, (CONFIG, _ALL, _REASON), help="stop running jobs", usage="JOB... | --all"
)
