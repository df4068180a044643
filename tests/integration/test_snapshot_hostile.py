"""Working copies from somebody one does not trust: to look at them runs nothing of theirs."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from pyrunner.errors import UsageError
from pyrunner.snapshot.event import Wanted, play
from pyrunner.snapshot.files import WorkingFiles
from pyrunner.snapshot.working_copy import WorkingCopy
from tests.support.coordinator import GitRepository
from tests.support.snapshots import environment, fingerprint, take

pytestmark = pytest.mark.integration

#: Settings by which a repository has git run a program; ``%s`` is the program.
PROGRAMS = {
    "filter.evil.clean": "%s",
    "filter.evil.smudge": "%s",
    "filter.evil.process": "%s",
    "diff.evil.textconv": "%s",
    "diff.evil.command": "%s",
    "diff.external": "%s",
    "core.fsmonitor": "%s",
    "core.pager": "%s",
    "core.sshCommand": "%s",
    "core.alternateRefsCommand": "%s",
    "gpg.program": "%s",
    "log.showSignature": "true",
    "uploadpack.packObjectsHook": "%s",
    "alias.ls-files": "!%s",
    "credential.helper": "!%s",
    "extensions.partialClone": "origin",
    "protocol.ext.allow": "always",
    "remote.origin.promisor": "true",
    "remote.origin.url": "ext::%s",
    "remote.origin.uploadpack": "%s",
}


def signed_commit(repository: GitRepository) -> None:
    """Make the tip of main a commit with a signature, which git can have looked at."""
    tree, parent = (repository.git("rev-parse", name) for name in ("HEAD^{tree}", "HEAD"))
    who = "Eve <eve@localhost> 1700000000 +0000"
    signature = "gpgsig -----BEGIN PGP SIGNATURE-----\n \n abc\n -----END PGP SIGNATURE-----"
    text = f"tree {tree}\nparent {parent}\nauthor {who}\ncommitter {who}\n{signature}\n\nSigned\n"
    made = subprocess.run(
        ["git", "hash-object", "-t", "commit", "-w", "--stdin"],
        cwd=repository.path,
        env=environment(),
        input=text.encode(),
        capture_output=True,
        check=True,
    )
    repository.git("update-ref", "refs/heads/main", made.stdout.decode().strip())


def test_a_hostile_repository_runs_nothing(git_repository: GitRepository, tmp_path: Path) -> None:
    """Whatever its settings and those of its submodules name: none of it runs, and nothing is written."""
    tree, log = git_repository.path, tmp_path / "log"
    program = tmp_path / "program"
    program.write_text(f'#!/bin/sh\necho "$0 $*" >> {log}\nexit 1\n')
    program.chmod(0o755)
    git_repository.commit({".gitattributes": "* filter=evil diff=evil\n"}, "Attributes")
    inner = tmp_path / "inner"
    subprocess.run(["git", "clone", "-q", str(tree), str(inner)], env=environment(), check=True)
    git_repository.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(inner), "sub")
    git_repository.commit({"more.txt": "x"}, "Submodule")
    signed_commit(git_repository)
    git_repository.git("update-ref", "refs/remotes/origin/main", "main~1")
    git_repository.git("config", "branch.main.remote", "origin")
    git_repository.git("config", "branch.main.merge", "refs/heads/main")
    git_repository.git("config", "remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*")
    for config in (tree / ".git/config", tree / ".git/modules/sub/config"):
        for key, value in PROGRAMS.items():
            command = ["git", "config", "--file", str(config), key, value.replace("%s", str(program))]
            subprocess.run(command, check=True)
    (tree / "README.md").write_text("changed\n")
    (tree / "sub/README.md").write_text("changed\n")
    before = fingerprint(tree)
    snapshot, store = take(tree, tmp_path / "store")
    assert store.text("show", f"{snapshot.sha}:README.md") == "changed"
    copy = WorkingCopy.find(tree, environment())
    played = play(copy, Wanted())
    assert (played.changed, played.basis) == (["README.md"], "since origin/main")
    files = WorkingFiles(copy, played.changed)
    assert files.blob_id("README.md") == store.text("rev-parse", f"{snapshot.sha}:README.md")
    assert files.last_commit("more.txt")
    assert files.changed_since("main") == ["README.md"]
    assert play(copy, Wanted(target="feature")).changed is not None
    assert not log.exists(), log.read_text()
    assert fingerprint(tree) == before


def test_an_object_that_is_missing_is_not_fetched(git_repository: GitRepository, tmp_path: Path) -> None:
    """Where it would come from says the repository: with a command, perhaps."""
    log = tmp_path / "log"
    git_repository.git("config", "core.repositoryFormatVersion", "1")
    settings = {**PROGRAMS, "remote.origin.url": f"ext::sh -c touch% {log}"}
    for key in (
        "extensions.partialClone",
        "protocol.ext.allow",
        "remote.origin.promisor",
        "remote.origin.url",
    ):
        git_repository.git("config", key, settings[key])
    blob = git_repository.git("rev-parse", "HEAD:README.md")
    (git_repository.path / ".git/objects" / blob[:2] / blob[2:]).unlink()
    copy = WorkingCopy.find(git_repository.path, environment())
    assert copy.git.find("cat-file", "-p", blob) is None
    assert not log.exists()


def test_a_work_tree_elsewhere_is_refused(git_repository: GitRepository, tmp_path: Path) -> None:
    """A repository cannot have the files of some other folder taken by naming that as its working copy."""
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "secret").write_text("x")
    git_repository.git("config", "core.worktree", str(victim))
    with pytest.raises(UsageError, match="which is not so"):
        WorkingCopy.find(git_repository.path, environment())
