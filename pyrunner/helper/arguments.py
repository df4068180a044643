"""Flags of the helper commands: gitlab-runner's own, with their variables (job-execution.md 5.8)."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import NoReturn

from pyrunner.errors import UsageError
from pyrunner.system.durations import parse_duration


class Flags:
    """The flags of one command; each value falls back to its variable, then to its default."""

    def __init__(self, name: str, about: str, environment: Mapping[str, str]) -> None:
        self._parser = _Parser(prog=f"pyrunner {name}", description=about, allow_abbrev=False)
        self._environment = environment

    def text(self, *names: str, default: str = "", env: str = "", about: str = "") -> None:
        """Add a flag with one value."""
        value = self._environment.get(env) or default if env else default
        self._parser.add_argument(*_spelled(names), default=value, help=_about(about, env))

    def number(self, *names: str, default: int = 0, env: str = "", about: str = "") -> None:
        """Add a flag with a whole number."""
        value = self._environment.get(env) or str(default) if env else str(default)
        # a default that is text goes through the same check as a value that is given
        self._parser.add_argument(*_spelled(names), default=value, type=int, help=_about(about, env))

    def duration(self, *names: str, default: str, env: str = "", about: str = "") -> None:
        """Add a flag with a Go duration; its value is seconds."""
        value = self._environment.get(env) or default if env else default
        self._parser.add_argument(
            *_spelled(names), default=value, type=parse_duration, help=_about(about, env)
        )

    def repeated(self, *names: str, about: str = "") -> None:
        """Add a flag that may be given many times."""
        self._parser.add_argument(*_spelled(names), default=[], action="append", help=about)

    def switch(self, *names: str, env: str = "", about: str = "") -> None:
        """Add a flag without a value."""
        on = is_on(self._environment, env)
        self._parser.add_argument(*_spelled(names), default=on, action="store_true", help=_about(about, env))

    def accepted(self, *names: str) -> None:
        """Add flags that scripts for gitlab-runner give and that change nothing here."""
        for name in names:
            self._parser.add_argument(f"--{name}", help="accepted, without effect")

    def read(self, arguments: Sequence[str]) -> argparse.Namespace:
        """Read a command line.

        :raises UsageError: when it cannot be read.
        """
        return self._parser.parse_args(arguments)


class _Parser(argparse.ArgumentParser):
    """Reports errors as ours do."""

    def format_help(self) -> str:
        """Return the help page, begun as those of the other commands."""
        return "Usage" + super().format_help().removeprefix("usage")

    def error(self, message: str) -> NoReturn:
        """Raise what is wrong."""
        raise UsageError(f"{message}: see {self.prog} --help")


def is_on(environment: Mapping[str, str], variable: str) -> bool:
    """Tell whether a variable switches something on."""
    return environment.get(variable, "").lower() in ("1", "t", "true")


def _spelled(names: Sequence[str]) -> list[str]:
    return [f"--{name}" for name in names]


def _about(about: str, env: str) -> str:
    return f"{about} [${env}]" if env else about
