"""get_sources and what belongs to it, with real git (job-execution.md 4)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.contexts import DOCKER_LIKE, build_context, payload, variable
from tests.support.git_server import commit_file, git
from tests.support.git_site import TOKEN, Site, git_site, local, sources
from tests.support.scripts import green, yellow

pytestmark = pytest.mark.integration


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A project with one commit, served to job tokens only."""
    with git_site(tmp_path) as site:
        yield site


def test_a_first_job_and_a_second_one(site: Site) -> None:
    """Lines in order, credentials nowhere in the tree, and the fetch of an existing tree."""
    context = site.context()
    sha = context.job.git_info.sha
    fetched = [
        green("Gitaly correlation ID: 01J00000CORRELATION"),
        green("Fetching changes with git depth set to 20..."),
    ]
    checkout = [
        green(f"Checking out {sha[:8]} as detached HEAD (ref is main)..."),
        green("Skipping Git submodules setup"),
    ]
    assert sources(site, context) == [
        *fetched,
        f"Initialized empty Git repository in {site.tree}/.git/",
        green("Created fresh repository."),
        *checkout,
    ]
    assert git(site.tree, "rev-parse", "HEAD") == sha
    assert git(site.tree, "config", "remote.origin.url") == f"{site.url}/group/app.git"
    config = (site.tree / ".git/config").read_text()
    assert TOKEN not in config
    assert TOKEN in (site.temporary / ".gitlab-runner.ext.conf").read_text()
    (site.tree / "left").write_text("x")
    again = sources(site, context)
    assert again == [
        *fetched,
        f"Reinitialized existing Git repository in {site.tree}/.git/",
        *checkout[:1],
        "Removing left",
        *checkout[1:],
    ]
    assert (site.tree / ".git/config").read_text().count("gitlab-runner.ext.conf") == 1
    assert sources(site, context, "cleanup_file_variables") == []
    assert not (site.temporary / ".gitlab-runner.ext.conf").exists()


def test_no_program_gets_the_token_as_an_argument(site: Site) -> None:
    """The process list is everybody's: a git that notes its arguments never sees the token."""
    tools = site.folder / "tools"
    tools.mkdir()
    real = git(site.folder, "--exec-path")
    log = site.folder / "arguments"
    (tools / "git").write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >> {log}\nexec {real}/git "$@"\n')
    (tools / "git").chmod(0o755)
    site.scripts.environment["PATH"] = f"{tools}:{site.scripts.environment['PATH']}"
    for stage in ("get_sources", "cleanup_file_variables"):
        sources(site, site.context(GIT_SUBMODULE_STRATEGY="recursive"), stage)
    seen = log.read_text()
    assert "insteadOf" not in seen
    assert "fetch" in seen
    assert TOKEN not in seen


def test_without_tokens_in_urls_a_helper_answers_from_the_environment(site: Site) -> None:
    """FF_GIT_URLS_WITHOUT_TOKENS: no token in any file, and the helper works outside the tree too."""
    (site.scripts.home / ".gitconfig").write_text("[user]\n\tname = Somebody\n")
    context = site.context(FF_GIT_URLS_WITHOUT_TOKENS="true")
    sources(site, context)
    for file in site.source.rglob("*"):
        assert not file.is_file() or TOKEN.encode() not in file.read_bytes()
    seed = (site.temporary / ".glr.gconf").read_text()
    assert f"{site.scripts.home}/.gitconfig" in seed
    assert ".config/git" not in seed
    empty = site.context(FF_GIT_URLS_WITHOUT_TOKENS="true", GIT_STRATEGY="none")
    sources(site, empty)
    ask = f"cd /; git ls-remote -q {site.url}/group/library.git HEAD"
    job = payload(
        variables=[variable("FF_GIT_URLS_WITHOUT_TOKENS", "true"), variable("CI_JOB_TOKEN", TOKEN, raw=True)],
        steps=[{"name": "script", "script": [ask, "git config user.name"]}],
        git_info={"repo_url": f"{site.url}/group/app.git"},
    )
    result = site.scripts.stage(build_context(str(site.source), job=job), "step_script")
    assert result.code == 0, result.err
    assert result.lines[-1] == "Somebody"


def test_clone_begins_with_an_empty_folder(site: Site) -> None:
    """Also where the job before left something unwritable."""
    (site.tree / "locked").mkdir(parents=True)
    (site.tree / "locked/file").write_text("x")
    (site.tree / "locked").chmod(0o500)
    lines = sources(site, site.context(GIT_STRATEGY="clone"))
    assert green("Created fresh repository.") in lines
    assert sorted(os.listdir(site.tree)) == [".git", "README"]


def test_full_history_unshallows(site: Site) -> None:
    """Depth 0 after a shallow job; without depth the message is shorter."""
    commit_file(site.upstream, "two", "2")
    shallow = site.context(local(site, depth=1))
    assert green("Fetching changes with git depth set to 1...") in sources(site, shallow)
    assert git(site.tree, "rev-list", "--count", "HEAD") == "1"
    lines = sources(site, site.context(local(site, depth=0)))
    assert green("Fetching changes...") in lines
    assert git(site.tree, "rev-list", "--count", "HEAD") == "2"


def test_sha256_repositories(site: Site) -> None:
    """The object format comes with the payload."""
    other = site.folder / "modern"
    other.mkdir()
    git(other, "init", "-q", "--object-format", "sha256")
    sha = commit_file(other, "a", "b")
    info = {**local(site), "repo_url": f"file://{other}", "sha": sha, "repo_object_format": "sha256"}
    sources(site, site.context(info))
    assert git(site.source / "modern", "rev-parse", "HEAD") == sha


@pytest.mark.parametrize(
    ("strategy", "folder", "line"),
    [
        ("none", "app", "Skipping Git repository setup"),
        ("empty", "app-empty", "Skipping Git repository setup and creating an empty build directory"),
    ],
)
def test_strategies_without_a_repository(site: Site, strategy: str, folder: str, line: str) -> None:
    """``none`` keeps what is there, ``empty`` does not; hooks do not run."""
    (site.source / folder).mkdir(parents=True)
    (site.source / folder / "kept").write_text("x")
    hooks = [{"name": "pre_get_sources_script", "script": ["echo never"]}]
    context = site.context(hooks=hooks, GIT_STRATEGY=strategy)
    assert sources(site, context) == [
        green(line),
        green("Skipping Git checkout"),
        green("Skipping Git submodules setup"),
    ]
    assert os.listdir(site.source / folder) == (["kept"] if strategy == "none" else [])


def test_settings_of_fetch_and_checkout(site: Site) -> None:
    """No checkout, no clean, flags of one's own."""
    context = site.context(
        GIT_CHECKOUT="false",
        GIT_FETCH_EXTRA_FLAGS="--verbose",
        GIT_CLEAN_FLAGS="none",
        FF_USE_GITALY_CORRELATION_ID="false",
    )
    lines = sources(site, context)
    assert lines[0] == green("Fetching changes with git depth set to 20...")
    assert lines[-2:] == [green("Skipping Git checkout"), green("Skipping Git submodules setup")]
    assert not (site.tree / "README").exists()
    (site.tree / "kept").write_text("x")
    sources(site, site.context(GIT_CLEAN_FLAGS="none"))
    assert (site.tree / "kept").exists()
    sources(site, site.context(GIT_CLEAN_FLAGS="-ffdx -e kept"))
    assert (site.tree / "kept").exists()


def test_hooks_run_in_order_around_the_fetch(site: Site) -> None:
    """Config's hook is the outer one."""
    hooks = [
        {"name": "pre_get_sources_script", "script": ["echo 2"]},
        {"name": "post_get_sources_script", "script": ["ls"]},
    ]
    runner = {"pre_get_sources_script": "echo 1", "post_get_sources_script": "echo 4"}
    lines = sources(site, site.context(hooks=hooks, runner=runner))
    assert lines[:4] == [green("$ echo 1"), "1", green("$ echo 2"), "2"]
    assert lines[-4:] == [green("$ ls"), "README", green("$ echo 4"), "4"]


def test_locks_of_a_killed_git_are_no_obstacle(site: Site) -> None:
    """And a planted post-checkout hook does not run."""
    sources(site, site.context())
    dot_git = site.tree / ".git"
    for lock in ("index.lock", "shallow.lock", "HEAD.lock", "config.lock", "refs/remotes/origin/main.lock"):
        (dot_git / lock).write_text("")
    hook = dot_git / "hooks/post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho hooked\n")
    hook.chmod(0o755)
    assert not any("hooked" in line for line in sources(site, site.context()))


def test_containers_remove_config_and_hooks(site: Site) -> None:
    """So that a kept repository still counts as fresh (12 #23)."""
    context = site.context(traits=DOCKER_LIKE)
    sources(site, context)
    hook = site.tree / ".git/hooks/pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("x")
    assert green("Created fresh repository.") in sources(site, context)
    assert not hook.exists()
    sources(site, context, "cleanup_file_variables")
    assert not (site.tree / ".git/config").exists()
    assert f"directory = {site.tree}" in (site.scripts.home / ".gitconfig").read_text()


def test_clear_worktree_deletes_everything_but_the_repository(site: Site) -> None:
    """And does nothing where there is no tree yet (4.10)."""
    assert sources(site, site.context(), "clear_worktree") == [
        green("Deleting tracked and untracked files...")
    ]
    sources(site, site.context())
    (site.tree / "left").write_text("x")
    sources(site, site.context(), "clear_worktree")
    assert os.listdir(site.tree) == [".git"]


@pytest.mark.parametrize(
    ("strategy", "lines", "kept"),
    [
        ("fetch", ["Removing left", "HEAD is now at"], [".git", "README"]),
        ("clone", [], None),
        ("none", [green("Skipping build directory cleanup step")], [".git", "README", "left"]),
    ],
)
def test_job_cleanup(site: Site, strategy: str, lines: list[str], kept: list[str] | None) -> None:
    """FF_ENABLE_JOB_CLEANUP by strategy (4.10)."""
    sources(site, site.context())
    (site.tree / "left").write_text("x")
    (site.tree / "README").write_text("changed")
    context = site.context(GIT_STRATEGY=strategy, FF_ENABLE_JOB_CLEANUP="true")
    printed = sources(site, context, "cleanup_file_variables")
    assert len(printed) == len(lines)
    assert all(line.startswith(start) for line, start in zip(printed, lines, strict=True))
    assert (sorted(os.listdir(site.tree)) if site.tree.exists() else None) == kept


def test_lfs_is_pulled_where_it_is_installed(site: Site) -> None:
    """Once for a project that has such files, followed by an empty line in any case; skipped on demand."""
    tools = site.folder / "tools"
    tools.mkdir()
    (tools / "git-lfs").write_text('#!/bin/sh\necho "lfs $* smudge=$GIT_LFS_SKIP_SMUDGE"\n')
    (tools / "git-lfs").chmod(0o755)
    site.scripts.environment["PATH"] = f"{tools}:{site.scripts.environment['PATH']}"
    end = ["", green("Skipping Git submodules setup")]
    checked_out = "Checking out"
    lines = sources(site, site.context(local(site)))
    assert lines[-2:] == end
    assert checked_out in lines[-3]
    commit_file(site.upstream, "large.bin", "version https://git-lfs.github.com/spec/v1\n")
    commit_file(site.upstream, ".gitattributes", "*.bin filter=lfs -text\n")
    lines = sources(site, site.context(local(site)))
    assert lines[-3:] == ["lfs pull smudge=1", *end]
    assert checked_out in lines[-4]
    lines = sources(site, site.context(local(site), GIT_LFS_SKIP_SMUDGE="true"))
    assert not any("lfs pull" in line for line in lines)


def test_native_clone_needs_a_new_git(site: Site) -> None:
    """An older one fetches as ever; a newer one clones the ref."""
    version = git(site.folder, "version").split()[2].split(".")
    new = (int(version[0]), int(version[1])) >= (2, 49)
    lines = sources(site, site.context(GIT_STRATEGY="clone", FF_USE_GIT_NATIVE_CLONE="true"))
    cloning = green("Cloning repository for main with git depth set to 20...")
    assert (cloning in lines) is new
    assert (green("Created fresh repository.") in lines) is not new
    assert git(site.tree, "rev-parse", "HEAD") == git(site.upstream, "rev-parse", "HEAD")


def test_native_clone_with_a_git_that_says_it_can(site: Site) -> None:
    """A stand-in of version 2.49 shows the command line (4.7)."""
    tools = site.folder / "tools"
    tools.mkdir()
    real = git(site.folder, "--exec-path")
    log = site.folder / "arguments"
    (tools / "git").write_text(
        f'#!/bin/sh\ncase "$1" in version) echo git version 2.49.0;; *)\n'
        f'case "$*" in *" clone "*) echo "$*" >> {log};; esac\nexec {real}/git "$@";; esac\n'
    )
    (tools / "git").chmod(0o755)
    site.scripts.environment["PATH"] = f"{tools}:{site.scripts.environment['PATH']}"
    context = site.context(
        GIT_STRATEGY="clone", FF_USE_GIT_NATIVE_CLONE="true", GIT_CLONE_EXTRA_FLAGS="--no-tags"
    )
    lines = sources(site, context)
    assert '\033[0;mGit version at least "2.49"' in lines
    assert green("Cloning repository for main with git depth set to 20...") in lines
    assert log.read_text() == (
        f"-c http.userAgent=gitlab-runner 19.4.0 linux/amd64 clone --no-checkout {site.url}/group/app.git "
        f"{site.tree} --template {site.temporary}/git-template --depth 20 --branch main --no-tags\n"
    )


def test_proactive_authentication_is_scoped_to_the_host(site: Site) -> None:
    """On fetch and checkout; unscoped, with a warning, for a path."""
    script = site.context(FF_USE_GIT_PROACTIVE_AUTH="true")
    sources(site, script)
    path = site.context({**local(site), "repo_url": str(site.upstream)}, FF_USE_GIT_PROACTIVE_AUTH="true")
    lines = sources(site, path)
    text = yellow("proactive auth: repository host is empty, using unscoped config")
    assert lines.count(text) == 2


def test_the_owner_file_decides_about_ownership(site: Site) -> None:
    """As kubernetes leaves it; only where job and runner share a host."""
    site.source.mkdir()
    owner_file = site.source / ".gitlab-build-uid-gid"
    owner_file.write_text("")
    sources(site, site.context())
    assert (site.tree / "README").stat().st_uid == owner_file.stat().st_uid
    sources(site, site.context(), "cleanup_file_variables")
    assert not owner_file.exists()
