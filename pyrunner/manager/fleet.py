"""The runners of a configuration, each with its folder, that folder's lock, its slots and its link."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pyrunner.config.model import RunnerConfig
from pyrunner.errors import JobDirError, PyrunnerError
from pyrunner.jobdir.layout import Business
from pyrunner.manager.business import assign_businesses, remember_token
from pyrunner.manager.link import Link, Links
from pyrunner.manager.room import shortage
from pyrunner.manager.slots import Slots
from pyrunner.system.files import make_private
from pyrunner.system.lock import OpenFileLock

_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ActiveRunner:
    """One ``[[runners]]`` entry at work."""

    #: The business's folder: stays the same over reloads.
    key: str
    link: Link
    slots: Slots

    def shortage(self) -> str:
        """Return why the disk has no room for another job; empty when it has (:mod:`.room`)."""
        return shortage(self.slots.business.path, self.link.config.tristan.min_free)


@dataclass(frozen=True, slots=True)
class _Hold:
    lock: OpenFileLock
    slots: Slots


class Fleet:
    """All businesses that this manager works in; one manager a business (design R5)."""

    def __init__(self, environ: Mapping[str, str], uid: int, links: Links) -> None:
        self._environ = environ
        self._uid = uid
        self._links = links
        self._holds: dict[Path, _Hold] = {}
        self.runners: dict[str, ActiveRunner] = {}

    def load(
        self,
        configs: Sequence[RunnerConfig],
        strict: bool = False,
        in_use: Callable[[Business], bool] = lambda _: True,
    ) -> None:
        """Take over the entries of a configuration.

        :param strict: refuse to work at all when one business has another manager.
        :param in_use: tells whether a business that is not configured any more still has jobs.
        :raises PyrunnerError: when a root cannot be used; or, if strict, naming the other manager.
        """
        businesses = assign_businesses(configs, self._environ, self._uid)
        runners: dict[str, ActiveRunner] = {}
        for config, business in zip(configs, businesses, strict=True):
            try:
                hold = self._hold(business)
            except PyrunnerError as error:
                if strict:
                    raise
                fields = {"runner": config.short_token, "runner_name": config.name}
                _log.error("%s; this runner is not polled", error, extra={"fields": fields})
                continue
            key = str(business.path)
            runners[key] = ActiveRunner(key, self._links.link(config), hold.slots)
        self.runners = runners
        for path in [path for path in self._holds if str(path) not in runners]:
            if not in_use(self._holds[path].slots.business):
                self._holds.pop(path).lock.close()

    def slots(self) -> list[Slots]:
        """Return the slots of every business that is held."""
        return [hold.slots for hold in self._holds.values()]

    def adopt_orphans(self) -> None:
        """Take over businesses of runners that were removed while their results were on the way."""
        for root in {slots.business.root for slots in self.slots()}:
            for business in _with_pending_jobs(root):
                if business.path in self._holds:
                    continue
                try:
                    self._hold(business)
                except PyrunnerError:
                    continue  # another manager's
                _log.warning("finishing the jobs of %s, which no [[runners]] entry uses", business.path)

    def token_changed(self, runner: ActiveRunner, token: str) -> None:
        """A runner has a new token: its folder stays the same."""
        try:
            remember_token(runner.slots.business, runner.link.config, token)
        except JobDirError as error:
            _log.error("%s", error, extra={"fields": runner.link.log_fields})

    def close(self) -> None:
        """Let others work here."""
        for hold in self._holds.values():
            hold.lock.close()
        self._holds.clear()

    def _hold(self, business: Business) -> _Hold:
        held = self._holds.get(business.path)
        if held is not None:
            return held
        make_private(business.path)
        try:
            lock = OpenFileLock.take(business.lock)
            if lock is None:
                raise PyrunnerError(
                    f"another runner manager (process {_holder(business.lock)}) works in {business.path}; "
                    "stop it first, or give this one another [runners.tristan] root or business_id"
                )
            os.ftruncate(lock.fd, 0)
            os.pwrite(lock.fd, f"{os.getpid()}\n".encode(), 0)
        except OSError as error:
            raise JobDirError(f"cannot lock {business.lock}: {error.strerror}") from error
        hold = _Hold(lock, Slots(business))
        self._holds[business.path] = hold
        return hold


def _holder(path: Path) -> str:
    try:
        text = path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        text = ""
    return text if text.isdecimal() else "unknown"


def _with_pending_jobs(root: Path) -> Iterator[Business]:
    try:
        names = sorted(entry.name for entry in root.iterdir() if entry.is_dir())
    except OSError:
        return
    for name in names:
        business = Business(root, name)
        try:
            if any(business.pending.iterdir()):
                yield business
        except OSError:
            continue
