"""``extends`` and ``!reference`` over the merged tree (gitlab-ci-yml.md 1.6, 1.7)."""

from __future__ import annotations

import json
from typing import Any, Final

from pyrunner.ci.tree import Map, Position, Reference, Seq, deep_merge
from pyrunner.errors import PipelineError

#: Bases above one entry.
MAX_DEPTH: Final = 11
#: Items that references may grow one tree to: lists that name each other multiply.
MAX_ITEMS: Final = 500_000


def resolve_extends(tree: Map) -> Map:
    """Return ``tree`` with every top-level entry merged over its bases.

    :raises PipelineError: for unknown or unusable bases, circles, and chains that are too long.
    """
    resolved = Map(tree.position)
    for name, value in tree.items():
        entry = _extended(tree, name, ()) if isinstance(value, Map) else value
        resolved.put(name, entry, tree.place(name))
    return resolved


def _extended(tree: Map, name: Any, chain: tuple[Any, ...]) -> Map:
    entry: Map = tree[name]
    if "extends" not in entry:
        return entry
    place = entry.place("extends")
    if name in chain:
        raise PipelineError(f"{name}: circular dependency detected in `extends`", *place)
    if len(chain) >= MAX_DEPTH:
        raise PipelineError(f"{name}: nesting too deep in `extends`", *place)
    bases = entry["extends"]
    names = bases if isinstance(bases, list) else [bases]
    if not names or not all(isinstance(one, str) for one in names):
        raise PipelineError(f"{name}: invalid base hashes in `extends`", *place)
    if unknown := [one for one in names if one not in tree]:
        raise PipelineError(f"{name}: unknown keys in `extends` ({', '.join(unknown)})", *place)
    if invalid := [one for one in names if not isinstance(tree[one], Map)]:
        raise PipelineError(f"{name}: invalid base hashes in `extends` ({', '.join(invalid)})", *place)
    merged = Map(entry.position)
    for base in names:
        merged = deep_merge(merged, _extended(tree, base, (*chain, name)))
    merged = deep_merge(merged, entry)
    merged.position = entry.position
    return merged


def resolve_references(tree: Map) -> Map:
    """Return ``tree`` with every ``!reference`` replaced by what it names.

    :raises PipelineError: for a tag that is not valid, names nothing, or is part of a circle.
    """
    try:
        resolved = _Resolver(tree).value(tree, ())
    except RecursionError:  # chains of tags, each in its own nest of lists
        raise PipelineError("The parsed YAML is too big", *tree.position) from None
    assert isinstance(resolved, Map)
    return resolved


class _Resolver:
    def __init__(self, tree: Map) -> None:
        self._tree = tree
        self._items = 0

    def value(self, value: Any, chain: tuple[tuple[Any, ...], ...]) -> Any:
        if isinstance(value, Reference):
            return self._target(value, chain)
        if isinstance(value, Map):
            made = Map(value.position)
            for key, item in value.items():
                made.put(key, self.value(item, chain), self._count(value.place(key)))
            return made
        if isinstance(value, Seq):
            items = Seq(value.position)
            for index, item in enumerate(value):
                items.put(self.value(item, chain), self._count(value.place(index)))
            return items
        return value

    def _count(self, place: Position) -> Position:
        self._items += 1
        if self._items > MAX_ITEMS:
            raise PipelineError("Total size of combined CI/CD configuration is too big", *place)
        return place

    def _target(self, reference: Reference, chain: tuple[tuple[Any, ...], ...]) -> Any:
        shown = list(reference.path) if reference.scalar is None else reference.scalar
        written = f"!reference {json.dumps(shown, default=str)}"
        if not reference.valid:
            raise PipelineError(f"{written} is not valid", *reference.position)
        if reference.path in chain:
            raise PipelineError(f"{written} is part of a circular chain", *reference.position)
        target: Any = self._tree
        for key in reference.path:
            target = target.get(key) if isinstance(target, Map) else None
            if isinstance(target, Reference):
                target = self._target(target, (*chain, reference.path))
        if target is None or target is False:
            raise PipelineError(f"{written} could not be found", *reference.position)
        return self.value(target, (*chain, reference.path))
