"""Hostile trees: what an earlier job left runs no command and leads nowhere (design R8).

Each trap is shown to work first, on a git that nothing guards: a harmless case would show nothing.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from pyrunner.executors.sandbox.git_settings import git_environment
from pyrunner.executors.sandbox.interpreter import Interpreter
from tests.support.fanotify import CanaryWatch
from tests.support.sandbox import Site, need_sandbox, python

pytestmark = pytest.mark.integration

PROJECT = "/builds/group/project"
#: What a get_sources script does, in its order (job-execution.md 4.3, 4.4, 4.7): without our own settings.
SOURCES = f"""
set -e
git init -q {PROJECT} --template /tmp/empty
cd {PROJECT}
git remote add origin file:///origin 2>/dev/null || git remote set-url origin file:///origin
git fetch -q origin +refs/heads/*:refs/remotes/origin/* --no-recurse-submodules
git checkout -q -f --detach refs/remotes/origin/main
git clean -ffdxq
git submodule init -q
git submodule sync -q
git -c protocol.file.allow=always submodule update -q --init --recursive
git submodule -q foreach --recursive 'git reset -q --hard'
git status --porcelain
git ls-files -o
git gc --auto -q
git log -1 --format=%s
"""
TOUCH = "touch /builds/PWNED"


def git(folder: Path, *words: str) -> None:
    """Run git as the earlier job did."""
    settings = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "protocol.file.allow=always")
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1"}
    subprocess.run(
        ["git", "-C", str(folder), *settings, *words], check=True, capture_output=True, env=environment
    )


class Tree(Site):
    """A project with an origin, a submodule, and a canary that no stage may touch."""

    def __post_init__(self) -> None:
        """Name the places."""
        super().__post_init__()
        self.origin = self.folder / "origin"
        self.library = self.origin / "library"
        self.canary = self.folder / "canary"
        self.project = self.source / "group" / "project"

    def prepare(self) -> None:
        """Make the origin and check it out, as an earlier job of the same slot did."""
        self.canary.mkdir()
        (self.canary / "secret").write_text("secret")
        for repository in (self.origin, self.library):
            repository.mkdir()
            git(repository, "init", "-q", "-b", "main", ".")
            (repository / "file").write_text("content\n")
            git(repository, "add", "file")
            git(repository, "commit", "-q", "-m", f"of {repository.name}")
        (self.origin / ".gitmodules").write_text(
            '[submodule "lib"]\n\tpath = lib\n\turl = file:///origin/library\n'
        )
        revision = subprocess.run(
            ["git", "-C", str(self.library), "rev-parse", "HEAD"], check=True, capture_output=True, text=True
        ).stdout.strip()
        git(self.origin, "update-index", "--add", "--cacheinfo", f"160000,{revision},lib")
        git(self.origin, "add", ".gitmodules")
        git(self.origin, "commit", "-q", "-m", "with library")
        self.project.parent.mkdir()
        record, text = self.get_sources()
        assert record["exit_code"] == 0, text

    def get_sources(self, guarded: bool = True) -> tuple[dict[str, object], str]:
        """Run the stage; unguarded, only the sandbox itself is there."""
        scrub = " ".join([*Interpreter.current().scrub_command, PROJECT])
        environment = git_environment(PROJECT)
        start = "mkdir -p /tmp/empty\n"
        if guarded:
            start += f"{scrub}\n"
        else:
            environment = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_COUNT": "1"}
            environment |= {"GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*"}
        mounts = ((self.origin, "/origin", False), (self.cache, "/cache", True))
        return self.run(start + SOURCES, mounts=mounts, environment=environment)

    def config(self, *words: str) -> None:
        """Set something in the project's own config."""
        git(self.project, "config", *words)

    def program(self, path: Path) -> None:
        """Leave a program that tells when it is run."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{TOUCH}\ncat\n")
        path.chmod(0o755)

    @property
    def pwned(self) -> bool:
        """A planted command was run."""
        return (self.source / "PWNED").exists()


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    """A prepared tree, to be copied."""
    need_sandbox()
    tree = Tree(tmp_path_factory.mktemp("template"))
    tree.prepare()
    return tree


@pytest.fixture
def tree(template: Tree, tmp_path: Path) -> Tree:
    """A prepared tree of the test's own."""
    tree = Tree(tmp_path)
    for one in ("origin", "canary", "source"):
        shutil.copytree(template.folder / one, tmp_path / one, symlinks=True, dirs_exist_ok=True)
    return tree


def _config_trap(*pairs: tuple[str, str]) -> Callable[[Tree], None]:
    def plant(tree: Tree) -> None:
        for key, value in pairs:
            tree.config(key, value)

    return plant


def _hooks(tree: Tree) -> None:
    for name in (
        "post-checkout",
        "reference-transaction",
        "post-index-change",
        "pre-auto-gc",
        "post-rewrite",
    ):
        tree.program(tree.project / ".git" / "hooks" / name)


def _hooks_folder(tree: Tree) -> None:
    tree.program(tree.source / "hooks" / "post-checkout")
    tree.config("core.hooksPath", "/builds/hooks")


def _filter(tree: Tree) -> None:
    tree.config("filter.evil.smudge", f"{TOUCH}; cat")
    tree.config("filter.evil.clean", f"{TOUCH}; cat")
    (tree.project / ".git" / "info").mkdir(exist_ok=True)
    (tree.project / ".git" / "info" / "attributes").write_text("* filter=evil\n")
    (tree.project / "file").unlink()


def _included(tree: Tree) -> None:
    (tree.source / "evil").write_text(f'[core]\n\tfsmonitor = "{TOUCH} #"\n')
    tree.config("include.path", "/builds/evil")


def _included_conditionally(tree: Tree) -> None:
    (tree.source / "evil").write_text(f'[core]\n\tfsmonitor = "{TOUCH} #"\n')
    tree.config("includeIf.gitdir:/builds/**.path", "/builds/evil")


def _evil_repository(tree: Tree) -> Path:
    evil = tree.source / "evil.git"
    shutil.copytree(tree.project / ".git", evil)
    with (evil / "config").open("a") as config:
        config.write(f'[core]\n\tfsmonitor = "{TOUCH} #"\n')
    return evil


def _git_is_a_link(tree: Tree) -> None:
    _evil_repository(tree)
    shutil.rmtree(tree.project / ".git")
    (tree.project / ".git").symlink_to("/builds/evil.git")


def _git_is_a_file(tree: Tree) -> None:
    _evil_repository(tree)
    shutil.rmtree(tree.project / ".git")
    (tree.project / ".git").write_text("gitdir: /builds/evil.git\n")


def _common_dir(tree: Tree) -> None:
    _evil_repository(tree)
    (tree.project / ".git" / "commondir").write_text("/builds/evil.git\n")


def _worktree_config(tree: Tree) -> None:
    tree.config("core.repositoryFormatVersion", "1")
    tree.config("extensions.worktreeConfig", "true")
    (tree.project / ".git" / "config.worktree").write_text(f'[core]\n\tfsmonitor = "{TOUCH} #"\n')


def _module_config(tree: Tree) -> None:
    git(tree.project / ".git" / "modules" / "lib", "config", "core.fsmonitor", f"{TOUCH} #")


def _module_hooks(tree: Tree) -> None:
    for name in ("post-checkout", "post-index-change", "reference-transaction"):
        tree.program(tree.project / ".git" / "modules" / "lib" / "hooks" / name)


def _submodule_update_command(tree: Tree) -> None:
    git(tree.project / "lib", "commit", "-q", "--allow-empty", "-m", "elsewhere")
    tree.config("submodule.lib.update", f"!{TOUCH};:")


def _submodule_own_folder(tree: Tree) -> None:
    """The submodule's repository in its own tree, as git before 1.7.8 had it: no module of ours."""
    own = tree.project / "lib" / ".git"
    own.unlink()
    shutil.copytree(tree.project / ".git" / "modules" / "lib", own)
    with (own / "config").open("a") as config:
        config.write(f'[core]\n\tfsmonitor = "{TOUCH} #"\n')
        config.write(f'[filter "evil"]\n\tsmudge = "{TOUCH}; cat"\n\tclean = "{TOUCH}; cat"\n')
    (own / "info").mkdir(exist_ok=True)
    (own / "info" / "attributes").write_text("* filter=evil\n")
    (tree.project / "lib" / "file").unlink()


def _submodule_elsewhere(tree: Tree) -> None:
    """The submodule's ``.git`` names a repository beside the project."""
    _submodule_own_folder(tree)
    own = tree.project / "lib" / ".git"
    own.rename(tree.source / "lib.git")
    own.write_text("gitdir: /builds/lib.git\n")


def _repository_above(tree: Tree) -> None:
    evil = _evil_repository(tree)
    shutil.rmtree(tree.project)
    tree.project.mkdir()
    evil.rename(tree.source / "group" / ".git")


RUNS: dict[str, Callable[[Tree], None]] = {
    "fsmonitor": _config_trap(("core.fsmonitor", f"{TOUCH} #")),
    "hooks": _hooks,
    "hooks folder": _hooks_folder,
    "filter": _filter,
    "ssh command": _config_trap(
        ("core.sshCommand", f"{TOUCH}; false"), ("url.ssh://x/.insteadOf", "file:///")
    ),
    "ext transport": _config_trap(
        ("protocol.ext.allow", "always"), (f"url.ext::{TOUCH} .insteadOf", "file:///")
    ),
    "upload-pack": _config_trap(("remote.origin.uploadpack", f"{TOUCH}; git-upload-pack")),
    "alternate refs command": _config_trap(("core.alternateRefsCommand", TOUCH)),
    "included config": _included,
    "conditionally included config": _included_conditionally,
    "worktree config": _worktree_config,
    ".git a link": _git_is_a_link,
    ".git a file": _git_is_a_file,
    "commondir": _common_dir,
    "submodule's config": _module_config,
    "submodule's hooks": _module_hooks,
    "submodule update command": _submodule_update_command,
    "submodule with a repository of its own": _submodule_own_folder,
    "submodule with a repository elsewhere": _submodule_elsewhere,
}
#: Needs something else besides, so that nothing comes of it in this script even unguarded.
_HARMLESS_ALONE = {"alternate refs command"}


@pytest.mark.parametrize("name", [one for one in RUNS if one not in _HARMLESS_ALONE])
def test_each_trap_works_unguarded(tree: Tree, name: str) -> None:
    """Without scrubbing and settings the planted command runs: these are real traps."""
    RUNS[name](tree)
    tree.get_sources(guarded=False)
    assert tree.pwned


@pytest.mark.parametrize("name", list(RUNS))
def test_no_planted_command_runs(tree: Tree, name: str) -> None:
    """None runs, and the sources are there all the same."""
    RUNS[name](tree)
    record, text = tree.get_sources()
    assert not tree.pwned
    assert (record["exit_code"], text.split("\n")[-2]) == (0, "with library"), text
    assert (tree.project / "file").read_text() == "content\n"
    assert (tree.project / "lib" / "file").read_text() == "content\n"


def test_a_repository_above_the_project_is_not_asked(tree: Tree) -> None:
    """Where the project has no repository, one planted in a parent does not answer in its place."""
    _repository_above(tree)
    script = f"cd {PROJECT} && git status; git ls-files -o\n"
    free = {"GIT_CONFIG_NOSYSTEM": "1"}
    free |= {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*"}
    tree.run(script, environment=free)
    assert tree.pwned
    (tree.source / "PWNED").unlink()
    _, text = tree.run(script, environment=git_environment(PROJECT))
    assert not tree.pwned
    assert "not a git repository" in text


def test_a_tree_that_looks_like_a_bare_repository_is_not_one(tree: Tree) -> None:
    """HEAD, objects, refs and config as tracked files do not make the project's root a repository."""
    evil = _evil_repository(tree)
    shutil.rmtree(tree.project)
    evil.rename(tree.project)
    with (tree.project / "config").open("a") as config:
        config.write("[core]\n\tbare = true\n[alias]\n\tx = !touch /builds/PWNED\n")
    _, text = tree.run(f"cd {PROJECT} && git x\n", environment=git_environment(PROJECT))
    assert not tree.pwned
    assert "bareRepository" in text or "not a git command" in text


def _objects_link(tree: Tree, target: str) -> None:
    shutil.rmtree(tree.project / ".git" / "objects")
    (tree.project / ".git" / "objects").symlink_to(target)


def _pack_link(tree: Tree, target: str) -> None:
    shutil.rmtree(tree.project / ".git" / "objects" / "pack")
    (tree.project / ".git" / "objects" / "pack").symlink_to(target)


def _refs_link(tree: Tree, target: str) -> None:
    shutil.rmtree(tree.project / ".git" / "refs")
    (tree.project / ".git" / "refs").symlink_to(target)


def _head_link(tree: Tree, target: str) -> None:
    (tree.project / ".git" / "HEAD").unlink()
    (tree.project / ".git" / "HEAD").symlink_to(target + "/secret")


def _alternates(tree: Tree, target: str) -> None:
    (tree.project / ".git" / "objects" / "info").mkdir(exist_ok=True)
    (tree.project / ".git" / "objects" / "info" / "alternates").write_text(target + "\n")


def _work_tree(tree: Tree, target: str) -> None:
    tree.config("core.worktree", target)


def _config_link(tree: Tree, target: str) -> None:
    (tree.project / ".git" / "config").unlink()
    (tree.project / ".git" / "config").symlink_to(target + "/secret")


def _modules_link(tree: Tree, target: str) -> None:
    shutil.rmtree(tree.project / ".git" / "modules")
    (tree.project / ".git" / "modules").symlink_to(target)


def _hooks_link(tree: Tree, target: str) -> None:
    shutil.rmtree(tree.project / ".git" / "hooks", ignore_errors=True)
    (tree.project / ".git" / "hooks").symlink_to(target)


def _file_link(tree: Tree, target: str) -> None:
    (tree.project / "file").unlink()
    (tree.project / "file").symlink_to(target + "/secret")


def _folder_link(tree: Tree, target: str) -> None:
    shutil.rmtree(tree.project / "lib")
    (tree.project / "lib").symlink_to(target)


LINKS: dict[str, Callable[[Tree, str], None]] = {
    "objects": _objects_link,
    "objects/pack": _pack_link,
    "refs": _refs_link,
    "HEAD": _head_link,
    "alternates": _alternates,
    "core.worktree": _work_tree,
    "config": _config_link,
    "modules": _modules_link,
    "hooks": _hooks_link,
    "tracked file": _file_link,
    "submodule folder": _folder_link,
}


@pytest.mark.parametrize("inside", [True, False], ids=["the slot's cache", "a folder of the host"])
@pytest.mark.parametrize("name", list(LINKS))
def test_nothing_leads_elsewhere(tree: Tree, name: str, inside: bool) -> None:
    """Not a byte is read or written where a planted name leads: watched by the kernel (fanotify)."""
    target = tree.cache if inside else tree.canary
    (target / "secret").write_text("secret")
    LINKS[name](tree, "/cache" if inside else str(target))
    before = _content(target)
    try:
        watch = CanaryWatch(target)
    except OSError as error:
        pytest.skip(f"fanotify: {error}")
    try:
        record, text = tree.get_sources()
        # bubblewrap itself opens the folder that it mounts.
        mounted = {f"{target} 0x40000020"} if inside else set()
        uses = [one for one in watch.uses() if one not in mounted]
    finally:
        watch.close()
    assert record["exit_code"] == 0, text
    assert uses == []
    assert _content(target) == before
    assert (tree.project / "file").read_text() == "content\n"


def _content(folder: Path) -> dict[str, bytes]:
    return {str(one): one.read_bytes() for one in folder.rglob("*") if one.is_file()}


def test_the_watch_sees_what_a_sandbox_touches(tree: Tree) -> None:
    """Reading and writing through a mount of the sandbox is seen: the canary can sing."""
    (tree.cache / "secret").write_text("secret")
    watch = CanaryWatch(tree.cache)
    try:
        tree.run("cat /cache/secret; echo x >> /cache/secret\n", mounts=((tree.cache, "/cache", True),))
        assert len(watch.uses()) >= 2
    finally:
        watch.close()


@pytest.mark.parametrize("place", ["temporary folder", "file variable"])
def test_links_beside_the_tree_stay_inside(tree: Tree, place: str) -> None:
    """A link as ``<project>.tmp``, or a file variable named ``../x``, reaches nothing of the host."""
    temporary = tree.source / "group" / "project.tmp"
    if place == "temporary folder":
        temporary.symlink_to(tree.canary)
        name = "TOKEN"
    else:
        temporary.mkdir()
        name = f"../../../../../../../..{tree.canary}/planted"
    script = f"mkdir -p {PROJECT}.tmp; echo secret > {shlex.quote(f'{PROJECT}.tmp/{name}')}\n"
    tree.run(script)
    assert _content(tree.canary) == {str(tree.canary / "secret"): b"secret"}
    assert [one.name for one in tree.canary.iterdir()] == ["secret"]


@pytest.fixture
def deep(tree: Tree) -> Tree:
    """A tree whose hooks are nested deeper than any stack or table of descriptors."""
    (tree.source / "deep.py").write_text(
        f"import os\nos.makedirs('{PROJECT}/.git/hooks', exist_ok=True)\nos.chdir('{PROJECT}/.git/hooks')\n"
        "for _ in range(3000):\n    os.mkdir('d')\n    os.chdir('d')\n"
    )
    assert tree.run(python("/builds/deep.py"))[0]["exit_code"] == 0
    return tree


def test_hostile_depth_is_removed(deep: Tree) -> None:
    """Folders deeper than a path may be long do not stop the clean-up."""
    record, text = deep.get_sources()
    assert record["exit_code"] == 0, text
    assert not (deep.project / ".git" / "hooks").exists()
