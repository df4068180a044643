"""``run``: the runner manager, in the foreground (config-and-commands.md 2.2)."""

from __future__ import annotations

import faulthandler
from pathlib import Path
from typing import Final

from pyrunner.cli.config_file import ConfigFile
from pyrunner.cli.flags import CONFIG, Flag, Kind
from pyrunner.cli.group import Invocation, RunnerCommand
from pyrunner.manager.app import ManagerOptions, run_manager
from pyrunner.system.syslog import log_to_syslog

_DIRECTORY: Final = Flag(("working-directory", "d"), help="Specify custom working directory")
_USER: Final = Flag(("user", "u"), help="Use specific user to execute shell scripts")
_LISTEN: Final = Flag(
    ("listen-address",), env="LISTEN_ADDRESS", help="Metrics / pprof server listening address"
)
_SERVICE: Final = Flag(("service", "n"), help="Name of the service in syslog", default="gitlab-runner")
_SYSLOG: Final = Flag(("syslog",), Kind.BOOLEAN, env="LOG_SYSLOG", help="Log to system service logger, too")


def run(invocation: Invocation) -> int:
    """Run the manager until it is told to stop; return its exit code."""
    session, values = invocation.session, invocation.values
    session.log_mode()
    if values.flag(_SYSLOG.name):
        log_to_syslog(values.text(_SERVICE.name))
    # systemd ends a manager that hangs with SIGABRT: its stacks say where.
    faulthandler.enable()
    return run_manager(
        ManagerOptions(
            config_path=ConfigFile.of(invocation).path,
            working_directory=Path(values.text(_DIRECTORY.name) or "."),
            user=values.text(_USER.name),
            listen_address=values.text(_LISTEN.name),
            log_level_fixed=session.log_level_fixed,
            log_format_fixed=session.log_format_fixed,
            environ=session.environ,
        )
    )


COMMAND: Final = RunnerCommand(
    "run",
    run,
    (CONFIG, _LISTEN, _SERVICE, _DIRECTORY, _USER, _SYSLOG),
    help="run multi runner service",
)
