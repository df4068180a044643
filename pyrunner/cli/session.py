"""What one call of ``pyrunner`` knows before its command starts, and the lines it opens with (2.1)."""

from __future__ import annotations

import contextlib
import logging
import os
import pwd
import sys
import time
from collections.abc import MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pyrunner import COMPATIBLE_VERSION, __version__
from pyrunner.cli.flags import Flag, Kind
from pyrunner.cli.values import Values
from pyrunner.protocol.runner import REVISION, go_architecture, go_platform
from pyrunner.system.logs import DEFAULT_FORMAT, DEFAULT_LEVEL, configure_logging

_log = logging.getLogger(__name__)

#: The options before the command.
GLOBAL_FLAGS: Final = (
    Flag(("debug",), Kind.BOOLEAN, env="RUNNER_DEBUG", help="debug mode", empty_env_is_off=True),
    Flag(
        ("log-format",),
        env="LOG_FORMAT",
        help="Choose log format (options: runner, text, json)",
        choices=("runner", "text", "json"),
    ),
    Flag(
        ("log-level", "l"),
        env="LOG_LEVEL",
        help="Log level (options: debug, info, warn, error, fatal, panic)",
        choices=("debug", "info", "warn", "error", "fatal", "panic"),
    ),
    Flag(
        ("cpuprofile",),
        env="CPU_PROFILE",
        help="write cpu profile to file (accepted, not used)",
        ignored=True,
    ),
)


@dataclass
class Session:
    """One call of the program.

    :param environ: the process environment; ``HOME`` is added to it when it is missing.
    :param program: what the user called, for texts that say what to type.
    :param log_level_fixed: the level was chosen for this call, so that config.toml cannot change it.
    """

    environ: MutableMapping[str, str]
    program: str = "pyrunner"
    log_level_fixed: bool = False
    log_format_fixed: bool = False

    def set_up_logging(self, values: Values) -> None:
        """Apply the global options.

        :raises UsageError: for an unknown level or format.
        """
        self.log_level_fixed = values.is_set("log-level") or values.flag("debug")
        self.log_format_fixed = values.is_set("log-format")
        level = values.text("log-level") if values.is_set("log-level") else DEFAULT_LEVEL
        if values.flag("debug"):
            level = "debug"
        log_format = values.text("log-format") if self.log_format_fixed else DEFAULT_FORMAT
        configure_logging(log_format, level)

    def fix_home(self) -> None:
        """Set ``HOME`` from the user database where it is missing; a user without an entry goes without."""
        if not self.environ.get("HOME"):
            with contextlib.suppress(KeyError):
                self.environ["HOME"] = pwd.getpwuid(os.getuid()).pw_dir

    def log_runtime_platform(self) -> None:
        """Write the line every command of gitlab-runner starts with."""
        fields = {
            "arch": go_architecture(),
            "os": go_platform(),
            "pid": os.getpid(),
            "revision": REVISION,
            "version": version_text(),
        }
        _log.info("Runtime platform", extra={"fields": fields})

    def log_mode(self, with_run: bool = False) -> None:
        """Write in which mode the program runs.

        :param with_run: for a user, also say how jobs get processed.
        """
        uid = os.getuid()
        _log.debug("Checking runtime mode", extra={"fields": {"GOOS": go_platform(), "uid": uid}})
        if uid == 0:
            _log.info("Running in system-mode.")
        else:
            _log.warning("Running in user-mode.")
            if with_run:
                _log.warning("The user-mode requires you to manually start builds processing:")
                _log.warning("$ %s run", self.program)
            _log.warning("Use sudo for system-mode:")
            _log.warning("$ sudo %s...", self.program)
        _log.info("")


def program_name(argv0: str) -> str:
    """Return what to call the program in texts: the name it was started by, or ``pyrunner``."""
    name = Path(argv0).name
    return "pyrunner" if not name or name.endswith(".py") else name


def version_text() -> str:
    """Return the release whose behaviour is reproduced, and our own."""
    return f"{COMPATIBLE_VERSION} (pyrunner {__version__})"


def version_lines() -> str:
    """Return the six lines of ``--version``: gitlab-runner's labels, which tools read, and our values."""
    major, minor, _ = COMPATIBLE_VERSION.split(".")
    python = ".".join(str(number) for number in sys.version_info[:3])
    rows = (
        ("Version", version_text()),
        ("Git revision", REVISION),
        ("Git branch", f"{major}-{minor}-stable"),
        ("GO version", f"none (Python {python})"),
        ("Built", _built()),
        ("OS/Arch", f"{go_platform()}/{go_architecture()}"),
    )
    return "".join(f"{label + ':':<14}{value}\n" for label, value in rows)


def _built() -> str:
    """Return when this installation was written, as RFC 3339 in UTC."""
    written = Path(__file__).stat().st_mtime
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(written))
