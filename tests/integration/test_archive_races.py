"""Exchanging folders and files for links while they are archived or unpacked touches nothing foreign (R8)."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import pyrunner
from pyrunner.helper.archives import extract_archive
from tests.support import swapper
from tests.support.archive_trees import describe

pytestmark = pytest.mark.integration

FORMATS = pytest.mark.parametrize("form", ["zip", "tarzstd"])
PARTS = 30
FILES = 10
MANY = 200
CHECKOUT = str(Path(pyrunner.__file__).parents[1])
ROUNDS = 12
#: Seconds; a helper that is led in circles would take for ever.
BOUND = 60


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A work tree, and beside it a tree that nobody may touch."""
    for place, text in (("project/lib", "mine"), ("canary", "CANARY"), ("canary/lib", "CANARY")):
        for part in range(PARTS):
            folder = tmp_path / place / f"part{part}"
            folder.mkdir(parents=True)
            for number in range(MANY if part == 1 else FILES):
                (folder / f"file{number}").write_text(f"{text} {number}")
    (tmp_path / "project/lib/single").write_text("mine")
    (tmp_path / "canary/single").write_text("CANARY")
    return tmp_path / "project"


@contextmanager
def swapping(project: Path, *paths: str) -> Iterator[None]:
    """Exchange these paths for links into the canary tree as long as the block."""
    canary = project.parent / "canary"
    before = describe(canary, fractions=True), canary.stat().st_mtime_ns
    process = subprocess.Popen(
        [sys.executable, swapper.__file__, str(canary), *(str(project / path) for path in paths)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == b"swapping\n"
        yield
        assert process.poll() is None, "nothing was swapped"
    finally:
        process.stdin.close()
        process.wait()
        process.stdout.close()
    assert (describe(canary, fractions=True), canary.stat().st_mtime_ns) == before


def helper(project: Path, form: str, *arguments: str) -> int:
    """Run a cache command in the project and return its exit code."""
    done = subprocess.run(
        [sys.executable, "-m", "pyrunner.helper", *arguments, "--file", "../cache/cache.zip"],
        cwd=project,
        env={**os.environ, "CACHE_COMPRESSION_FORMAT": form, "PYTHONPATH": CHECKOUT},
        capture_output=True,
        timeout=BOUND,
        check=False,
    )
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    return done.returncode


@FORMATS
def test_archiving(project: Path, form: str) -> None:
    """No byte of what a swapped link leads to is in an archive, though all around it is."""
    cache = project.parent / "cache"
    kept = 0
    with swapping(project, "lib/part1", "lib/single", "lib/part5/file7"):
        for number in range(ROUNDS):
            assert helper(project, form, "cache-archiver", "--path", "lib") == 0
            unpacked = project.parent / f"unpacked{number}"
            unpacked.mkdir()
            extract_archive(str(cache / "cache.zip"), str(unpacked))
            for path in unpacked.rglob("*"):
                if path.is_file() and not path.is_symlink():
                    assert "CANARY" not in path.read_text()
                    kept += 1
            (cache / "cache.zip").unlink()
    assert kept > 0


@FORMATS
def test_unpacking(project: Path, form: str) -> None:
    """Nothing is written, changed or removed behind a link, in the tree or where it is unpacked first."""
    assert helper(project, form, "cache-archiver", "--path", "lib") == 0
    staged = ".pyrunner-unpacking-*/lib"
    with swapping(project, "lib/part*", "lib/single", f"{staged}/part*"):
        codes = [helper(project, form, "cache-extractor") for _ in range(ROUNDS)]
    assert set(codes) <= {0, 1}
