"""``id_tokens``, ``secrets``, ``inherit`` and the ``inputs`` of a job (gitlab-ci-yml.md 1.8, 3.2)."""

from __future__ import annotations

from typing import Any, Final

from pyrunner.ci.checks.entry import Entry, is_strings, mapping
from pyrunner.ci.finding import Findings
from pyrunner.ci.tree import Map, Position, as_text

#: What ``default`` may hold, in GitLab's order.
DEFAULT_KEYS: Final = (
    "before_script",
    "after_script",
    "hooks",
    "cache",
    "image",
    "services",
    "interruptible",
    "timeout",
    "retry",
    "tags",
    "artifacts",
    "id_tokens",
    "identity",
)
_INPUT_KEYS: Final = ("type", "default", "options", "regex", "description")
_INPUT_TYPES: Final = ("string", "number", "boolean", "array")
_MOST_INPUTS: Final = 50
_PROVIDERS: Final = (
    "vault",
    "gcp_secret_manager",
    "azure_key_vault",
    "aws_secrets_manager",
    "gitlab_secrets_manager",
)


def check_id_tokens(where: str, value: Any, place: Position, findings: Findings) -> None:
    """Add what is wrong with ``id_tokens``."""
    entry = mapping(where, value, place, findings)
    if entry is None:
        return
    for name, token in entry.value.items():
        path = f"{where}:{as_text(name)}"
        inner = mapping(path, token, entry.value.place(name), findings)
        if inner is not None:
            inner.require(("aud",))
            inner.allow(("aud",))
            inner.strings_or_string("aud")


def check_secrets(where: str, value: Any, place: Position, findings: Findings) -> None:
    """Add what is wrong with ``secrets``: each names its provider."""
    entry = mapping(where, value, place, findings)
    if entry is None:
        return
    for name, secret in entry.value.items():
        inner = mapping(f"{where}:{as_text(name)}", secret, entry.value.place(name), findings)
        if inner is None:
            continue
        inner.allow((*_PROVIDERS, "file", "token"))
        if sum(one in inner.value for one in _PROVIDERS) != 1:
            inner.config(f"must use exactly one of these keys: {', '.join(_PROVIDERS)}")
        inner.boolean("file")
        inner.string("token")


def check_inherit(where: str, value: Any, place: Position, findings: Findings) -> None:
    """Add what is wrong with ``inherit``."""
    entry = mapping(where, value, place, findings)
    if entry is None or not entry.allow(("default", "variables")):
        return
    for key in ("default", "variables"):
        names = entry.get(key)
        if names is None or isinstance(names, bool):
            continue
        path, at = f"{where}:{key}", entry.value.place(key)
        if not isinstance(names, list):
            findings.entry(path, "should be a bool or array of strings", at)
        elif not is_strings(names):
            findings.entry(path, "config should be an array of strings", at)
        elif key == "default" and (unknown := [one for one in names if one not in DEFAULT_KEYS]):
            hint = "these are keywords of `default`"
            findings.entry(path, f"config contains unknown values: {', '.join(unknown)}", at, hint)


def check_job_inputs(where: str, value: Any, place: Position, findings: Findings) -> None:
    """Add what is wrong with the ``inputs`` of a job: all have a default."""
    entry = mapping(where, value, place, findings)
    if entry is None:
        return
    if len(entry.value) > _MOST_INPUTS:
        entry.config(f"is too long (maximum is {_MOST_INPUTS})", place)
    for name, definition in entry.value.items():
        path, at = f"{where}:{as_text(name)}", entry.value.place(name)
        if not isinstance(definition, Map):
            findings.entry(path, "config should be a hash", at)
            continue
        inner = Entry(path, definition, findings)
        inner.allow(_INPUT_KEYS)
        if inner.get("default") is None:
            findings.entry(path, "must have a default value", at)
        kind = inner.get("type")
        if kind is not None and kind not in _INPUT_TYPES:
            inner.says("input_type", f"unknown value: {as_text(kind)}")
