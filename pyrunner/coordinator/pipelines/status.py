"""States of jobs and pipelines, and the state of many jobs together (gitlab-ci-yml.md 6.1, 6.2)."""

from __future__ import annotations

from collections.abc import Iterable, Set
from enum import StrEnum
from typing import Final


class Status(StrEnum):
    """States as GitLab names them."""

    CREATED = "created"
    WAITING_FOR_RESOURCE = "waiting_for_resource"
    PREPARING = "preparing"
    WAITING_FOR_CALLBACK = "waiting_for_callback"
    PENDING = "pending"
    RUNNING = "running"
    CANCELING = "canceling"
    MANUAL = "manual"
    SCHEDULED = "scheduled"
    SUCCESS = "success"
    FAILED = "failed"
    CANCELED = "canceled"
    SKIPPED = "skipped"


#: What a job is when nothing more happens to it by itself.
FINISHED: Final = frozenset({Status.SUCCESS, Status.FAILED, Status.CANCELED, Status.SKIPPED})
#: A job that has these goes on by itself; ``created`` and ``manual`` wait for others.
ACTIVE: Final = frozenset(
    {
        Status.WAITING_FOR_RESOURCE,
        Status.PREPARING,
        Status.WAITING_FOR_CALLBACK,
        Status.PENDING,
        Status.RUNNING,
        Status.CANCELING,
        Status.SCHEDULED,
    }
)
#: A runner may have the job.
HANDED_OUT: Final = frozenset({Status.PENDING, Status.RUNNING, Status.CANCELING})
#: What can be cancelled.
CANCELABLE: Final = (ACTIVE - {Status.CANCELING}) | {Status.CREATED, Status.MANUAL}

#: A failure that is allowed: success with warnings.
WARN: Final = "warn"
#: A manual job that nobody has to play.
IGNORED: Final = "ignored"


def counted(status: Status, allow_failure: bool) -> str:
    """Return what a job counts as within a composite."""
    if allow_failure and status in (Status.FAILED, Status.CANCELED):
        return WARN
    if allow_failure and status is Status.MANUAL:
        return IGNORED
    return str(status)


_QUIET: Final = frozenset({Status.SKIPPED, IGNORED})
_PASSED: Final = _QUIET | {Status.SUCCESS, WARN}
#: "Only these, and at least one of them is the result itself", in order.
_ONLY: Final = (
    (_QUIET, Status.SKIPPED),
    (_PASSED, Status.SUCCESS),
    (frozenset({Status.CREATED, WARN, IGNORED}), Status.CREATED),
    (frozenset({Status.PREPARING, WARN, IGNORED}), Status.PREPARING),
    (_PASSED | {Status.CANCELED}, Status.CANCELED),
    (frozenset({Status.PENDING, Status.CREATED, Status.SKIPPED, WARN, IGNORED}), Status.PENDING),
)
#: "Any of these", in order.
_ANY: Final = (
    (Status.RUNNING, Status.RUNNING),
    (Status.PENDING, Status.RUNNING),
    (Status.WAITING_FOR_RESOURCE, Status.WAITING_FOR_RESOURCE),
    (Status.WAITING_FOR_CALLBACK, Status.WAITING_FOR_CALLBACK),
    (Status.MANUAL, Status.MANUAL),
    (Status.SCHEDULED, Status.SCHEDULED),
    (Status.PREPARING, Status.PREPARING),
    (Status.CREATED, Status.RUNNING),
    (Status.CANCELING, Status.CANCELING),
)


def composite(values: Set[str], by_needs: bool = False) -> Status:
    """Return the state of jobs together; ``values`` is the set of what each is :func:`counted` as.

    :param by_needs: they are the needs of a job: one that was skipped skips it.
    """
    if not values:
        return Status.SUCCESS
    if by_needs and values & _QUIET:
        return Status.SKIPPED
    for allowed, result in _ONLY:
        if values <= allowed:
            return result
    for one, result in _ANY:
        if one in values:
            return result
    return Status.FAILED


def status_of(jobs: Iterable[tuple[Status, bool]], by_needs: bool = False) -> Status:
    """Return the composite of jobs given as (state, allow_failure)."""
    return composite({counted(*one) for one in jobs}, by_needs)
