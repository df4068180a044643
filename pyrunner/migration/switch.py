"""One service ends, the other begins, config.toml changes between the two - and all of it back again.

A record beside config.toml remembers how things were, so that the way back leads there, also after a crash
half-way; each step may be made again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from pyrunner.config.marked_lines import add_source_path, remove_marked
from pyrunner.config.rewrite import rewrite
from pyrunner.errors import JobDirError, PyrunnerError, ServiceError
from pyrunner.protocol.decode import decode
from pyrunner.service.control import Service, State, Stop
from pyrunner.service.description import ServiceDescription
from pyrunner.system.files import read_json, write_json

RECORD: Final = ".pyrunner-migration.json"


@dataclass(frozen=True)
class Before:
    """How the host was before the way there."""

    active: bool = True
    enabled: bool = True
    #: Our unit was there already, and stays on the way back.
    unit_existed: bool = True


class Switch:
    """Both directions for one config.toml.

    :param old: gitlab-runner's service; None: services are left alone.
    :param new: ours; None with ``old``.
    :param say: tells the user what is being done.
    """

    def __init__(
        self, config: Path, old: Service | None, new: Service | None, say: Callable[[str], None]
    ) -> None:
        self._config = config
        self._record = config.resolve().parent / RECORD
        self._old = old
        self._new = new
        self._say = say

    def there(self, before: Before, chosen: list[int], description: ServiceDescription | None) -> None:
        """End gitlab-runner after its jobs, change the file, install and start pyrunner.

        When pyrunner does not start, everything is put back.

        :param before: as things are; an earlier record of a way that was not finished counts more.
        :param chosen: entries that get ``source_path = "slot"``.
        :param description: of our unit, where it has to be made; one in the folder of administrators comes
            before a package's of the same name.
        :raises PyrunnerError: when a step fails; gitlab-runner then runs as before.
        """
        before = self._recorded() or before
        write_json(self._record, asdict(before))
        try:
            self._end(self._old, "gitlab-runner")
            rewrite(self._config, lambda old: add_source_path(old or b"", chosen, str(self._config)))
            self._begin(description)
        except PyrunnerError as error:
            self._say("That failed; putting everything back.")
            with contextlib.suppress(ServiceError):
                self._end(self._new, "pyrunner", how=Stop.DETACH)
            self._restore(before)
            raise ServiceError(f"nothing has changed: {error}") from None

    def back(self) -> None:
        """End pyrunner after its jobs, take our lines out of the file, start gitlab-runner as it was.

        :raises PyrunnerError: when a step fails.
        """
        before = self._recorded() or Before()
        self._end(self._new, "pyrunner")
        self._restore(before)

    def _restore(self, before: Before) -> None:
        if self._new is not None and not before.unit_existed and self._new.path.exists():
            self._say(f"Removing {self._new.path}.")
            self._new.uninstall()
        if self._config.exists():
            rewrite(self._config, lambda old: remove_marked(old or b"", str(self._config)))
        if self._old is not None:
            if before.enabled:
                self._old.systemctl.do("enable", "--quiet", self._old.unit)
            if before.active:
                self._say("Starting gitlab-runner.")
                self._old.start()
        self._record.unlink(missing_ok=True)

    def _end(self, service: Service | None, name: str, how: Stop = Stop.WAIT) -> None:
        if service is None or service.state() is State.NOT_INSTALLED:
            return
        if service.state() is State.RUNNING:
            self._say(f"Stopping {name}: no more jobs; running ones are waited for.")
            service.stop(how)
        service.systemctl.do("disable", "--quiet", service.unit)

    def _begin(self, description: ServiceDescription | None) -> None:
        if self._new is None:
            return
        if description is not None and not self._new.path.exists():
            self._say(f"Installing {self._new.path}.")
            self._new.install(description)
        else:
            self._new.systemctl.do("enable", "--quiet", self._new.unit)
        self._say("Starting pyrunner.")
        self._new.start()
        if self._new.state() is not State.RUNNING:
            raise ServiceError(
                f"{self._new.unit} has ended again; see journalctl --unit {self._new.unit} --lines 30"
            )

    def _recorded(self) -> Before | None:
        try:
            return decode(Before, read_json(self._record))
        except FileNotFoundError:
            return None
        except PyrunnerError as error:
            raise JobDirError(f"{self._record}: {error}; remove the file to go on without it") from None
