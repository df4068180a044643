"""The entry of ``pyrunner``: which commands there are, and how an error becomes an exit code.

Exit codes are 0 for success, 1 for every FATAL or PANIC line, 2 for a bug of ours, which shows its
traceback (config-and-commands.md 2.1).
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import MutableMapping, Sequence
from typing import Final, NoReturn

import click

from pyrunner.cli.arguments import stray_boolean
from pyrunner.cli.failure import CommandFailed, CommandPanicked
from pyrunner.cli.group import LazyCommand, LazyGroup
from pyrunner.cli.session import GLOBAL_FLAGS, Session, program_name, version_lines
from pyrunner.cli.values import Values
from pyrunner.errors import PyrunnerError, UsageError
from pyrunner.system.logs import FATAL, PANIC, configure_logging

_log = logging.getLogger(__name__)

#: What a shell reports for a program that Ctrl-C ended.
_INTERRUPTED: Final = 130

COMMANDS: Final = {
    "abort": LazyCommand("pyrunner.cli.abort", "stop running jobs", quiet=True),
    "artifacts-downloader": LazyCommand(
        "pyrunner.cli.helper_commands",
        "download and extract build artifacts (internal)",
        hidden=True,
        attribute="ARTIFACTS_DOWNLOADER",
    ),
    "artifacts-uploader": LazyCommand(
        "pyrunner.cli.helper_commands",
        "create and upload build artifacts (internal)",
        hidden=True,
        attribute="ARTIFACTS_UPLOADER",
    ),
    "cache-archiver": LazyCommand(
        "pyrunner.cli.helper_commands",
        "create and upload cache artifacts (internal)",
        hidden=True,
        attribute="CACHE_ARCHIVER",
    ),
    "cache-extractor": LazyCommand(
        "pyrunner.cli.helper_commands",
        "download and extract cache artifacts (internal)",
        hidden=True,
        attribute="CACHE_EXTRACTOR",
    ),
    "completion": LazyCommand(
        "pyrunner.cli.completion", "print the completion script of a shell", quiet=True
    ),
    "coordinator": LazyCommand(
        "pyrunner.cli.coordinator", "serve the embedded coordinator", hidden=True, quiet=True
    ),
    "demo": LazyCommand(
        "pyrunner.cli.demo",
        "run a small pipeline on this machine with no GitLab at all",
        quiet=True,
        attribute="demo",
    ),
    "doctor": LazyCommand(
        "pyrunner.cli.doctor", "examine this host and the way to GitLab, and say what to mend", quiet=True
    ),
    "exec": LazyCommand(
        "pyrunner.cli.exec.command", "run the pipeline of this working copy here", quiet=True
    ),
    "gc": LazyCommand("pyrunner.cli.gc", "make room: remove what was not used for longest", quiet=True),
    "install": LazyCommand("pyrunner.cli.service_install", "install service", attribute="INSTALL"),
    "lint": LazyCommand(
        "pyrunner.cli.lint",
        "examine a .gitlab-ci.yml, or config.toml when there is one and no file is given",
        quiet=True,
    ),
    "lint-config": LazyCommand(
        "pyrunner.cli.lint_config",
        "examine config.toml: wrong values, unknown keys, with their places",
        quiet=True,
    ),
    "list": LazyCommand("pyrunner.cli.listing", "List all configured runners"),
    "logs": LazyCommand("pyrunner.cli.logs", "show what jobs print", quiet=True),
    "manual": LazyCommand("pyrunner.cli.manual", "print the manual page", hidden=True, quiet=True),
    "migrate": LazyCommand(
        "pyrunner.cli.migrate", "switch this host from gitlab-runner to pyrunner, or back", quiet=True
    ),
    "ps": LazyCommand("pyrunner.cli.ps", "show the jobs now running", quiet=True),
    "register": LazyCommand("pyrunner.cli.register", "register a new runner"),
    "reset-token": LazyCommand("pyrunner.cli.reset_token", "reset a runner's token"),
    "restart": LazyCommand("pyrunner.cli.service", "restart service", attribute="RESTART"),
    # the manager writes the line about the platform itself
    "run": LazyCommand("pyrunner.cli.run", "run multi runner service", quiet=True),
    "run-single": LazyCommand("pyrunner.cli.run_single", "start single runner"),
    "start": LazyCommand("pyrunner.cli.service", "start service", attribute="START"),
    "status": LazyCommand("pyrunner.cli.service", "get status of a service", attribute="STATUS"),
    "stop": LazyCommand("pyrunner.cli.service", "stop service", attribute="STOP"),
    "supervise": LazyCommand("pyrunner.cli.supervise", "drive one job", hidden=True, quiet=True),
    "top": LazyCommand("pyrunner.cli.top", "show what running jobs do and use", quiet=True),
    "uninstall": LazyCommand("pyrunner.cli.service", "uninstall service", attribute="UNINSTALL"),
    "unregister": LazyCommand("pyrunner.cli.unregister", "unregister specific runner"),
    "verify": LazyCommand("pyrunner.cli.verify", "verify all registered runners"),
}


def main() -> NoReturn:
    """Run the command line of this process and exit."""
    sys.exit(run(sys.argv[1:], os.environ, program_name(sys.argv[0])))


def run(arguments: Sequence[str], environ: MutableMapping[str, str], program: str = "pyrunner") -> int:
    """Run one command line and return its exit code."""
    configure_logging()
    group = LazyGroup(
        COMMANDS, GLOBAL_FLAGS, version=version_lines, start=lambda *opening: _start(arguments, *opening)
    )
    try:
        code = group.main(
            list(arguments), prog_name=program, standalone_mode=False, obj=Session(environ, program)
        )
    except CommandFailed as error:
        level = PANIC if isinstance(error, CommandPanicked) else FATAL
        _log.log(level, "%s", error, extra={"fields": error.fields})
        return 1
    except (PyrunnerError, click.ClickException) as error:
        _log.log(FATAL, "%s", error)
        return 1
    except click.Abort:
        return _INTERRUPTED
    except Exception:  # noqa: BLE001 - the last resort, with its traceback
        _log.exception("This is a bug in pyrunner; please report it with the lines below")
        return 2
    return code if isinstance(code, int) else 0


def _start(arguments: Sequence[str], session: Session, values: Values, command: LazyCommand | None) -> None:
    try:
        session.set_up_logging(values)
    except UsageError as error:
        raise CommandFailed("Error while setting up logging configuration", error=str(error)) from None
    if stray := stray_boolean(arguments):
        _log.warning("boolean parameters must be passed in the command line with %s=%s", *stray)
        _log.warning("parameters after this may be ignored")
    for flag in GLOBAL_FLAGS:
        if flag.ignored and values.is_set(flag.name):
            _log.warning("--%s has no effect: pyrunner does not have that feature", flag.name)
    session.fix_home()
    if command is None or not command.quiet:
        session.log_runtime_platform()
