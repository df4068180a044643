"""The parsed YAML: ordinary dicts and lists that remember where each key and item was written.

Merging copies the positions along, so that a finding about a merged job points to the line, in
whichever file, that the offending value came from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple


class Position(NamedTuple):
    """A place in a file; line and column count from 1, 0 is unknown."""

    file: str = ""
    line: int = 0
    column: int = 0


NOWHERE = Position()


class Map(dict[Any, Any]):
    """A mapping; ``places`` has the position of each key."""

    __slots__ = ("places", "position")

    def __init__(self, position: Position = NOWHERE) -> None:
        super().__init__()
        self.position = position
        self.places: dict[Any, Position] = {}

    def put(self, key: Any, value: Any, place: Position) -> None:
        """Set ``key``, which keeps its place in the order if it is there already."""
        self[key] = value
        self.places[key] = place

    def place(self, key: Any) -> Position:
        """Return where ``key`` was written; where the mapping begins when it was not."""
        return self.places.get(key, self.position)

    def update_from(self, other: Map) -> None:
        """Take over all keys of ``other``, which win."""
        self.update(other)
        self.places.update(other.places)

    def clone(self) -> Map:
        """Return a shallow copy."""
        copy = Map(self.position)
        copy.update_from(self)
        return copy


class Seq(list[Any]):
    """A list; ``places`` has the position of each item."""

    __slots__ = ("places", "position")

    def __init__(self, position: Position = NOWHERE) -> None:
        super().__init__()
        self.position = position
        self.places: list[Position] = []

    def put(self, value: Any, place: Position) -> None:
        """Append one item."""
        self.append(value)
        self.places.append(place)

    def place(self, index: int) -> Position:
        """Return where the item was written."""
        return self.places[index] if index < len(self.places) else self.position


@dataclass(frozen=True, slots=True)
class Reference:
    """A ``!reference`` tag, not resolved yet (gitlab-ci-yml.md 1.7)."""

    path: tuple[Any, ...]
    position: Position
    #: What the tag stands on, where that is no list.
    scalar: str | None = None

    @property
    def valid(self) -> bool:
        """Tell whether the tag stands on a list of strings."""
        return bool(self.path) and all(isinstance(one, str) for one in self.path)


def deep_merge(base: Map, top: Map) -> Map:
    """Return ``base`` with ``top`` over it: mappings merge, everything else is replaced (1.6, 2.4)."""
    merged = base.clone()
    for key, value in top.items():
        below = merged.get(key)
        if isinstance(below, Map) and isinstance(value, Map):
            merged[key] = deep_merge(below, value)
        else:
            merged[key] = value
        merged.places[key] = top.place(key)
    return merged


def planted(value: Any, place: Position) -> Any:
    """Return plain dicts and lists as a tree that was written at ``place``."""
    if isinstance(value, dict):
        made = Map(place)
        for key, item in value.items():
            made.put(key, planted(item, place), place)
        return made
    if isinstance(value, list):
        items = Seq(place)
        for item in value:
            items.put(planted(item, place), place)
        return items
    return value


def flatten(value: Any, levels: int) -> list[Any] | None:
    """Return the leaves of nested lists; None when they nest deeper than ``levels``."""
    if levels < 0:
        return None
    leaves: list[Any] = []
    for item in value:
        if isinstance(item, list):
            inner = flatten(item, levels - 1)
            if inner is None:
                return None
            leaves.extend(inner)
        else:
            leaves.append(item)
    return leaves


def as_text(value: Any) -> str:
    """Return a scalar as GitLab writes it into a variable (3.9)."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
