"""What prepare_script's login shell set up: reused by the workspace stages of host executors (design 5).

A login shell takes 50-90 ms where profiles do some work. Only the user's steps need one each; git,
cache and artifact stages run in a plain shell with the environment, umask and folder that the first
login shell of the job ended with.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pyrunner.jobdir.control import ControlDir

#: Set by the shell itself for each process; a new one must get its own.
_OWN: Final = frozenset({"_", "SHLVL", "PWD", "OLDPWD", "BASHOPTS", "SHELLOPTS"})


def login_dump(control: ControlDir) -> Path:
    """Return the file that prepare_script writes: umask, folder, then the variables, NUL-separated."""
    return control.path / "login.env"


@dataclass(frozen=True)
class LoginEnvironment:
    """Environment, umask and folder of a login shell."""

    variables: dict[str, str]
    umask: int
    folder: str

    @classmethod
    def load(cls, control: ControlDir) -> LoginEnvironment | None:
        """Read the dump; None when there is none or it is not whole."""
        try:
            data = login_dump(control).read_bytes()
        except FileNotFoundError:
            return None
        head, separator, rest = data.partition(b"\n")
        if not separator or not rest.endswith(b"\0"):
            return None
        try:
            umask = int(head, 8)
        except ValueError:
            return None
        variables: dict[str, str] = {}
        for entry in rest[:-1].split(b"\0"):
            key, equals, value = entry.partition(b"=")
            if equals:
                variables[os.fsdecode(key)] = os.fsdecode(value)
        folder = variables.get("PWD", "")
        if not Path(folder).is_dir():
            return None
        return cls({key: value for key, value in variables.items() if key not in _OWN}, umask, folder)
