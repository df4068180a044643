"""Limits of the kernel that many jobs at once run into."""

from __future__ import annotations

import resource
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pyrunner.doctor.context import Context
from pyrunner.doctor.result import Result, ok, warning
from pyrunner.system.inotify import Inotify

#: Descriptors that a manager has open without jobs, and for each job, with room to spare.
_BASE: Final = 128
_PER_JOB: Final = 12
#: The manager's own, and some for whatever else the user runs.
_INSTANCES_BASE: Final = 16
_INSTANCES: Final = "proc/sys/fs/inotify/max_user_instances"


def check_descriptors(context: Context) -> Iterator[Result]:
    """Compare the limit of open files with what ``concurrent`` jobs take."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _BASE + _PER_JOB * context.config.concurrent
    shown = "no limit" if soft == resource.RLIM_INFINITY else str(soft)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        text = f"open files: {shown}, but concurrent = {context.config.concurrent} may need {wanted}"
        yield warning("limits", text, f"LimitNOFILE={wanted * 2} in the unit, or ulimit -n {wanted * 2}")
    else:
        yield ok("limits", f"open files: {shown} for this command; the service's limit is its unit's")


def check_inotify(context: Context) -> Iterator[Result]:
    """Try what each supervisor does; without it ends of stages are noticed later."""
    fix = "sysctl fs.inotify.max_user_instances=1024 (and in /etc/sysctl.d to keep it)"
    try:
        _watch_something()
    except OSError as error:
        text = f"inotify: {error.strerror}; jobs run, but each step's end is noticed later"
        yield warning("inotify", text, fix)
        return
    text = context.host.text(_INSTANCES)
    most = int(text) if text.isdecimal() else 0
    wanted = _INSTANCES_BASE + context.config.concurrent
    if most and most < wanted:
        said = (
            f"{most} inotify instances a user, but concurrent = {context.config.concurrent} may need {wanted}"
        )
        yield warning("inotify", said, fix)
    else:
        yield ok("inotify", f"works, {most or 'an unknown number of'} instances a user")


def _watch_something() -> None:
    with tempfile.TemporaryDirectory(prefix="pyrunner-doctor-") as folder:
        inotify = Inotify()
        try:
            inotify.add(Path(folder))
        finally:
            inotify.close()
