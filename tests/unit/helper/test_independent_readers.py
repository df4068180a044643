"""What other programs make of our archives, and we of theirs: the same tree (job-execution.md 7.4)."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import zstandard

from pyrunner.helper.archives import extract_archive
from pyrunner.helper.entries import BLOCK
from tests.support.archive_trees import describe, fill, pack


def command(name: str) -> str:
    """Return the path of a program; skips where it is not installed."""
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed")
    return path


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A tree with a bit of everything, without names that programs take for another alphabet."""
    folder = tmp_path / "source"
    folder.mkdir()
    fill(folder)
    (folder / os.fsdecode(b"latin\xe9")).unlink()
    return folder


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """An empty folder."""
    folder = tmp_path / "target"
    folder.mkdir()
    return folder


def run(*words: str, folder: Path) -> None:
    """Run a program there, in UTF-8."""
    subprocess.run(words, cwd=folder, check=True, env={**os.environ, "LC_ALL": "C.UTF-8"})


def test_bsdtar_reads_our_tarzstd(source: Path, target: Path) -> None:
    """Everything, times to the nanosecond."""
    pack(source, target.parent / "a", "tarzstd")
    run(command("bsdtar"), "-xpf", "../a", folder=target)
    assert describe(target, fractions=True) == describe(source, fractions=True)


def test_bsdtar_reads_our_zipzstd(source: Path, target: Path) -> None:
    """Zstandard is method 93, in one frame or many.

    libarchive 3.6 wants more input while there is output left, so files that pack to next to nothing are
    beyond it, whoever packed them.
    """
    for name in ("exact", "large"):
        (source / name).write_bytes(os.urandom(3 * BLOCK + 5))
    pack(source, target.parent / "a", "zipzstd")
    run(command("bsdtar"), "-xpf", "../a", folder=target)
    assert describe(target) == describe(source)


def test_unzip_reads_modes_and_times(source: Path, target: Path) -> None:
    """Info-ZIP finds our extra fields."""
    pack(source, target.parent / "a", "zip")
    run(command("unzip"), "-q", "../a", folder=target)
    assert describe(target) == describe(source)


@pytest.mark.parametrize("level", ["0", "1", "9"])
def test_we_read_what_zip_writes(source: Path, target: Path, level: str) -> None:
    """Info-ZIP's own archives."""
    run(command("zip"), "-qry", f"-{level}", "../a.zip", ".", folder=source)
    extract_archive(str(target.parent / "a.zip"), str(target))
    assert describe(target) == describe(source)


@pytest.mark.parametrize("form", ["ustar", "pax", "gnutar"])
def test_we_read_what_bsdtar_writes(source: Path, target: Path, form: str) -> None:
    """Each dialect of tar; only that of POSIX has fractions of seconds."""
    if form == "ustar":  # there are things that it cannot say
        shutil.rmtree(source / "a-folder-with-a-long-name")
        (source / "long link").unlink()
    run(command("bsdtar"), "-c", f"--format={form}", "-f", "../a.tar", ".", folder=source)
    packed = zstandard.compress((target.parent / "a.tar").read_bytes())
    (target.parent / "a").write_bytes(packed)
    extract_archive(str(target.parent / "a"), str(target))
    exactly = form == "pax"
    assert describe(target, exactly) == describe(source, exactly)


def test_we_read_what_gnu_tar_writes(source: Path, target: Path) -> None:
    """Long names are entries of their own."""
    run(command("tar"), "-c", "--format=gnu", "-f", "../a.tar", ".", folder=source)
    (target.parent / "a").write_bytes(zstandard.compress((target.parent / "a.tar").read_bytes()))
    extract_archive(str(target.parent / "a"), str(target))
    assert describe(target) == describe(source)
