"""Values of flags: command line, then environment, then default (config-and-commands.md 2.1)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pyrunner.cli.flags import BOOLEAN_WORDS, Flag, Kind
from pyrunner.errors import UsageError
from pyrunner.system.durations import parse_duration


class Values:
    """The values of a command's flags by name, and which of them somebody has set."""

    def __init__(
        self, values: dict[str, Any], given: frozenset[str], from_environment: frozenset[str]
    ) -> None:
        self._values = values
        #: Names of flags on the command line.
        self.given = given
        #: Names of flags that an environment variable stands in for.
        self.from_environment = from_environment

    def __getitem__(self, name: str) -> Any:
        """Return the value of the flag called ``name``."""
        return self._values[name]

    def text(self, name: str) -> str:
        """Return the value of a string flag, empty when it has none."""
        return self._values[name] or ""

    def flag(self, name: str) -> bool:
        """Return the value of a boolean flag."""
        return self._values[name] is True

    def number(self, name: str) -> int:
        """Return the value of an integer flag, 0 when it has none."""
        return self._values[name] or 0

    def is_set(self, name: str) -> bool:
        """Tell whether the flag was given, on the command line or by its variable."""
        return name in self.given or name in self.from_environment


def read_values(flags: Iterable[Flag], given: Mapping[str, list[str]], environ: Mapping[str, str]) -> Values:
    """Return the value of each of ``flags``.

    :param given: texts from the command line by flag name.
    :raises UsageError: for a text that cannot be read as what the flag needs.
    """
    values: dict[str, Any] = {}
    environment: set[str] = set()
    for flag in flags:
        texts = given.get(flag.name, [])
        variable = environ.get(flag.env) if flag.env else None
        if variable is not None and not flag.ignored:
            environment.add(flag.name)
            if flag.kind.is_repeated:
                texts = [variable, *texts]
            elif not texts:
                texts = [_from_environment(flag, variable)]
        values[flag.name] = _convert(flag, texts) if texts else _default(flag)
    return Values(values, frozenset(given), frozenset(environment))


def _from_environment(flag: Flag, text: str) -> str:
    if text == "" and flag.kind.is_boolean:
        return "false" if flag.empty_env_is_off else "true"
    return text


def _default(flag: Flag) -> Any:
    if flag.default is not None:
        return flag.default
    kind = flag.kind
    if kind in (Kind.LIST, Kind.COMMA_LIST):
        return []
    if kind.is_repeated:
        return {}
    return {Kind.STRING: "", Kind.BOOLEAN: False, Kind.INTEGER: 0}.get(kind)


def _convert(flag: Flag, texts: list[str]) -> Any:
    kind = flag.kind
    try:
        if kind.is_boolean:
            return _boolean(texts[-1])
        if kind in (Kind.INTEGER, Kind.OPTIONAL_INTEGER):
            return _integer(texts[-1])
        if kind is Kind.DURATION:
            return parse_duration(texts[-1])
        if kind is Kind.LIST:
            return texts
        if kind is Kind.COMMA_LIST:
            return [part for text in texts for part in text.split(",")]
        if kind.is_repeated:
            return _mapping(kind, texts)
    except ValueError as error:
        place = f"flag -{flag.name}" + (f" (or {flag.env})" if flag.env else "")
        raise UsageError(f"invalid value for {place}: {error}") from None
    return texts[-1]


def _boolean(text: str) -> bool:
    if text in BOOLEAN_WORDS:
        return BOOLEAN_WORDS[text]
    raise ValueError(f'"{text}" is not a boolean; write true or false')


def _integer(text: str) -> int:
    sign = text[:1] in ("-", "+")
    digits = text[sign:]
    if not (digits.isascii() and digits.isdigit()):
        raise ValueError(f'"{text}" is not an integer')
    number = int(text)
    if not -(2**63) <= number < 2**63:
        raise ValueError(f'"{text}" is out of range')
    return number


def _mapping(kind: Kind, texts: list[str]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for text in filter(None, texts):
        key, separator, value = text.partition(":")
        if kind is Kind.BOOLEAN_MAP:
            result[key] = _boolean(value) if separator else True
        elif kind is Kind.LIST_MAP:
            result.setdefault(key, []).append(value)
        else:
            result[key] = value
    return result
