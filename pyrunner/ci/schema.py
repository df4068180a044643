"""GitLab's JSON schema for editors, as a second opinion on one file.

The server never validates with it, and it is stricter in places and laxer in others
(gitlab-ci-yml.md 3): what it says are warnings. ``schemas/gitlab-ci.json`` is GitLab's own
(MIT, ``schemas/LICENSE.gitlab``).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from jsonschema import Draft7Validator, ValidationError
from jsonschema.exceptions import best_match

from pyrunner.ci.finding import Finding
from pyrunner.ci.source import load_source
from pyrunner.ci.tree import Map, Position, Reference, Seq, as_text
from pyrunner.errors import PipelineError

_SCHEMA: Final = Path(__file__).parent / "schemas" / "gitlab-ci.json"
_LONGEST: Final = 200


def schema_findings(text: str, file: str) -> list[Finding]:
    """Return what the schema does not allow in one file; its includes are not followed.

    A file that does not parse gives nothing: that is for :func:`pyrunner.ci.lint.lint` to say.
    """
    try:
        source = load_source(text, file)
    except PipelineError:
        return []
    validator = Draft7Validator(json.loads(_SCHEMA.read_text(encoding="utf-8")))
    found = []
    for tree in (source.header, source.content):
        if tree is not None:
            errors = validator.iter_errors(_plain(tree))
            found += [_finding(_closest(error), tree) for error in errors]
    return sorted(found, key=lambda one: one.position)


def _plain(value: Any) -> Any:
    """Return the tree as JSON has it; a reference stands for its path."""
    if isinstance(value, Reference):
        return list(value.path)
    if isinstance(value, Map):
        return {as_text(key): _plain(item) for key, item in value.items()}
    return [_plain(one) for one in value] if isinstance(value, Seq) else value


def _closest(error: ValidationError) -> ValidationError:
    """Return, of all alternatives that failed, the complaint that says most."""
    best = best_match(iter([error]))
    return error if best is None else best


def _finding(error: ValidationError, tree: Map) -> Finding:
    path = list(error.absolute_path)
    message = error.message if len(error.message) <= _LONGEST else f"{error.message[:_LONGEST]}…"
    where = ":".join(map(str, path))
    prefix = f"{where}: " if where else ""
    hint = "GitLab's schema for editors says so; the server may accept it all the same"
    return Finding(f"schema: {prefix}{message}", _place(tree, path), hint, warning=True)


def _place(tree: Map, path: list[str | int]) -> Position:
    """Return where the value at ``path`` was written, or the nearest above it."""
    value: Any = tree
    place = tree.position
    for key in _keys(tree, path):
        if isinstance(value, Map):
            place = value.place(key)
        elif isinstance(value, Seq):
            place = value.place(int(key))
        value = value[key]
    return place


def _keys(tree: Any, path: list[str | int]) -> Iterator[Any]:
    """Yield the keys as they are in the tree: the schema has seen them as texts."""
    value = tree
    for key in path:
        if isinstance(value, Map):
            actual: Any = next((one for one in value if as_text(one) == key), None)
        else:
            actual = key if isinstance(value, Seq) else None
        if actual is None:
            return
        yield actual
        value = value[actual]
