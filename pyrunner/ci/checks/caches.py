"""``cache`` (gitlab-ci-yml.md 3.11)."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import unquote

from pyrunner.ci.checks.entry import Entry, has_variable, is_strings
from pyrunner.ci.finding import Findings
from pyrunner.ci.tree import Map, Position, flatten

MAX_CACHES: Final = 4
_MAX_FALLBACKS: Final = 5
_MAX_FILES: Final = 2
_KEYS: Final = ("key", "untracked", "paths", "when", "policy", "unprotect", "fallback_keys")
_POLICIES: Final = ("pull-push", "push", "pull")
_WHEN: Final = ("on_success", "on_failure", "always")


def check_caches(where: str, value: Any, place: Position, findings: Findings) -> None:
    """Add what is wrong with ``cache``, one or several."""
    if isinstance(value, Map):
        _check_cache(Entry(where, value, findings))
        return
    if not isinstance(value, list):
        findings.entry(f"{where}s", "config can only be a hash or an array", place)
        return
    caches = flatten(value, 10) or []
    if len(caches) > MAX_CACHES:
        findings.entry(f"{where}s", f"config no more than {MAX_CACHES} caches can be created", place)
    for one in caches:
        if isinstance(one, Map):
            _check_cache(Entry(where, one, findings))
        else:
            findings.entry(where, "config should be a hash", place)


def _check_cache(entry: Entry) -> None:
    entry.allow(_KEYS)
    if entry.get("policy") is not None and not has_variable(entry.get("policy")):
        message = f"should be a variable or one of: {', '.join(_POLICIES)}"
        entry.one_of("policy", _POLICIES, message)
    if not has_variable(entry.get("when")):
        entry.one_of("when", _WHEN, f"should be one of: {', '.join(_WHEN)}")
    fallbacks = entry.get("fallback_keys")
    if fallbacks is not None:
        if not is_strings(fallbacks):
            entry.says("fallback_keys", "should be an array of strings")
        elif len(fallbacks) > _MAX_FALLBACKS:
            entry.says("fallback_keys", f"has to many entries (maximum {_MAX_FALLBACKS})")
    for key in ("untracked", "unprotect"):
        if entry.get(key) is not None and not isinstance(entry.get(key), bool):
            entry.within(key, "should be a boolean value")
    if entry.get("paths") is not None and not is_strings(entry.get("paths")):
        entry.within("paths", "should be an array of strings")
    key = entry.get("key")
    if isinstance(key, Map):
        _check_key(Entry(f"{entry.where}:key", key, entry.findings))
    elif isinstance(key, str):
        _check_segment(entry, "key", key)
    elif key is not None:
        place = entry.value.place("key")
        hint = "put the key in quotes"
        entry.findings.entry(f"{entry.where}:key", "should be a hash, a string or a symbol", place, hint)


def _check_segment(entry: Entry, key: str, text: str) -> None:
    path = unquote(text)
    if "/" in path:
        hint = "a key is no path; $CI_COMMIT_REF_SLUG has no slash"
        entry.within(key, 'cannot contain the "/" character', hint)
    elif path in (".", ".."):
        entry.within(key, 'cannot be "." or ".."')


def _check_key(key: Entry) -> None:
    key.allow(("files", "files_commits", "prefix"))
    given = [one for one in ("files", "files_commits") if one in key.value]
    if len(given) != 1:
        key.config("must use exactly one of these keys: files, files_commits")
    for one in given:
        files = key.get(one)
        if not is_strings(files):
            key.within(one, "should be an array of strings")
        elif not files:
            key.within(one, "requires at least 1 item")
        elif len(files) > _MAX_FILES:
            key.within(one, f"has too many items (maximum is {_MAX_FILES})")
    prefix = key.get("prefix")
    if isinstance(prefix, str):
        _check_segment(key, "prefix", prefix)
    elif prefix is not None:
        key.within("prefix", "should be a string or symbol")
