"""Globs as Ruby matches them (gitlab-ci-yml.md 3.3), and where files may be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyrunner.ci.expansion import expand
from pyrunner.ci.files import Folder
from pyrunner.ci.globs import matches


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("*.md", "a.md", True),
        ("*.md", "d/a.md", False),
        ("**/*.md", "a.md", True),
        ("**/*.md", "d/e/a.md", True),
        ("docs/**", "docs/a", True),
        ("docs/**", "docs/a/b", False),
        ("docs/**/*", "docs/a/b", True),
        ("docs/", "docs/a", False),
        ("*.{md,txt}", "a.txt", True),
        ("{a,b{c,d}}", "bd", True),
        ("[ab]?", "bx", True),
        ("[!ab]", "a", False),
        ("**/.x", "d/.x", True),
        ("a+b", "aab", False),
    ],
)
def test_patterns(pattern: str, path: str, expected: bool) -> None:
    """``*`` stays in a folder, ``**/`` crosses them, a final ``**`` does not."""
    assert matches(pattern, path) is expected


def test_expansion() -> None:
    """All three spellings are replaced; what is protected or no name stays."""
    text = "$A ${A} %A% $$A %% $1 ${A:-x} $N"
    assert expand(text, {"A": "v"}) == "v v v $$A %% $1 ${A:-x} "
    assert expand("$N", {}, keep_unknown=True) == "$N"


def test_a_folder_is_not_left(tmp_path: Path) -> None:
    """Neither dots nor links read a file outside."""
    (tmp_path / "in").mkdir()
    (tmp_path / "secret.yml").write_text("x")
    (tmp_path / "in" / "link.yml").symlink_to(tmp_path / "secret.yml")
    (tmp_path / "in" / "a.yml").write_text("a")
    folder = Folder(tmp_path / "in")
    assert folder.read("a.yml") == "a"
    assert folder.read("../secret.yml") is None
    assert folder.read("link.yml") is None
    assert (folder / "..").read("secret.yml") is None
