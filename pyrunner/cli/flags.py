"""Flags as data: one :class:`Flag` says how a flag is written, read, and what it becomes.

Commands list their flags; the parser (:mod:`.arguments`), the help page (:mod:`.group`) and the
values (:mod:`.values`) all follow from the list (config-and-commands.md 2.1).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

#: What a boolean may be written as.
BOOLEAN_WORDS: Final = {
    **dict.fromkeys(("1", "t", "T", "true", "TRUE", "True"), True),
    **dict.fromkeys(("0", "f", "F", "false", "FALSE", "False"), False),
}


class Kind(Enum):
    """What the text of a flag is turned into."""

    STRING = "value"
    BOOLEAN = "boolean"
    #: Three-state: absent differs from false.
    OPTIONAL_BOOLEAN = "optional boolean"
    INTEGER = "integer"
    #: Absent differs from 0.
    OPTIONAL_INTEGER = "optional integer"
    #: Seconds, from Go duration text; absent is None.
    DURATION = "duration"
    #: Repeated; one environment variable is one element.
    LIST = "list"
    #: Repeated, and each split at commas.
    COMMA_LIST = "comma list"
    #: Repeated ``key:value``.
    MAP = "map"
    #: Repeated ``key:true`` or ``key:false``.
    BOOLEAN_MAP = "boolean map"
    #: Repeated ``key:value``; a repeated key collects its values.
    LIST_MAP = "list map"

    @property
    def is_boolean(self) -> bool:
        """Tell whether the flag may stand without a value."""
        return self in (Kind.BOOLEAN, Kind.OPTIONAL_BOOLEAN)

    @property
    def is_repeated(self) -> bool:
        """Tell whether the flag may be given more than once, each time adding to it."""
        return self in (Kind.LIST, Kind.COMMA_LIST, Kind.MAP, Kind.BOOLEAN_MAP, Kind.LIST_MAP)


@dataclass(frozen=True, slots=True)
class Flag:
    """One flag of a command.

    :param names: without dashes, the one used in messages first; all work with one or two dashes.
    :param env: the variable that stands in for the flag, empty for none.
    :param empty_env_is_off: a set but empty variable turns a boolean off rather than on.
    :param path: where the value lives below a ``[[runners]]`` entry, as attribute names of
        :class:`pyrunner.config.model.RunnerConfig`; empty for a flag of the command itself.
    :param ignored: accepted for the sake of existing scripts, with a warning.
    :param choices: what a shell completes the value to; the command itself refuses others.
    """

    names: tuple[str, ...]
    kind: Kind = Kind.STRING
    env: str = ""
    help: str = ""
    default: str | bool | int | None = None
    path: tuple[str, ...] = ()
    empty_env_is_off: bool = False
    ignored: bool = False
    choices: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The first name: the one messages use."""
        return self.names[0]

    @property
    def key(self) -> str:
        """The name as an identifier."""
        return self.name.replace("-", "_")

    @property
    def spelled(self) -> list[str]:
        """Every spelling for the help page: long names with two dashes, letters with one."""
        return [f"-{name}" if len(name) == 1 else f"--{name}" for name in self.names]


@dataclass(frozen=True, slots=True)
class IgnoredFamily:
    """Flags of a feature that pyrunner does not have, told by their prefix.

    :param boolean_endings: a flag that ends with one of these takes no separate value.
    """

    prefix: str
    boolean_endings: tuple[str, ...] = ()

    def covers(self, name: str) -> bool:
        """Tell whether the flag called ``name`` belongs to the family."""
        return name.startswith(self.prefix)

    def is_boolean(self, name: str) -> bool:
        """Tell whether the flag called ``name`` may stand without a value."""
        return name.endswith(self.boolean_endings)


CONFIG = Flag(("config", "c"), env="CONFIG_FILE", help="Config file")
