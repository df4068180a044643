"""The documentation builds as a site, strictly."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.integration
def test_the_site_builds_strictly(tmp_path: Path) -> None:
    """No link, anchor or page is missing, every page is in the navigation, nothing is loaded from afar."""
    pytest.importorskip("material", reason="the extra docs is not installed")
    built = subprocess.run(
        [
            sys.executable,
            "-m",
            "mkdocs",
            "build",
            "--strict",
            "--quiet",
            "--site-dir",
            str(tmp_path / "site"),
        ],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    pages = list((tmp_path / "site").rglob("*.html"))
    assert (tmp_path / "site" / "reference" / "messages" / "index.html") in pages
    assert (tmp_path / "site" / "project" / "changelog" / "index.html") in pages
    for page in pages:
        for loads in ('<script src="http', '<link rel="stylesheet" href="http', '<img src="http'):
            assert loads not in page.read_text()
