"""What the units say that are there: where the configuration is, and whom jobs run as."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Final

from pyrunner.errors import ServiceError
from pyrunner.service.calls import Systemctl
from pyrunner.service.control import Service, State
from pyrunner.service.description import ServiceDescription

_PROGRAM: Final = "gitlab-runner"
#: Flags of ``run`` with a value, by each of their names (config-and-commands.md 2.2).
_VALUED: Final = {
    **dict.fromkeys(("config", "c"), "config"),
    **dict.fromkeys(("working-directory", "d"), "working_directory"),
    **dict.fromkeys(("user", "u"), "user"),
    **dict.fromkeys(("service", "n"), "service"),
    "listen-address": "listen_address",
}
#: systemd writes white space in arguments like this.
_ESCAPED: Final = re.compile(r"\\x([0-9a-fA-F]{2})")


@dataclass(frozen=True)
class OldService:
    """gitlab-runner's service as it is installed.

    :param config: None: gitlab-runner's default.
    :param user: of shell jobs; empty: none was given.
    :param init_user: the service itself runs as this user.
    :param left: what of the unit is not taken over, as sentences.
    """

    active: bool
    enabled: bool
    config: Path | None = None
    working_directory: Path | None = None
    user: str = ""
    init_user: str = ""
    listen_address: str = ""
    left: tuple[str, ...] = ()


def read_old_service(systemctl: Systemctl, name: str) -> OldService | None:
    """Return what the unit ``name`` says; None where there is none.

    :raises ServiceError: when systemd cannot be asked, or the unit starts another program.
    """
    unit = f"{name}.service"
    names = ("LoadState", "ActiveState", "UnitFileState", "User", "DropInPaths")
    shown = systemctl.properties(unit, *names)
    if shown["LoadState"] in ("", "not-found"):
        return None
    text = systemctl.ask("cat", unit).out
    words = _command(text)
    if not words or _PROGRAM not in PurePath(words[0]).name:
        raise ServiceError(
            f"{unit} does not start gitlab-runner; name the right one with --from, or leave services to you "
            "with --no-service"
        )
    given, unknown = _arguments(words[1:])
    left = [f"the argument {word} of {unit} is not taken over" for word in unknown]
    left += [
        f"settings in {path} are not taken over: look through them" for path in shown["DropInPaths"].split()
    ]
    left += [
        f"variables in {path} are not taken over: copy what is needed to /etc/default/pyrunner"
        for path in re.findall(r"(?m)^EnvironmentFile=-?(.+)$", text)
        if Path(path).exists()
    ]
    return OldService(
        active=shown["ActiveState"] in ("active", "activating", "reloading"),
        enabled=shown["UnitFileState"] in ("enabled", "enabled-runtime"),
        config=Path(given["config"]) if given.get("config") else None,
        working_directory=Path(given["working_directory"]) if given.get("working_directory") else None,
        user=given.get("user", ""),
        init_user=shown["User"],
        listen_address=given.get("listen_address", ""),
        left=tuple(left),
    )


def unit_fits(service: Service, wanted: ServiceDescription) -> bool:
    """Tell whether a unit of ours, a package's for instance, is there already and does what is wanted.

    :raises ServiceError: when an administrator's own unit does something else: it is not ours to replace.
    """
    if service.state() is State.NOT_INSTALLED:
        return False
    given, _ = _arguments(_command(service.systemctl.ask("cat", service.unit).out)[1:])
    shown = service.systemctl.properties(service.unit, "User")
    fits = (
        given.get("config") == str(wanted.config)
        and given.get("user", "") == wanted.user
        and shown["User"] == wanted.init_user
    )
    if not fits and service.path.exists():
        raise ServiceError(
            f"{service.path} has another config or user than gitlab-runner's service; uninstall it first "
            f"(pyrunner uninstall --service {service.name}), or choose another name with --to"
        )
    return fits


def _command(unit: str) -> list[str]:
    """Return the words of the ``ExecStart`` that counts: the last, as drop-ins replace it."""
    lines = re.findall(r"(?m)^ExecStart=(.*)$", unit)
    if not lines or not lines[-1].strip():
        return []
    try:
        words = shlex.split(lines[-1].strip().lstrip("@-:+!"))
    except ValueError:
        return []
    return [_ESCAPED.sub(lambda found: chr(int(found[1], 16)), word).replace("%%", "%") for word in words]


def _arguments(words: list[str]) -> tuple[dict[str, str], list[str]]:
    """Return the values of the flags that are known, and the words that are not."""
    given: dict[str, str] = {}
    unknown: list[str] = []
    waiting = list(reversed(words))
    while waiting:
        word = waiting.pop()
        name, equals, value = word.lstrip("-").partition("=")
        if word.startswith("-") and name in _VALUED:
            given[_VALUED[name]] = value if equals else (waiting.pop() if waiting else "")
        elif word.startswith("-") and name == "syslog":
            continue  # the journal has it
        elif word != "run":
            unknown.append(word)
    return given, unknown
