"""What the service is: the data that a unit is made from (config-and-commands.md 2.6)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pyrunner.errors import UsageError

#: Where the packages keep what a runner writes; systemd makes it.
STATE_FOLDER: Final = Path("/var/lib/pyrunner")
#: Seconds that an orderly end may take when nothing else is said: ``shutdown_timeout`` and some.
STOP_TIMEOUT: Final = 60
#: An encrypted credential, as ``systemd-creds encrypt`` writes it.
_ENCRYPTED: Final = ".cred"
#: The name of a variable in config.toml, which is what a credential is for.
_CREDENTIAL_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}\Z")
_SERVICE_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9:_.@-]{0,199}\Z")


@dataclass(frozen=True, slots=True)
class Credential:
    """A secret that systemd hands to the manager, and to nobody else, as a file.

    ``token = "$NAME"`` in config.toml takes its value (:mod:`pyrunner.config.environment`).

    :param path: where systemd reads it, as root.
    """

    name: str
    path: Path

    @classmethod
    def parse(cls, text: str) -> Credential:
        """Return the credential that ``NAME:PATH`` means.

        :raises UsageError: for anything else.
        """
        name, _, path = text.partition(":")
        if not _CREDENTIAL_NAME.match(name) or not path.startswith("/"):
            raise UsageError(
                f"{text!r} is no credential: write NAME:/PATH, where NAME stands as $NAME in config.toml"
            )
        return cls(name, Path(path))

    @property
    def encrypted(self) -> bool:
        """Tell whether systemd has to decrypt it first."""
        return self.path.suffix == _ENCRYPTED


@dataclass(frozen=True, slots=True)
class ServiceDescription:
    """One service.

    :param program: absolute path of the program, and arguments before the command.
    :param user: jobs of host executors run as this user, by ``su``.
    :param init_user: the service itself runs as this user.
    :param for_user: a service of the user who installs it, not of the machine.
    :param hardened: keep the service from what no runner with containers needs.
    :param stop_timeout: seconds that an orderly end may take; None: any.
    :param systemd_version: leaves out what older ones do not know; 0: the newest.
    """

    name: str
    program: tuple[str, ...]
    config: Path
    working_directory: Path
    user: str = ""
    init_user: str = ""
    syslog: bool = False
    credentials: tuple[Credential, ...] = ()
    for_user: bool = False
    hardened: bool = False
    stop_timeout: int | None = STOP_TIMEOUT
    systemd_version: int = 0

    @property
    def command(self) -> list[str]:
        """What the service runs."""
        words = [*self.program, "run", "--config", str(self.config)]
        words += ["--working-directory", str(self.working_directory), "--service", self.name]
        words += ["--syslog"] if self.syslog else []
        words += ["--user", self.user] if self.user else []
        return words


def check_service_name(name: str) -> str:
    """Return ``name`` when systemd takes it for a service, without the ``.service`` it may end in.

    :raises UsageError: for any other: it becomes the name of a file.
    """
    name = name.removesuffix(".service")
    if not _SERVICE_NAME.match(name):
        raise UsageError(f"{name!r} is no name for a service: use letters, digits and _ . - @ :")
    return name
