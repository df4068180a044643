"""The identity of this machine towards the coordinator (config-and-commands.md 1.16, runner-api.md 9.2)."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
import string
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pyrunner.errors import ConfigError, JobDirError
from pyrunner.system.files import make_private, write_atomic

FILE_NAME: Final = ".runner_system_id"
MACHINE_ID_FILES: Final = (Path("/var/lib/dbus/machine-id"), Path("/etc/machine-id"))

_LENGTH: Final = 12
_VALID: Final = re.compile(r"[sr]_[0-9a-zA-Z]{12}\Z")


@dataclass(frozen=True)
class SystemID:
    """The id, and what the caller has to log about it."""

    value: str
    #: Made now: log ``Created missing unique system ID`` with ``system_id``.
    created: bool = False
    #: Could not be stored: the warning to log, with ``state_file`` and ``system_id``; else empty.
    warning: str = ""


def load_system_id(config_file: Path, machine_id_files: Sequence[Path] = MACHINE_ID_FILES) -> SystemID:
    """Return the id that is stored beside ``config_file``; make and store one where there is none.

    :raises ConfigError: when the file is there and cannot be read.
    """
    path = config_file.parent / FILE_NAME
    try:
        stored = path.read_bytes().decode("utf-8", "replace").strip()
    except FileNotFoundError:
        stored = ""
    except OSError as error:
        raise ConfigError(f"cannot read the system ID: {error.strerror}", str(path)) from None
    if _VALID.match(stored):
        return SystemID(stored)
    value = generate_system_id(machine_id_files)
    try:
        make_private(path.parent)
        write_atomic(path, value.encode())
    except (OSError, JobDirError):
        quoted = json.dumps(value), json.dumps(str(path), ensure_ascii=False)
        warning = (
            "Couldn't save new system ID on state file. "
            "In order to reliably identify this runner in jobs with a known identifier,\n"
            "please ensure there is a text file at the location specified in `state_file` "
            f"with the contents of `system_id`. Example: echo {quoted[0]} > {quoted[1]}\n"
        )
        return SystemID(value, created=True, warning=warning)
    return SystemID(value, created=True)


def generate_system_id(machine_id_files: Sequence[Path] = MACHINE_ID_FILES) -> str:
    """Return an id derived from the machine id, or a random one on a machine without it."""
    machine_id = _machine_id(machine_id_files)
    if machine_id:
        digest = hmac.new(machine_id.encode(), b"gitlab-runner", hashlib.sha256).hexdigest()
        return f"s_{digest[:_LENGTH]}"
    alphabet = string.ascii_letters + string.digits
    return "r_" + "".join(secrets.choice(alphabet) for _ in range(_LENGTH))


def _machine_id(files: Sequence[Path]) -> str:
    """Return the content of the first file that can be read; an empty one counts."""
    for file in files:
        try:
            return file.read_bytes().decode("utf-8", "replace").strip()
        except OSError:
            continue
    return ""
