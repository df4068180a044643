"""Flags of the helper commands: gitlab-runner's own, with their variables (job-execution.md 5.8).

Read here, not by argparse: to import and to prepare that takes as long as all of the command itself, and
it does not know the ways in which Go programs take flags: ``-name x``, ``--name=x``, ``--switch=false``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, Final

from pyrunner.errors import UsageError
from pyrunner.system.durations import parse_duration

#: The values of a command's flags; ``-`` of their names has become ``_``.
Options = SimpleNamespace

#: Columns of the names in a help page.
_WIDTH: Final = 36
_HELP: Final = ("h", "help")
_ON: Final = ("1", "t", "true")
_OFF: Final = ("0", "f", "false")


class Flags:
    """The flags of one command; each value falls back to its variable, then to its default."""

    def __init__(self, name: str, about: str, environment: Mapping[str, str]) -> None:
        self._name = name
        self._about = about
        self._environment = environment
        #: What makes a value of a flag's text; None: it is a switch.
        self._kinds: dict[str, Callable[[str], Any] | None] = {}
        self._abouts: dict[str, str] = {}
        self._values: dict[str, Any] = {}

    def text(self, name: str, default: str = "", env: str = "", about: str = "") -> None:
        """Add a flag with one value."""
        self._add(name, str, about, env)
        self._values[name] = self._given(env) or default

    def number(self, name: str, default: int = 0, env: str = "", about: str = "") -> None:
        """Add a flag with a whole number."""
        self._add(name, int, about, env)
        self._values[name] = self._given(env) or default

    def duration(self, name: str, default: str, env: str = "", about: str = "") -> None:
        """Add a flag with a Go duration; its value is seconds."""
        self._add(name, parse_duration, about, env)
        self._values[name] = self._given(env) or default

    def repeated(self, name: str, about: str = "") -> None:
        """Add a flag that may be given many times."""
        self._add(name, str, f"{about} (may be given again)", "")
        self._values[name] = []

    def switch(self, name: str, env: str = "", about: str = "") -> None:
        """Add a flag without a value."""
        self._add(name, None, about, env)
        self._values[name] = is_on(self._environment, env)

    def accepted(self, *names: str) -> None:
        """Add flags that scripts for gitlab-runner give and that change nothing here."""
        for name in names:
            self.text(name, about="accepted, without effect")

    def read(self, arguments: Sequence[str]) -> Options:
        """Read a command line; asked for help, show it and exit.

        :raises UsageError: when it cannot be read.
        """
        values = dict(self._values)
        waiting = list(reversed(arguments))
        while waiting:
            word = waiting.pop()
            name, equals, text = word.removeprefix("-").removeprefix("-").partition("=")
            if name in _HELP and word != name:
                sys.stdout.write(self._help())
                raise SystemExit(0)
            if name not in self._kinds or not word.startswith("-"):
                raise self._wrong(f"flag provided but not defined: {word}")
            if self._kinds[name] is None:
                values[name] = self._boolean(word, text) if equals else True
                continue
            if not equals:
                if not waiting:
                    raise self._wrong(f"flag needs an argument: {word}")
                text = waiting.pop()
            if isinstance(values[name], list):
                values[name] = [*values[name], text]
            else:
                values[name] = text
        return Options(**{name.replace("-", "_"): self._read(name, value) for name, value in values.items()})

    def _add(self, name: str, kind: Callable[[str], Any] | None, about: str, env: str) -> None:
        self._kinds[name] = kind
        self._abouts[name] = f"{about} [${env}]" if env else about

    def _given(self, env: str) -> str:
        return self._environment.get(env, "") if env else ""

    def _read(self, name: str, value: Any) -> Any:
        kind = self._kinds[name]
        if kind is None or not isinstance(value, str):
            return value
        try:
            return kind(value)
        except ValueError:
            raise self._wrong(f'invalid value "{value}" for flag --{name}') from None

    def _boolean(self, word: str, text: str) -> bool:
        if text.lower() not in (*_ON, *_OFF):
            raise self._wrong(f"invalid boolean value: {word}")
        return text.lower() in _ON

    def _wrong(self, message: str) -> UsageError:
        return UsageError(f"{message}: see pyrunner {self._name} --help")

    def _help(self) -> str:
        lines = [f"Usage: pyrunner {self._name} [flags]", "", self._about, "", "Flags:"]
        for name, kind in self._kinds.items():
            shown = f"  --{name}" if kind is None else f"  --{name} value"
            lines.append(f"{shown:<{_WIDTH}} {self._abouts[name]}".rstrip())
        return "\n".join(lines) + "\n"


def is_on(environment: Mapping[str, str], variable: str) -> bool:
    """Tell whether a variable switches something on."""
    return environment.get(variable, "").lower() in _ON
