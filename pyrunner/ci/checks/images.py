"""``image`` and ``services`` (gitlab-ci-yml.md 3.10)."""

from __future__ import annotations

from typing import Any, Final

from pyrunner.ci.checks.entry import Entry, is_strings
from pyrunner.ci.checks.variables import check_variables
from pyrunner.ci.finding import Findings
from pyrunner.ci.tree import Map, Position, flatten

_IMAGE_KEYS: Final = ("name", "entrypoint", "ports", "pull_policy", "docker", "kubernetes")
_SERVICE_KEYS: Final = (*_IMAGE_KEYS, "alias", "command", "variables")
_PULL_POLICIES: Final = ("always", "never", "if-not-present")


def check_image(where: str, value: Any, place: Position, findings: Findings) -> None:
    """Add what is wrong with ``image``."""
    _check_imageable(where, value, place, findings, _IMAGE_KEYS)


def check_services(where: str, value: Any, place: Position, findings: Findings) -> None:
    """Add what is wrong with ``services``."""
    if not isinstance(value, list):
        findings.entry(where, "config should be an array", place)
        return
    for one in flatten(value, 10) or []:
        at = getattr(one, "position", place)
        entry = _check_imageable(f"{where}:service", one, at, findings, _SERVICE_KEYS)
        if entry is None:
            continue
        entry.string("alias")
        entry.strings("command")
        if entry.get("variables") is not None:
            path = f"{where}:service:variables"
            check_variables(path, entry.get("variables"), entry.value.place("variables"), findings)


def _check_imageable(
    where: str, value: Any, place: Position, findings: Findings, keys: tuple[str, ...]
) -> Entry | None:
    if isinstance(value, str):
        return None
    if not isinstance(value, Map):
        findings.entry(where, "config should be a hash or a string", place)
        return None
    entry = Entry(where, value, findings)
    entry.allow(keys)
    if "ports" in value:
        hint = "ports are for web terminals only; every port of a service can be reached as it is"
        entry.config("contains disallowed keys: ports", value.place("ports"), hint)
    entry.present("name")
    entry.strings("entrypoint")
    _check_pull_policy(entry)
    return entry


def _check_pull_policy(entry: Entry) -> None:
    policy = entry.get("pull_policy")
    if policy is None:
        return
    if isinstance(policy, str):
        if policy not in _PULL_POLICIES:
            entry.within("pull_policy", "is not included in the list", f"use {', '.join(_PULL_POLICIES)}")
    elif not is_strings(policy):
        entry.within("pull_policy", "should be a string or an array of strings")
    elif unknown := [one for one in policy if one not in _PULL_POLICIES]:
        entry.within("pull_policy", f"contains unknown values: {', '.join(unknown)}")
    elif not policy:
        entry.within("pull_policy", "can't be blank")
