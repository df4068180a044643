"""``exec`` in working copies that do not hold everything themselves: git-lfs, partial clones."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from pyrunner.coordinator.git_lfs import find_object
from tests.support.coordinator import GitRepository
from tests.support.exec_runs import ExecLab
from tests.support.snapshots import fingerprint

pytestmark = pytest.mark.integration

with_lfs = pytest.mark.skipif(shutil.which("git-lfs") is None, reason="git-lfs is not installed")


def git(folder: Path, *arguments: str) -> None:
    """Run git with no settings of the user's but that file contents may come from folders."""
    environment = {**os.environ, "HOME": str(folder.parent), "GIT_CONFIG_NOSYSTEM": "1"}
    identity = ("-c", "user.name=a", "-c", "user.email=a@localhost")
    command = ["git", *identity, "-c", "protocol.file.allow=always", *arguments]
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)


@with_lfs
def test_large_files(tmp_path: Path) -> None:
    """Files of git-lfs are there in the job, committed or not; the repository gets none of it."""
    lab = ExecLab.make(tmp_path, "a: {script: ['wc -c < big.bin', 'wc -c < new.bin']}\n")
    git(lab.tree, "lfs", "install", "--local")
    (lab.tree / ".gitattributes").write_text("*.bin filter=lfs diff=lfs merge=lfs -text\n")
    (lab.tree / "big.bin").write_bytes(b"x" * 12345)
    git(lab.tree, "add", ".")
    git(lab.tree, "commit", "-q", "-m", "Large")
    (lab.tree / "new.bin").write_bytes(b"y" * 23456)
    before = fingerprint(lab.tree)
    done = lab.run()
    assert done.returncode == 0, done.stdout + lab.log("a")
    lines = done.stdout.splitlines()
    assert "a | 12345" in lines
    assert "a | 23456" in lines
    assert fingerprint(lab.tree) == before


def test_large_files_are_no_links(tmp_path: Path) -> None:
    """A job can ask for any object: what only looks like one leads nowhere."""
    secret = tmp_path / "secret"
    secret.write_text("x")
    folder = tmp_path / "objects"
    oid = "ab" * 32
    (folder / "ab" / "ab").mkdir(parents=True)
    (folder / "ab" / "ab" / oid).symlink_to(secret)
    assert find_object(oid, [folder]) is None
    assert find_object("../secret", [folder]) is None
    (folder / "ab" / "ab" / oid).unlink()
    (folder / "ab" / "ab" / oid).write_text("x")
    assert find_object(oid, [folder]) == folder / "ab" / "ab" / oid
    (tmp_path / "link").symlink_to(folder)
    assert find_object(oid, [tmp_path / "link"]) is None


def clone(lab: ExecLab, folder: Path) -> ExecLab:
    """Return a clone that has only the files that are checked out, and of those only the top folder's."""
    lab.repository.git("config", "uploadpack.allowFilter", "true")
    url = f"file://{lab.tree}"
    git(folder, "clone", "-q", "--filter=blob:none", "--sparse", url, str(folder / "partial"))
    return ExecLab(GitRepository(folder / "partial"), lab.home)


def test_partial_clone(tmp_path: Path) -> None:
    """Of earlier commits it has no files, and needs none; when some of this one are missing, that is said."""
    lab = ExecLab.make(tmp_path, "a: {script: [cat file.txt]}\n", {"file.txt": "one\n"})
    lab.repository.commit({"file.txt": "two\n"}, "Another")
    partial = clone(lab, tmp_path)
    done = partial.run()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "a | two" in done.stdout
    (partial.tree / "file.txt").write_text("three\n")
    assert "a | three" in partial.run().stdout


def test_partial_clone_with_folders_missing(tmp_path: Path) -> None:
    """Files of folders that are not checked out cannot be served: refused before anything runs."""
    lab = ExecLab.make(tmp_path, "a: {script: [ls]}\n", {"deep/file.txt": "one\n"})
    done = clone(lab, tmp_path).run()
    assert done.returncode == 2, done.stdout + done.stderr
    assert "this is a partial clone, and 1 of the files" in done.stderr
