"""Running git: one place that says what its processes may see and how their failures read."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pyrunner.errors import PyrunnerError

#: Nothing asks, nothing is paged, and nothing of a repository's own runs.
_QUIET = (
    *("-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "gc.auto=0"),
    *("-c", "log.showSignature=false"),
)
#: Nothing is fetched that is missing, by whatever the repository names, and nothing written by the way.
_ALONE = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "LC_ALL": "C.UTF-8",
}


class GitError(PyrunnerError):
    """A git command did not succeed; the text has git's own words.

    :param status: its exit status.
    """

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Git:
    """Git in one repository.

    :param folder: a working tree or a git directory.
    :param environment: of its processes; variables of git itself that are in it count.
    """

    folder: Path
    environment: Mapping[str, str] = field(repr=False)

    def raw(self, *arguments: str, data: bytes = b"", extra: Mapping[str, str] | None = None) -> bytes:
        """Return what a command prints.

        :param data: its standard input.
        :param extra: further variables.
        :raises GitError: when it fails, or there is no git.
        """
        try:
            done = subprocess.run(
                ["git", *_QUIET, *arguments],
                cwd=self.folder,
                env={**self.environment, **(extra or {}), **_ALONE},
                input=data,
                capture_output=True,
                check=False,
            )
        except FileNotFoundError:
            if not self.folder.is_dir():
                raise GitError(f"there is no folder {self.folder}") from None
            raise GitError("git is not installed, or not in PATH") from None
        if done.returncode:
            words = done.stderr.decode(errors="replace").strip() or f"exit status {done.returncode}"
            command = next(one for one in arguments if one != "-c" and "=" not in one)
            raise GitError(f"git {command}: {words}", done.returncode)
        return done.stdout

    def text(self, *arguments: str, data: str = "", extra: Mapping[str, str] | None = None) -> str:
        """Return what a command prints as text, without the last newline.

        :raises GitError: as :meth:`raw`.
        """
        output = self.raw(*arguments, data=data.encode(), extra=extra)
        return output.decode("utf-8", "surrogateescape").removesuffix("\n")

    def find(self, *arguments: str) -> str | None:
        """Return what a command prints as text; None when it fails: what it looks for is not there."""
        try:
            return self.text(*arguments)
        except GitError:
            return None

    def names(self, *arguments: str) -> list[str]:
        """Return what a command prints as names, each ended by a zero byte.

        :raises GitError: as :meth:`raw`.
        """
        text = self.raw(*arguments).decode("utf-8", "surrogateescape")
        return [one for one in text.split("\0") if one]


def clean_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment without what git sets for its hooks: it would mean another repository."""
    return {key: value for key, value in environment.items() if not key.startswith("GIT_")}
