"""One service under systemd, from its installation to its end (config-and-commands.md 2.6)."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from enum import Enum
from pathlib import Path
from typing import Final

from pyrunner.errors import ServiceError
from pyrunner.service.calls import Run, Systemctl, run_command
from pyrunner.service.description import ServiceDescription
from pyrunner.service.unit import MARK, render_unit
from pyrunner.system.files import make_passable, write_atomic

_log: Final = logging.getLogger(__name__)

_SYSTEM_UNITS: Final = Path("/etc/systemd/system")
#: What gitlab-runner writes into a unit of its own.
_GITLAB_RUNNER_MARK: Final = "Description=GitLab Runner"
#: Seconds between two looks at a service that is coming to its end.
_LOOK_EVERY: Final = 0.25
#: Main process 0: none.
_NO_PROCESS: Final = ("", "0")


class State(Enum):
    """How a service is doing; the value is what ``status`` prints."""

    RUNNING = "Service is running"
    STOPPED = "Service has stopped"
    NOT_INSTALLED = "the service is not installed"


class Stop(Enum):
    """What a stop means for the jobs; the value is the signal to the manager (design R7)."""

    #: They go on; the next start takes them up.
    DETACH = "SIGTERM"
    #: No new ones; the running ones are waited for.
    WAIT = "SIGQUIT"
    #: They are aborted and reported.
    ABORT = "SIGINT"


class Service:
    """A service by its name.

    :param for_user: of this user, not of the machine.
    :param units: folder of the units that administrators, or the user, write.
    """

    def __init__(
        self,
        name: str,
        for_user: bool,
        environ: Mapping[str, str],
        *,
        run: Run = run_command,
        units: Path | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.name = name
        self.unit = f"{name}.service"
        self.systemctl = Systemctl(for_user, environ, run)
        self._for_user = for_user
        self._units = units or (_user_units(environ) if for_user else _SYSTEM_UNITS)
        self._sleep = sleep

    @property
    def path(self) -> Path:
        """Where the unit is written."""
        return self._units / self.unit

    def install(self, description: ServiceDescription) -> None:
        """Write the unit and have it started with the system, or with the user's first login.

        :raises ServiceError: when there is a unit of this name already, or it cannot be written or enabled.
        :raises UsageError: when a path or name cannot stand in a unit.
        """
        if self.path.exists() or self.path.is_symlink():
            raise ServiceError(f"Init already exists: {self.path}")
        text = render_unit(description)
        try:
            make_passable(self._units)
            write_atomic(self.path, text.encode(), mode=0o644)
        except OSError as error:
            raise ServiceError(f"cannot write {self.path}: {error.strerror}") from None
        try:
            self.systemctl.do("daemon-reload")
            self.systemctl.do("enable", "--quiet", self.unit)
        except ServiceError:
            # All or nothing: what is left behind would be in the way of the next try.
            self.path.unlink(missing_ok=True)
            raise

    def uninstall(self) -> None:
        """Take the unit away; what runs goes on running.

        :raises ServiceError: when there is none, or it is not ours to remove.
        """
        try:
            text = self.path.read_text(errors="replace")
        except FileNotFoundError:
            raise ServiceError(self._why_not_removable()) from None
        except OSError as error:
            raise ServiceError(f"cannot read {self.path}: {error.strerror}") from None
        if MARK not in text and _GITLAB_RUNNER_MARK not in text:
            raise ServiceError(f"{self.path} is not a runner's unit; remove it by hand if it has to go")
        self.systemctl.do("disable", "--quiet", self.unit)
        try:
            self.path.unlink(missing_ok=True)
        except OSError as error:
            raise ServiceError(f"cannot remove {self.path}: {error.strerror}") from None
        self.systemctl.do("daemon-reload")

    def start(self) -> None:
        """Start it, and return when it polls.

        :raises ServiceError: when it does not start.
        """
        self.systemctl.do("start", self.unit)

    def restart(self) -> None:
        """Stop and start it; its jobs do not notice.

        :raises ServiceError: when it does not start.
        """
        self.systemctl.do("restart", self.unit)

    def stop(self, how: Stop = Stop.DETACH) -> None:
        """Stop it, and return when its manager has ended.

        :raises ServiceError: when there is no such service, or it cannot be stopped.
        """
        if how is not Stop.DETACH:
            self._end_by_signal(how)
        # Also ends a start that was to follow, and says so when there is no such service.
        self.systemctl.do("stop", self.unit)

    def state(self) -> State:
        """Return how it is doing.

        :raises ServiceError: when systemd cannot be asked.
        """
        shown = self.systemctl.properties(self.unit, "LoadState", "ActiveState")
        if shown["LoadState"] == "not-found" and shown["ActiveState"] in ("", "inactive"):
            return State.NOT_INSTALLED
        running = shown["ActiveState"] in ("active", "activating", "reloading")
        return State.RUNNING if running else State.STOPPED

    def _end_by_signal(self, how: Stop) -> None:
        process = self._main_process()
        if process in _NO_PROCESS:
            return
        self.systemctl.do("kill", f"--signal={how.value}", "--kill-who=main", self.unit)
        if how is Stop.WAIT:
            _log.info(
                "Waiting for running jobs to end; Ctrl-C ends this command, not the wait of the service"
            )
        while self._main_process() == process:
            self._sleep(_LOOK_EVERY)

    def _main_process(self) -> str:
        return self.systemctl.properties(self.unit, "MainPID")["MainPID"]

    def _why_not_removable(self) -> str:
        where = self.systemctl.properties(self.unit, "FragmentPath")["FragmentPath"]
        if not where:
            return State.NOT_INSTALLED.value
        return f"{where} belongs to a package; remove the package, or: systemctl disable --now {self.unit}"


def _user_units(environ: Mapping[str, str]) -> Path:
    chosen, home = environ.get("XDG_CONFIG_HOME", ""), environ.get("HOME", "")
    folder = chosen or (f"{home}/.config" if home else "")
    if not folder.startswith("/"):
        raise ServiceError("a user's service needs a home folder; set HOME")
    return Path(folder) / "systemd" / "user"
