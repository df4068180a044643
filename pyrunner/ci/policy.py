"""``only`` and ``except`` (gitlab-ci-yml.md 3.4)."""

from __future__ import annotations

from typing import Any, Final

import re2  # type: ignore[import-untyped]

from pyrunner.ci.event import Event
from pyrunner.ci.expression import compile_pattern, parse
from pyrunner.ci.rules import RuleContext
from pyrunner.ci.tree import NOWHERE, Map

_DEFAULT_REFS: Final = ["branches", "tags"]


def admits(job: Map, event: Event, context: RuleContext, *, defaults: bool) -> tuple[bool, str]:
    """Tell whether ``only`` and ``except`` let a job in, and why.

    :param defaults: no ``only`` means branches and tags: there are no workflow rules.
    """
    only, excluded = _policy(job.get("only")), _policy(job.get("except"))
    if only is None and defaults:
        only = Map()
    if only is not None and only.get("refs") is None:  # a map without refs keeps the default, always
        only.put("refs", list(_DEFAULT_REFS), NOWHERE)
    for key, value in (only or {}).items():
        if value is not None:
            held, words = _holds(key, value, event, context)
            if not held:
                return False, f"only:{key} does not match ({words})"
    for key, value in (excluded or {}).items():
        if value is not None:
            held, words = _holds(key, value, event, context)
            if held:
                return False, f"except:{key} matches ({words})"
    if job.get("only") is not None:
        return True, f"only matches {event.kind} {event.ref}"
    if excluded is not None:
        return True, f"except does not match {event.kind} {event.ref}"
    return True, "neither rules nor only"


def _policy(written: Any) -> Map | None:
    if written is None:
        return None
    if isinstance(written, Map):
        return written.clone()
    made = Map()
    made.put("refs", written, NOWHERE)
    return made


def _holds(key: str, value: Any, event: Event, context: RuleContext) -> tuple[bool, str]:
    if key == "refs":
        words = f"{event.kind} {event.ref}, source {event.source}"
        return any(_is_ref(one, event) for one in value), words
    if key == "variables":
        return any(parse(one).is_true(context.view.written) for one in value), ", ".join(value)
    if key == "changes":
        return context.files.changes(context.name, value, NOWHERE, context.view)
    return event.kubernetes_active, "no cluster is connected"


def _is_ref(written: str, event: Event) -> bool:
    pattern, at, project = written.partition("@")
    if at and project != event.project.path:
        return False
    if pattern == "branches" or pattern == "tags":
        return event.kind == ("tag" if pattern == "tags" else "branch")
    source = event.source.removesuffix("_event")
    if pattern in (source, source + ("es" if source.endswith("h") else "s")):
        return True
    if event.merge_request is not None:
        return False  # names and patterns are for branches and tags
    try:
        compiled = compile_pattern(pattern)
    except re2.error:
        return False
    return pattern == event.ref if compiled is None else compiled.search(event.ref) is not None
