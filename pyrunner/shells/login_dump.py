"""What a login shell's profiles made of environment, umask, folder and limits (design 5).

prepare_script, which runs in the login shell, leaves it in a file; later workspace stages start from
it in a plain shell, which spares them the profiles. The file holds the runner's environment: 0600.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pyrunner.shells.quoting import double_quoted

#: The last field of a complete file.
_END: Final = b"pyrunner:end"

# Kept in positional parameters rather than variables: under `set -a` those would be exported. Only `env`
# is a process of its own.
_COMMAND: Final = (
    '( set -- "$(umask)" ""; while IFS= read -r _runner_line; do set -- "$1" "$2$_runner_line\n"; '
    "done < /proc/self/limits; unset _runner_line; umask 077; "
    '{{ printf \'%s\\0%s\\0%b\\0\' "$1" "$PWD" "$2" && command env -0 && printf \'pyrunner:end\\0\'; }} '
    "> {path} ) 2>/dev/null || command rm -f {path}"
)
_LIMIT: Final = re.compile(r"(Max [a-z- ]+?)\s{2,}(\S+)\s+(\S+)")

#: Names in /proc/self/limits to the names of the resource module.
LIMITS: Final = {
    "Max cpu time": "RLIMIT_CPU",
    "Max file size": "RLIMIT_FSIZE",
    "Max data size": "RLIMIT_DATA",
    "Max stack size": "RLIMIT_STACK",
    "Max core file size": "RLIMIT_CORE",
    "Max processes": "RLIMIT_NPROC",
    "Max open files": "RLIMIT_NOFILE",
    "Max locked memory": "RLIMIT_MEMLOCK",
    "Max address space": "RLIMIT_AS",
}


@dataclass(frozen=True, slots=True)
class LoginEnvironment:
    """What a plain shell needs to be started with to be like the login shell."""

    environment: dict[bytes, bytes]
    umask: int
    folder: bytes
    #: RLIMIT_… name to soft and hard limit; None is unlimited.
    limits: dict[str, tuple[int | None, int | None]]


def dump_command(path: str) -> str:
    """Return shell that writes the file, silently and always succeeding; :func:`load` knows a whole one."""
    return _COMMAND.format(path=double_quoted(path))


def load(path: Path) -> LoginEnvironment | None:
    """Read the file; None when there is none (an ``env`` without ``-0``) or it is not complete."""
    try:
        fields = path.read_bytes().split(b"\0")
    except FileNotFoundError:
        return None
    if len(fields) < 5 or fields[-2:] != [_END, b""]:
        return None
    if not re.fullmatch(rb"[0-7]{1,4}", fields[0]) or not fields[1].startswith(b"/"):
        return None
    environment: dict[bytes, bytes] = {}
    for entry in fields[3:-2]:
        name, separator, value = entry.partition(b"=")
        if name and separator and name != b"_":
            environment[name] = value
    _undo_nesting(environment)
    limits = _limits(fields[2].decode("ascii", "replace"))
    return LoginEnvironment(environment, int(fields[0], 8), fields[1], limits)


def _undo_nesting(environment: dict[bytes, bytes]) -> None:
    """Count ``SHLVL`` back by one: the shell that is started from here counts itself again."""
    level = environment.get(b"SHLVL", b"")
    if level.isdigit() and int(level) > 0:
        environment[b"SHLVL"] = str(int(level) - 1).encode()


def _limits(text: str) -> dict[str, tuple[int | None, int | None]]:
    found: dict[str, tuple[int | None, int | None]] = {}
    for line in text.splitlines():
        match = _LIMIT.match(line)
        name = LIMITS.get(match[1]) if match else None
        if match and name and all(one == "unlimited" or one.isdigit() for one in match.groups()[1:]):
            soft, hard = (None if one == "unlimited" else int(one) for one in match.groups()[1:])
            found[name] = (soft, hard)
    return found
