"""What the writer of an unknown key may have meant: a key of that table, or one of another table."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from pyrunner.config.convert import Path, known_keys
from pyrunner.config.model import Config

#: How alike two names must be, from 0 to 1: ``concurent`` and ``concurrent`` are, ``name`` and ``image`` not.
_ALIKE: Final = 0.72
#: gitlab-runner's own documentation calls these otherwise than its code reads them (8, 43).
_KNOWN_SLIPS: Final = {"metric_queries": "queries", "tls_ca_file": "tls-ca-file", "ipc_mode": "ipcmode"}


def hint_for(path: Path, known: Iterable[str]) -> str:
    """Return what to do about the unknown key at ``path``; empty when there is nothing to propose.

    :param known: the keys that its table knows.
    """
    key = str(path[-1])
    names = {name.casefold(): name for name in known}
    if key.casefold() in names:
        return f"{names[key.casefold()]} is already given in this table; keys match without regard to case"
    tables = [one for one in _index().get(key.casefold(), ()) if one != _dotted(path[:-1])]
    if len(tables) == 1:
        return f"{key} belongs to {_header(tables[0])}"
    near = _nearest(key, names)
    if near:
        return f"did you mean {near}?"
    if tables:
        return f"{key} is a key of {', '.join(_header(one) for one in tables)}"
    return ""


def _nearest(key: str, names: Mapping[str, str]) -> str:
    slip = _KNOWN_SLIPS.get(key.casefold(), "")
    if slip.casefold() in names and slip:
        return slip
    swapped = key.casefold().replace("-", "_")
    for folded, name in names.items():
        if folded.replace("-", "_") == swapped:
            return name
    found = difflib.get_close_matches(key.casefold(), names, n=1, cutoff=_ALIKE)
    return names[found[0]] if found else ""


@functools.cache
def _index() -> Mapping[str, tuple[str, ...]]:
    """Return key, folded → dotted paths of the tables that know it; only those of executors we run."""
    found: dict[str, list[str]] = {}
    for table, key in _walk(Config, ""):
        if "kubernetes" not in table and "autoscaler" not in table:
            found.setdefault(key.casefold(), []).append(table)
    return MappingProxyType({key: tuple(tables) for key, tables in found.items()})


def _walk(kind: Any, table: str) -> Iterator[tuple[str, str]]:
    for key, below in known_keys(kind).items():
        yield table, key
        yield from _walk(below, f"{table}.{key}" if table else key)


def _dotted(path: Path) -> str:
    return ".".join(part for part in path if isinstance(part, str))


def _header(table: str) -> str:
    if not table:
        return "the top of the file"
    lists = ("runners", "runners.docker.services", "runners.monitoring.job_queuing_durations")
    return f"[[{table}]]" if table in lists else f"[{table}]"
