"""``pyrunner demo``: what `make demo` shows goes well."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration


def test_demo(tmp_path: Path) -> None:
    """Both parts end as they should: a runner's jobs, and the sample pipeline by ``exec``, with its cache."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "TMPDIR": str(tmp_path),
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
        # no image: what a machine without docker shows
        "PYRUNNER_DEMO_IMAGE": "pyrunner.invalid/none:1",
    }
    done = subprocess.run(
        [sys.executable, "-m", "pyrunner", "demo", "--no-keep"],
        env=environment,
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "pipeline passed with warnings" in done.stdout
    assert "--manual ship" in done.stdout
    assert done.stdout.count("| cleaning the press") == 2
    assert done.stdout.count("| the press is clean") == 2
