"""Command-line arguments written the Go way become the one way click reads (config-and-commands.md 2.1).

Go programs take ``-name x``, ``--name x``, ``-name=x`` and ``--name=x`` alike; booleans stand alone
or as ``--flag=value``; a letter flag is a flag like any other, so ``-nx`` is the flag ``nx``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from pyrunner.cli.flags import BOOLEAN_WORDS, Flag, IgnoredFamily, Kind
from pyrunner.errors import UsageError

_HELP = ("help", "h")


@dataclass
class Arguments:
    """What a command line says.

    :param given: texts by flag name (the first of its names), in the order they stand.
    :param rest: arguments that are no flags.
    :param ignored: flags without effect, as written.
    """

    given: dict[str, list[str]] = field(default_factory=dict)
    rest: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    wants_help: bool = False


def read_arguments(
    arguments: Sequence[str],
    flags: Iterable[Flag],
    families: Iterable[IgnoredFamily] = (),
    stop_at_first: bool = False,
) -> Arguments:
    """Sort ``arguments`` by the flags of a command.

    :param stop_at_first: everything from the first argument that is no flag on is ``rest``.
    :raises UsageError: for an unknown flag, a missing value, or two names of one flag at once.
    """
    return _Reader(arguments, {name: flag for flag in flags for name in flag.names}, tuple(families)).read(
        stop_at_first
    )


class _Reader:
    def __init__(
        self, arguments: Sequence[str], flags: dict[str, Flag], families: tuple[IgnoredFamily, ...]
    ) -> None:
        self._waiting = list(reversed(arguments))
        self._flags = flags
        self._families = families
        self._used: dict[str, str] = {}
        self._result = Arguments()

    def read(self, stop_at_first: bool) -> Arguments:
        result = self._result
        while self._waiting:
            argument = self._waiting.pop()
            if argument == "--":
                break
            if len(argument) < 2 or not argument.startswith("-"):
                result.rest.append(argument)
                if stop_at_first:
                    break
                continue
            self._flag(argument)
        result.rest += reversed(self._waiting)
        return result

    def _flag(self, argument: str) -> None:
        name, has_value, value = argument.removeprefix("-").removeprefix("-").partition("=")
        if not name or name.startswith("-"):
            raise UsageError(f"bad flag syntax: {argument.partition('=')[0]}")
        flag = self._flags.get(name)
        if flag is None:
            self._unlisted(argument, name, bool(has_value))
            return
        if self._used.setdefault(flag.name, name) != name:
            raise UsageError(f"Cannot use two forms of the same flag: {name} {self._used[flag.name]}")
        if not has_value:
            value = self._separate_value(flag, name)
        if flag.ignored:
            self._result.ignored.append(argument.partition("=")[0])
        self._result.given.setdefault(flag.name, []).append(value)

    def _unlisted(self, argument: str, name: str, has_value: bool) -> None:
        family = next((one for one in self._families if one.covers(name)), None)
        if family is not None:
            self._result.ignored.append(argument.partition("=")[0])
            if not has_value and not family.is_boolean(name):
                self._value(name)
        elif name in _HELP:
            self._result.wants_help = True
        else:
            raise UsageError(f"flag provided but not defined: -{name}")

    def _separate_value(self, flag: Flag, name: str) -> str:
        if not flag.kind.is_boolean:
            return self._value(name)
        # a three-state flag takes a separate boolean, as with gitlab-runner; a plain one does not
        if flag.kind is Kind.OPTIONAL_BOOLEAN and self._waiting and self._waiting[-1] in BOOLEAN_WORDS:
            return self._waiting.pop()
        return "true"

    def _value(self, name: str) -> str:
        if not self._waiting:
            raise UsageError(f"flag needs an argument: -{name}")
        return self._waiting.pop()


def stray_boolean(arguments: Sequence[str]) -> tuple[str, str] | None:
    """Return the flag and the separate ``true`` or ``false`` that seems to be meant for it, if any.

    The user wrote ``--flag true``, which is the bare flag and an argument of no meaning. What stands
    before it is named only when it is a flag without a value: a value may be a secret.
    """
    for index, argument in enumerate(arguments):
        if argument.lower() in ("true", "false"):
            before = arguments[index - 1] if index else ""
            named = before.startswith("-") and "=" not in before
            return (before if named else "--key"), argument.lower()
    return None
