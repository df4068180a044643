"""``install``, ``uninstall``, ``start``, ``stop``, ``restart``, ``status`` (config-and-commands.md 2.6)."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final

import click

from pyrunner.cli.failure import CommandFailed
from pyrunner.cli.flags import Flag, Kind
from pyrunner.cli.group import Invocation, RunnerCommand
from pyrunner.cli.session import Session
from pyrunner.errors import ServiceError, UsageError
from pyrunner.service.control import Service, State, Stop
from pyrunner.service.description import check_service_name
from pyrunner.service.host import require_systemd

#: The only name under which the service is gitlab-runner's: two of one name would be one.
_UPSTREAM: Final = "gitlab-runner"
_OWN: Final = "pyrunner"

SERVICE: Final = Flag(
    ("service", "n"),
    help=f"Specify service name to use (default: {_OWN}; {_UPSTREAM} when called by that name)",
)
USER_SERVICE: Final = Flag(
    ("user-service",),
    Kind.BOOLEAN,
    help="Manage a service of this user; without root there is no other",
)
_ABORT: Final = Flag(("abort",), Kind.BOOLEAN, help="Abort the running jobs and report them")
_WAIT: Final = Flag(("wait",), Kind.BOOLEAN, help="Wait for the running jobs to end")


def service_of(invocation: Invocation) -> Service:
    """Return the service that a command is about: the machine's for root, else this user's.

    :raises CommandFailed: when root asks for a user's service.
    :raises UsageError: for a name that is none.
    """
    if os.getuid() == 0 and invocation.values.flag(USER_SERVICE.name):
        raise CommandFailed(
            "root has no services of its own kind: run this as the user, or without --user-service"
        )
    return Service(service_name(invocation), os.getuid() != 0, invocation.session.environ)


def service_name(invocation: Invocation) -> str:
    """Return the name of the service.

    :raises UsageError: for one that is none.
    """
    return check_service_name(invocation.values.text(SERVICE.name) or _default_name(invocation.session))


def attempt(verb: str, service: Service, work: Callable[[], None]) -> int:
    """Do something with a service; return the exit code.

    :raises CommandFailed: in gitlab-runner's words when it fails.
    """
    try:
        require_systemd()
        work()
    except (ServiceError, UsageError) as error:
        raise CommandFailed(f"Failed to {verb} {service.name}: {error}") from None
    return 0


def uninstall(invocation: Invocation) -> int:
    """Remove the unit; what runs goes on."""
    service = service_of(invocation)
    return attempt("uninstall", service, service.uninstall)


def start(invocation: Invocation) -> int:
    """Start the service."""
    service = service_of(invocation)
    return attempt("start", service, service.start)


def restart(invocation: Invocation) -> int:
    """Restart the service; running jobs go on."""
    service = service_of(invocation)
    return attempt("restart", service, service.restart)


def stop(invocation: Invocation) -> int:
    """Stop the service; running jobs go on unless told otherwise."""
    service = service_of(invocation)
    values = invocation.values
    if values.flag(_ABORT.name) and values.flag(_WAIT.name):
        raise UsageError("--abort and --wait exclude each other")
    how = Stop.ABORT if values.flag(_ABORT.name) else Stop.WAIT if values.flag(_WAIT.name) else Stop.DETACH
    return attempt("stop", service, lambda: service.stop(how))


def status(invocation: Invocation) -> int:
    """Say how the service is doing: on standard output and 0 when it runs, else on standard error and 1."""
    service = service_of(invocation)
    try:
        require_systemd()
        state = service.state()
        words = state.value
    except ServiceError as error:
        state, words = State.NOT_INSTALLED, str(error)
    running = state is State.RUNNING
    click.echo(f"{service.name}: {words}", err=not running)
    return 0 if running else 1


def _default_name(session: Session) -> str:
    return _UPSTREAM if session.program == _UPSTREAM else _OWN


_COMMON: Final = (SERVICE, USER_SERVICE)
UNINSTALL: Final = RunnerCommand("uninstall", uninstall, _COMMON, help="uninstall service")
START: Final = RunnerCommand("start", start, _COMMON, help="start service")
STOP: Final = RunnerCommand("stop", stop, (*_COMMON, _ABORT, _WAIT), help="stop service; its jobs go on")
RESTART: Final = RunnerCommand("restart", restart, _COMMON, help="restart service; its jobs go on")
STATUS: Final = RunnerCommand("status", status, _COMMON, help="get status of a service")
