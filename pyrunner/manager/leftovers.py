"""What jobs that no longer exist have left outside their folders is removed when a business is opened.

A container engine is asked by a process of its own: the manager does without the engine's library.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

from pyrunner.errors import PyrunnerError
from pyrunner.executors.tree import cgroup_prefix
from pyrunner.jobdir.index import pending_jobs
from pyrunner.jobdir.layout import Business
from pyrunner.manager.calls import Calls
from pyrunner.manager.fleet import ActiveRunner
from pyrunner.manager.mailbox import Mailbox
from pyrunner.system.cgroup import sweep

_log: Final = logging.getLogger(__name__)

#: Seconds that an engine has for all of it.
_PATIENCE: Final = 600.0
_PROGRAM: Final = (
    "import runpy, sys; p = sys.argv.pop(1); p in sys.path or sys.path.insert(0, p); "
    "runpy.run_module('pyrunner.executors.docker.leftovers', run_name='__main__')"
)


class Leftovers:
    """Looks after each business once, in the background."""

    def __init__(self, mailbox: Mailbox, environ: Mapping[str, str]) -> None:
        self._calls = Calls(mailbox, "leftovers", 1)
        self._environ = environ
        self._seen: set[str] = set()

    def look(self, runners: Iterable[ActiveRunner]) -> None:
        """Begin with those that are new."""
        for runner in runners:
            if runner.key in self._seen:
                continue
            self._seen.add(runner.key)
            business = runner.slots.business
            self._submit(business, lambda business=business: _sweep_groups(business))  # type: ignore[misc]
            if runner.link.config.executor == "docker":
                self._submit(business, lambda runner=runner: self._ask_engine(runner))  # type: ignore[misc]

    def _submit(self, business: Business, work: Callable[[], None]) -> None:
        self._calls.submit(
            work,
            lambda _: None,
            lambda error: _log.warning("leftovers of %s cannot be removed: %s", business.path, error),
        )

    def _ask_engine(self, runner: ActiveRunner) -> None:
        request = {"business": str(runner.slots.business.path), "runner": runner.link.config.to_dict()}
        package_parent = str(Path(__file__).resolve().parents[2])
        answer = subprocess.run(
            [sys.executable, "-P", "-c", _PROGRAM, package_parent],
            input=json.dumps(request),
            env=dict(self._environ),
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
        )
        if answer.returncode:
            raise PyrunnerError(answer.stderr.strip()[-500:] or f"exit code {answer.returncode}")
        for line in answer.stdout.splitlines():
            _log.warning("%s", line, extra={"fields": runner.link.log_fields})


class _OfPendingJobs:
    """Names of control groups that a job has, or may be about to enter."""

    def __init__(self, business: Business) -> None:
        self._business = business

    def __contains__(self, name: object) -> bool:
        prefix = cgroup_prefix(str(self._business.path))
        ids = {str(one.job_id) for one in pending_jobs(self._business)}
        return str(name).removeprefix(prefix).partition("-")[0] in ids


def _sweep_groups(business: Business) -> None:
    """Remove empty control groups of jobs whose supervisor died with the machine's service."""
    removed = sweep(cgroup_prefix(str(business.path)), _OfPendingJobs(business))
    if removed:
        _log.info("%d control groups of former jobs removed", removed)
