"""``install``: a unit for this machine or this user (config-and-commands.md 2.6)."""

from __future__ import annotations

import logging
import math
import os
import pwd
import sys
from pathlib import Path
from typing import Final

import click

from pyrunner.cli.failure import CommandFailed
from pyrunner.cli.flags import Flag, Kind
from pyrunner.cli.group import Invocation, RunnerCommand
from pyrunner.cli.service import SERVICE, USER_SERVICE, attempt, service_name, service_of
from pyrunner.cli.values import Values
from pyrunner.config.edit import create_default
from pyrunner.config.load import load_config
from pyrunner.config.locations import CONFIG_FILE, config_folder
from pyrunner.config.model import Config
from pyrunner.errors import ServiceError, UsageError
from pyrunner.service.control import Service
from pyrunner.service.description import STOP_TIMEOUT, Credential, ServiceDescription
from pyrunner.service.host import own_program, require_systemd
from pyrunner.service.unit import render_unit

_log: Final = logging.getLogger(__name__)

#: gitlab-runner does not read ``CONFIG_FILE`` here, so neither do we.
_CONFIG: Final = Flag(("config", "c"), help="Specify custom config file")
_DIRECTORY: Final = Flag(
    ("working-directory", "d"), help="Specify custom root directory where all data are stored"
)
_SYSLOG: Final = Flag(
    ("syslog",), Kind.BOOLEAN, help="Setup system logging integration (the journal has it anyway)"
)
_USER: Final = Flag(("user", "u"), help="Run jobs of the shell executor as this user (root only)")
_INIT_USER: Final = Flag(("init-user", "i"), help="Run the service itself as this user (root only)")
_CREDENTIAL: Final = Flag(
    ("credential",),
    Kind.LIST,
    help="NAME:/PATH: have systemd read a secret for $NAME in config.toml; a *.cred is decrypted first",
)
_HARDENED: Final = Flag(
    ("hardened",), Kind.BOOLEAN, help="Fence the service in; for the docker executor only"
)
_PRINT: Final = Flag(("print",), Kind.BOOLEAN, help="Show the unit, and install nothing")

#: Executors whose jobs are not children of the service.
_ELSEWHERE: Final = ("docker", "docker+machine", "docker-autoscaler", "kubernetes")
_LINGERING: Final = Path("/var/lib/systemd/linger")


def install(invocation: Invocation) -> int:
    """Write the unit, enable it, and make a config.toml where there is none."""
    values = invocation.values
    service = service_of(invocation)
    if values.flag(_PRINT.name):
        click.echo(render_unit(_description(invocation, Config(), 0)), nl=False)
        return 0
    return attempt("install", service, lambda: _install(invocation, service))


def _install(invocation: Invocation, service: Service) -> None:
    require_systemd()
    path = _config_path(invocation.values)
    try:
        config = load_config(path, invocation.session.environ)
    except FileNotFoundError:
        config = Config()
    description = _description(invocation, config, service.systemctl.version())
    if description.hardened:
        _refuse_host_executors(config)
    if not description.working_directory.is_dir():
        raise ServiceError(f"there is no folder {description.working_directory} to work in; make it first")
    service.install(description)
    create_default(path)
    if description.for_user and not (_LINGERING / pwd.getpwuid(os.getuid()).pw_name).exists():
        _log.warning("The service ends with your last login; to have it run always: loginctl enable-linger")


def _description(invocation: Invocation, config: Config, systemd_version: int) -> ServiceDescription:
    values = invocation.values
    user, init_user = values.text(_USER.name), values.text(_INIT_USER.name)
    root = os.getuid() == 0
    if user and init_user:
        raise CommandFailed("Only one of 'user' or 'init-user' can be specified.")
    if root and not (user or init_user):
        raise CommandFailed("Please specify user that will run gitlab-runner service")
    if not root and (user or init_user):
        raise CommandFailed("only root can install a service that uses another user")
    home = _home(user or init_user) if root else Path()
    path = _config_path(values)
    if init_user and not values.is_set(_CONFIG.name):
        path = home / CONFIG_FILE
    return ServiceDescription(
        name=service_name(invocation),
        program=own_program(sys.argv[0], sys.executable),
        config=path,
        working_directory=Path(values.text(_DIRECTORY.name) or ".").absolute(),
        user=user,
        init_user=init_user,
        syslog=values.flag(_SYSLOG.name),
        credentials=tuple(Credential.parse(one) for one in values[_CREDENTIAL.name]),
        for_user=not root,
        hardened=values.flag(_HARDENED.name),
        stop_timeout=_stop_timeout(config),
        systemd_version=systemd_version,
    )


def _config_path(values: Values) -> Path:
    given = values.text(_CONFIG.name)
    return Path(given).absolute() if given else config_folder(os.environ) / CONFIG_FILE


def _home(user: str) -> Path:
    try:
        return Path(pwd.getpwnam(user).pw_dir)
    except KeyError:
        raise UsageError(
            f"there is no user {user}; make one first, e.g. useradd --create-home {user}"
        ) from None


def _stop_timeout(config: Config) -> int | None:
    """Return how long a stop may take, by what the configuration has it wait for; None: for ever."""
    if any(runner.tristan.on_stop == "wait" for runner in config.runners):
        return None
    return max(STOP_TIMEOUT, math.ceil(config.effective_shutdown_timeout) + STOP_TIMEOUT // 2)


def _refuse_host_executors(config: Config) -> None:
    """Refuse to fence in jobs.

    :raises ServiceError: when an entry runs its jobs on this host.
    """
    for runner in config.runners:
        if runner.executor not in _ELSEWHERE:
            raise ServiceError(
                f"the {runner.executor} executor of {runner.name!r} runs jobs below the service, "
                "which --hardened would fence in as well; leave it out, or give the entry its own service"
            )


INSTALL: Final = RunnerCommand(
    "install",
    install,
    (SERVICE, USER_SERVICE, _DIRECTORY, _CONFIG, _SYSLOG, _USER, _INIT_USER, _CREDENTIAL, _HARDENED, _PRINT),
    help="install service",
)
