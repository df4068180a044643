"""Variables of a pipeline: from YAML, in layers, and what refers to what (gitlab-ci-yml.md 3.9, 5.1, 5.3)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from pyrunner.ci.expansion import REFERENCE, replace_references
from pyrunner.ci.tree import Map, as_text
from pyrunner.errors import PipelineError
from pyrunner.protocol.variables import Variable

#: Characters that all expanded values of one job may have together.
MAX_TOTAL: Final = 16 * 1024 * 1024


def read_variables(written: Any) -> dict[str, Variable]:
    """Return the variables of a ``variables`` keyword that passed its check; null and absent give none."""
    if not isinstance(written, Map):
        return {}
    return {as_text(name): _read(as_text(name), value) for name, value in written.items()}


def _read(name: str, value: Any) -> Variable:
    raw = False
    if isinstance(value, Map):
        raw = value.get("expand") is False
        value = value.get("value")
    return Variable(name, as_text(value), public=True, raw=raw)


def plain(values: Mapping[str, str]) -> dict[str, Variable]:
    """Return public variables of these values."""
    return {name: Variable(name, value, public=True) for name, value in values.items()}


def values_of(variables: Iterable[Variable]) -> dict[str, str]:
    """Return name to value as written; of several the last counts. What ``if`` sees."""
    return {one.key: one.value for one in variables}


def references(text: str) -> set[str]:
    """Return the names that a value refers to."""
    if "$" not in text and "%" not in text:
        return set()
    found = (one[1] or one[2] or one[3] for one in REFERENCE.finditer(text))
    return {name for name in found if name is not None}


def circular_references(variables: Sequence[Variable]) -> list[str]:
    """Return the names of the first circle, in their order; a variable naming itself is none."""
    for component in _components(variables):
        if len(component) > 1:
            return [variables[index].key for index in sorted(component)]
    return []


def expanded(variables: Sequence[Variable]) -> list[Variable]:
    """Return the variables in an order in which each comes after what it refers to, and expanded.

    Raw variables, references to raw and file variables, and unknown names stay as written. Circles,
    to be refused before, are left unexpanded.

    :raises PipelineError: when the values become longer than anybody means.
    """
    done: list[Variable] = []
    last: dict[str, Variable] = {}
    total = 0

    def value(name: str) -> str | None:
        known = last.get(name)
        return None if known is None or known.raw or known.file else known.value

    for component in _components(variables):
        for index in sorted(component):
            one = variables[index]
            if not one.raw and ("$" in one.value or "%" in one.value):
                one = replace(one, value=replace_references(one.value, value))
                total += len(one.value)
                if total > MAX_TOTAL:
                    raise PipelineError(f"{one.key}: variables expand to more than {MAX_TOTAL >> 20} MiB")
            done.append(one)
            last[one.key] = one
    return done


def _components(variables: Sequence[Variable]) -> list[list[int]]:
    """Return the strongly connected components of "refers to", what is referred to first (Tarjan)."""
    by_name: dict[str, list[int]] = {}
    for index, one in enumerate(variables):
        by_name.setdefault(one.key, []).append(index)
    below: dict[int, list[int]] = {}
    for index, one in enumerate(variables):
        names = () if one.raw else references(one.value)
        if names:
            below[index] = sorted(each for name in names for each in by_name.get(name, ()))
    search = _Search(below)
    for index in range(len(variables)):
        search.visit(index)
    return search.components


class _Search:
    """Tarjan's search without recursion: a user decides how long the chains are."""

    def __init__(self, below: Mapping[int, list[int]]) -> None:
        self._below = below
        self._number: dict[int, int] = {}
        self._lowest: dict[int, int] = {}
        self._open: list[int] = []
        self._is_open: set[int] = set()
        self.components: list[list[int]] = []

    def visit(self, start: int) -> None:
        if start in self._number:
            return
        if start not in self._below:  # refers to nothing: the usual case
            self._number[start] = len(self._number)
            self.components.append([start])
            return
        path = [(start, iter(self._enter(start)))]
        while path:
            index, children = path[-1]
            child = next(children, None)
            if child is None:
                path.pop()
                self._leave(index, path[-1][0] if path else None)
            elif child not in self._number:
                path.append((child, iter(self._enter(child))))
            elif child in self._is_open:
                self._lowest[index] = min(self._lowest[index], self._number[child])

    def _enter(self, index: int) -> list[int]:
        self._number[index] = self._lowest[index] = len(self._number)
        self._open.append(index)
        self._is_open.add(index)
        return self._below.get(index, [])

    def _leave(self, index: int, parent: int | None) -> None:
        if parent is not None:
            self._lowest[parent] = min(self._lowest[parent], self._lowest[index])
        if self._lowest[index] != self._number[index]:
            return
        component: list[int] = []
        while not component or component[-1] != index:
            component.append(self._open.pop())
            self._is_open.discard(component[-1])
        self.components.append(component)
