"""The step of a ``release`` (gitlab-ci-yml.md 3.2, 7.2): glab where it is new enough, else release-cli."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from pyrunner.ci.tree import Map, as_text

#: The first glab that can do it.
_GLAB: Final = "1.58.0"
_VERSION: Final = "glab --version 2>/dev/null | grep -oE '[0-9]+[.][0-9]+[.][0-9]+' | head -n 1"


def release_script(release: Map) -> str:
    """Return the script that makes the release; the shell expands variables in its fields."""
    return "\n".join(
        [
            f"glab_version=$({_VERSION} || true)",
            f"oldest=$(printf '%s\\n' {_GLAB} \"$glab_version\" | sort -V | head -n 1)",
            f'if [ -n "$glab_version" ] && [ "$oldest" = {_GLAB} ]; then',
            f"  {_glab(release)}",
            "else",
            f"  {_release_cli(release)}",
            "fi",
        ]
    )


def _quoted(value: Any) -> str:
    """Return a text in double quotes, in which the shell expands variables and nothing else."""
    return '"' + re.sub(r'["`]|\\(?=["`\\])', lambda match: "\\" + match[0], as_text(value)) + '"'


def _milestones(release: Map) -> list[str]:
    written = release.get("milestones")
    return (
        [as_text(one) for one in written]
        if isinstance(written, list)
        else [as_text(written)]
        if written
        else []
    )


def _links(release: Map) -> list[dict[str, Any]]:
    assets = release.get("assets")
    links = assets.get("links") if isinstance(assets, Map) else None
    return [dict(one) for one in links or []]


def _glab(release: Map) -> str:
    words = [f"glab release create {_quoted(release.get('tag_name'))}"]
    for key, flag in (
        ("name", "--name"),
        ("description", "--notes"),
        ("tag_message", "--tag-message"),
        ("ref", "--ref"),
        ("released_at", "--released-at"),
    ):
        if release.get(key):
            words.append(f"{flag} {_quoted(release[key])}")
    words += [f"--milestone {_quoted(one)}" for one in _milestones(release)]
    if links := _links(release):
        words.append(f"--assets-links {_quoted(json.dumps(links))}")
    return " ".join([*words, "--no-update", "--no-close-milestone"])


def _release_cli(release: Map) -> str:
    words = ["release-cli create"]
    for key in ("name", "description", "tag_name", "tag_message", "ref", "released_at"):
        if release.get(key):
            words.append(f"--{key.replace('_', '-')} {_quoted(release[key])}")
    words += [f"--milestone {_quoted(one)}" for one in _milestones(release)]
    words += [f"--assets-link {_quoted(json.dumps(one))}" for one in _links(release)]
    return " ".join(words)
