"""``release``, ``pages`` and ``publish`` (gitlab-ci-yml.md 3.2, 3.12)."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from pyrunner.ci.checks.entry import Entry, mapping
from pyrunner.ci.finding import Findings
from pyrunner.ci.tree import Map, Position

_RELEASE_KEYS: Final = (
    "tag_name",
    "tag_message",
    "name",
    "description",
    "ref",
    "released_at",
    "milestones",
    "assets",
)
_LINK_KEYS: Final = ("name", "url", "filepath", "link_type")


def check_release(where: str, value: Any, place: Position, findings: Findings) -> None:
    """Add what is wrong with ``release``."""
    entry = mapping(where, value, place, findings)
    if entry is None:
        return
    entry.allow(_RELEASE_KEYS)
    entry.present("tag_name")
    entry.string("tag_message", "name", "ref")
    entry.present("description")
    entry.strings_or_string("milestones")
    moment = entry.get("released_at")
    if moment is not None and not _is_moment(moment):
        entry.says("released_at", "must be a valid datetime")
    if entry.get("assets") is not None:
        _check_assets(f"{where}:assets", entry.get("assets"), entry.value.place("assets"), findings)


def _is_moment(value: Any) -> bool:
    try:
        datetime.fromisoformat(str(value))
    except ValueError:
        return False
    return True


def _check_assets(where: str, value: Any, place: Position, findings: Findings) -> None:
    entry = mapping(where, value, place, findings)
    if entry is None:
        return
    entry.allow(("links",))
    links = entry.get("links")
    if not isinstance(links, list) or not all(isinstance(one, Map) for one in links):
        entry.within("links", "should be an array of hashes")
        return
    for one in links:
        link = Entry(f"{where}:links:link", one, findings)
        link.allow(_LINK_KEYS)
        link.present("name")
        link.present("url")
        link.string("filepath", "link_type")


def check_pages(where: str, value: Any, place: Position, findings: Findings) -> None:
    """Add what is wrong with ``pages``."""
    if isinstance(value, bool):
        return
    if not isinstance(value, Map):
        findings.entry(where, "config should be a hash or a boolean value", place)
        return
    entry = Entry(where, value, findings)
    entry.allow(("path_prefix", "expire_in", "publish"))
    entry.string("path_prefix", "publish")
    entry.duration("expire_in", never=True)


def check_publish(where: str, value: Any, place: Position, findings: Findings) -> None:
    """Add what is wrong with ``publish``."""
    if not isinstance(value, str):
        findings.entry(where, "config should be a string", place)
