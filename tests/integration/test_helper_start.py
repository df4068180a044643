"""How stage scripts start the helper: quickly, by itself, and with its libraries wherever those are."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

import pyrunner
from pyrunner.system.helper_words import helper_words

pytestmark = pytest.mark.integration

PACKAGE = Path(pyrunner.__file__).resolve().parent
#: What takes longer to import than to find out that a cache is unchanged, or has no business there.
HEAVY = {
    *("argparse", "asyncio", "botocore", "click", "dataclasses", "datetime", "hashlib", "inspect", "isal"),
    *("json", "pathlib", "requests", "shutil", "site", "subprocess", "tempfile", "urllib", "zstandard"),
}


def start(
    words: tuple[str, ...], folder: Path, command: str, *flags: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a command on the cache of ``folder``."""
    return subprocess.run(
        [*words, command, "--file", "../cache/cache.zip", *flags],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def library(name: str) -> Path:
    """Return where a library is."""
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A work tree with something to cache, and with what a job might put in the way."""
    folder = tmp_path / "tree"
    (folder / "lib").mkdir(parents=True)
    (folder / "lib/file").write_text("content\n" * 1000)
    for name in ("json", "zstandard", "site", "logging"):
        (folder / f"{name}.py").write_text("print('EVIL')\n")
    return folder


def other_python(tmp_path: Path) -> tuple[Path, Path]:
    """Return another environment's interpreter, and where its libraries are."""
    home = tmp_path / "environment"
    venv.create(home, symlinks=True, with_pip=False)
    (packages,) = home.glob("lib/python3*/site-packages")
    return home / "bin/python", packages


def test_an_unchanged_cache_imports_little(tree: Path) -> None:
    """Nothing is imported that the answer does not need: its start is most of the time it takes."""
    words = helper_words(sys.executable, PACKAGE)
    assert start(words, tree, "cache-archiver", "--path", "lib").returncode == 0
    told = start((*words[:-1], "-X", "importtime", words[-1]), tree, "cache-archiver", "--path", "lib").stderr
    assert "Archive is up to date!" in told
    lines = [line for line in told.splitlines() if line.startswith("import time:")]
    imported = {line.rpartition("|")[2].strip() for line in lines}
    assert "pyrunner.helper.fingerprint" in imported
    assert not HEAVY & imported


@pytest.mark.parametrize("layout", ["checkout", "beside", "installed"])
def test_libraries_are_found(tree: Path, tmp_path: Path, layout: str) -> None:
    """An editable installation, one outside of the interpreter's folders, an environment of its own.

    The first and the last have their libraries by a ``.pth`` file, as some installations do.
    """
    python, packages = other_python(tmp_path)
    if layout == "beside":
        place = tmp_path / "user"
        place.mkdir()
        (place / "zstandard").symlink_to(library("zstandard"))
    else:
        place = packages
        (packages / "libraries.pth").write_text(f"{library('zstandard').parent}\n")
    if layout == "checkout":
        package = PACKAGE
    else:
        package = place / "pyrunner"
        package.symlink_to(PACKAGE)
    words = helper_words(str(python), package)
    saved = start(words, tree, "cache-archiver", "--path", "lib", CACHE_COMPRESSION_FORMAT="tarzstd")
    assert saved.returncode == 0, saved.stderr
    assert (tree.parent / "cache/cache.zip").read_bytes().startswith(b"\x28\xb5\x2f\xfd")
    (tree / "lib/file").unlink()
    restored = start(words, tree, "cache-extractor")
    assert restored.returncode == 0, restored.stderr
    assert (tree / "lib/file").exists()


def test_the_jobs_folder_and_variables_have_no_say(tree: Path, tmp_path: Path) -> None:
    """Neither modules of the job's nor PYTHON variables are looked at, when libraries are, either."""
    (tmp_path / "sitecustomize.py").write_text("print('EVIL')\n")
    words = helper_words(sys.executable, PACKAGE)
    saved = start(
        words, tree, "cache-archiver", "--path", "lib", CACHE_COMPRESSION_FORMAT="zipzstd",
        PYTHONPATH=f"{tree}:{tmp_path}", PYTHONHOME=str(tree),
        PYTHONSTARTUP=str(tmp_path / "sitecustomize.py"),
    )  # fmt: skip
    assert saved.returncode == 0, saved.stderr
    assert "EVIL" not in saved.stdout + saved.stderr
