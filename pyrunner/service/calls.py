"""Calls of systemctl, and what its refusals mean."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pyrunner.errors import ServiceError

#: What systemctl says without a bus to talk to.
_NO_BUS: Final = "Failed to connect to bus"


@dataclass(frozen=True, slots=True)
class Answer:
    """How a call ended; output without the white space around it."""

    code: int
    out: str = ""
    err: str = ""


#: Runs a command in an environment.
Run = Callable[[Sequence[str], Mapping[str, str]], Answer]


def run_command(command: Sequence[str], environ: Mapping[str, str]) -> Answer:
    """Run a command to its end.

    :raises ServiceError: when it cannot be started.
    """
    try:
        done = subprocess.run(
            command, env=dict(environ), stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
    except OSError as error:
        raise ServiceError(f"cannot run {command[0]}: {error.strerror}") from None
    out, err = (text.decode(errors="replace").strip() for text in (done.stdout, done.stderr))
    return Answer(done.returncode, out, err)


class Systemctl:
    """systemctl for the machine's services, or for those of this user.

    :param for_user: the user's; ``XDG_RUNTIME_DIR`` is filled in where a login has not set it.
    """

    def __init__(self, for_user: bool, environ: Mapping[str, str], run: Run = run_command) -> None:
        self._command = ["systemctl", "--user"] if for_user else ["systemctl"]
        self._environ = dict(environ)
        self._run = run
        if for_user and "XDG_RUNTIME_DIR" not in environ:
            runtime = Path(f"/run/user/{os.getuid()}")
            if runtime.is_dir():
                self._environ["XDG_RUNTIME_DIR"] = str(runtime)

    def ask(self, *words: str) -> Answer:
        """Return the answer, whatever it is.

        :raises ServiceError: when systemctl cannot be started, or reaches nobody.
        """
        answer = self._run([*self._command, *words], self._environ)
        if answer.code and _NO_BUS in answer.err:
            hint = (
                "; your service manager runs while you are logged in, or always after "
                "`loginctl enable-linger`"
                if "--user" in self._command
                else ""
            )
            raise ServiceError(f"{answer.err}{hint}")
        return answer

    def do(self, *words: str) -> None:
        """Have something done.

        :raises ServiceError: with systemctl's own words when it is not.
        """
        answer = self.ask(*words)
        if answer.code:
            raise ServiceError(answer.err or answer.out or f"systemctl {words[0]} ended with {answer.code}")

    def properties(self, unit: str, *names: str) -> dict[str, str]:
        """Return properties of a unit, empty where it has none.

        :raises ServiceError: when systemctl reaches nobody.
        """
        answer = self.ask("show", *(f"--property={name}" for name in names), unit)
        found = dict(line.split("=", 1) for line in answer.out.splitlines() if "=" in line)
        return {name: found.get(name, "") for name in names}

    def version(self) -> int:
        """Return the version of systemd; 0 when it cannot be told."""
        words = self.ask("--version").out.split()
        return int(words[1]) if len(words) > 1 and words[1].isdecimal() else 0
