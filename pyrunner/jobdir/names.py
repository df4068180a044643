"""Refs and path segments become folder names that cannot leave their parent (tristan-layout.md 3)."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from urllib.parse import urlsplit

_KEPT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}\Z")
_OTHER = re.compile(r"[^A-Za-z0-9._-]+")


def safe_name(name: str) -> str:
    """Return ``name`` where it is harmless, else ``<slug>-<8 hex of its SHA-256>``."""
    if _KEPT.match(name):
        return name
    slug = _OTHER.sub("-", name).lstrip("-.")[:60]
    return suffixed(name, slug)


def suffixed(name: str, slug: str) -> str:
    """Return ``slug`` made unique for ``name`` by the first 8 hex digits of its SHA-256."""
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:8]
    return f"{slug}-{digest}" if slug else f"_-{digest}"


def safe_child(parent: Path, name: str) -> Path:
    """Return the folder of ``name`` below ``parent``, apart from siblings that differ only in case.

    A name whose folded form is already taken by another, whichever of them has the capitals, gets the
    suffix, so that the layout also holds on a file system that folds case.
    """
    plain = safe_name(name)
    marked = suffixed(name, plain[:60])
    try:
        siblings = {entry for entry in _listing(parent) if entry.casefold() == plain.casefold()}
    except FileNotFoundError:
        return parent / plain
    if (parent / marked).is_dir() and plain not in siblings:
        return parent / marked
    if plain in siblings or not siblings:
        return parent / plain
    return parent / marked


def _listing(folder: Path) -> list[str]:
    return [entry.name for entry in folder.iterdir()]


def host_folder(repo_url: str) -> str:
    """Return the folder of a repository's host: ``gitlab.example.com``, with a port ``…_8443``."""
    try:
        parts = urlsplit(repo_url)
    except ValueError:
        return "_"
    try:
        port = parts.port
    except ValueError:
        port = None
    host = (parts.hostname or "").lower()
    return safe_name(f"{host}_{port}" if port else host) if host else "_"
