"""``default`` and ``inherit``: what a job takes over from the root (gitlab-ci-yml.md 1.8)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pyrunner.ci.checks.identity import DEFAULT_KEYS
from pyrunner.ci.checks.root import OLD_DEFAULTS
from pyrunner.ci.tree import Map

#: All a trigger job takes over.
_TRIGGER_KEYS: Final = ("interruptible",)


def with_defaults(job: Map, tree: Map) -> Map:
    """Return a job with the default keywords it has not set itself; nothing is merged.

    ``default:timeout`` has no effect on a job.
    """
    default = tree.get("default")
    sources = [default] if isinstance(default, Map) else []
    sources.append(tree)
    allowed = _inherited(job, "default")
    keys = _TRIGGER_KEYS if job.get("trigger") is not None else DEFAULT_KEYS
    effective = job.clone()
    for key in keys:
        if key == "timeout" or job.get(key) is not None or not allowed(key):
            continue
        for source in sources:
            if source.get(key) is not None and (source is not tree or key in OLD_DEFAULTS):
                effective.put(key, source[key], source.place(key))
                break
    return effective


def inherited_variables(job: Map, variables: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of the root's variables that reach a job; unknown names in ``inherit`` are ignored."""
    allowed = _inherited(job, "variables")
    return {name: value for name, value in variables.items() if allowed(name)}


class _Names:
    """A name is inherited when it is in the list."""

    def __init__(self, names: list[str]) -> None:
        self._names = frozenset(names)

    def __call__(self, name: str) -> bool:
        return name in self._names


class _All:
    """Every name, or none."""

    def __init__(self, answer: bool) -> None:
        self._answer = answer

    def __call__(self, name: str) -> bool:
        return self._answer


def _inherited(job: Map, kind: str) -> _Names | _All:
    inherit = job.get("inherit")
    chosen = inherit.get(kind) if isinstance(inherit, Map) else None
    if isinstance(chosen, list):
        return _Names(chosen)
    return _All(chosen is not False)
