"""The script of get_sources: strategies, fetch, clone, checkout, hooks (job-execution.md 4)."""

from __future__ import annotations

from typing import Final

from pyrunner import COMPATIBLE_VERSION
from pyrunner.build.context import BuildContext
from pyrunner.build.exports import export_variables
from pyrunner.build.git_cleanup import write_git_cleanup
from pyrunner.build.git_config import (
    EXTERNAL_CONFIG_VARIABLE,
    forget_credentials,
    include_external_config,
    write_global_config,
    write_template,
    write_tls_config,
)
from pyrunner.build.submodules import write_submodules
from pyrunner.protocol.runner import NAME, go_architecture, go_platform
from pyrunner.shells.bash import BashWriter
from pyrunner.shells.quoting import Expanded

#: The first git whose ``clone`` takes a revision.
_NATIVE_CLONE_GIT: Final = "2.49"
#: Lists what git-lfs keeps; an old git that does not know how to ask says something, too.
_LFS_FILES: Final = ("git", "ls-files", "--", ":(top,attr:filter=lfs)")
#: Written by the kubernetes executor: whom the build's files shall belong to.
OWNER_FILE: Final = ".gitlab-build-uid-gid"


def write_get_sources(writer: BashWriter, context: BuildContext) -> None:
    """Write the stage; runs for every strategy.

    :raises PyrunnerError: for settings that gitlab-runner, too, finds wrong only now.
    """
    settings = context.settings
    export_variables(writer, context, context.variables)
    writer.export("GIT_TERMINAL_PROMPT", "0")
    writer.export("GCM_INTERACTIVE", "Never")
    write_global_config(writer, context)
    if not context.traits.shared:
        write_tls_config(writer, context, "--global")
    _write_hooks(writer, context, "pre")
    if not settings.git_lfs_skip_smudge:
        writer.export("GIT_LFS_SKIP_SMUDGE", "1")
    _write_strategy(writer, context)
    if settings.git_checkout:
        _write_checkout(writer, context)
    else:
        writer.notice("Skipping Git checkout")
    write_submodules(writer, context)
    _write_hooks(writer, context, "post")
    _write_ownership(writer, context)
    forget_credentials(writer, context)


def _write_hooks(writer: BashWriter, context: BuildContext, when: str) -> None:
    """Run config's and the pipeline's hook; config's is the outer one of the two."""
    if not context.settings.uses_repository:
        return
    name = f"{when}_get_sources_script"
    sent = next((hook.script for hook in context.job.hooks if hook.name == name), [])
    if when == "pre":
        own = context.runner.pre_get_sources_script
        commands = [*([own] if own else []), *sent]
    else:
        own = context.runner.post_get_sources_script
        commands = [*sent, *([own] if own else [])]
    writer.user_commands(f"{when}_clone_script", commands)


def _write_strategy(writer: BashWriter, context: BuildContext) -> None:
    strategy = context.settings.git_strategy
    if strategy == "none":
        writer.notice("Skipping Git repository setup")
        writer.make_directory(context.project_dir)
        return
    if strategy == "empty":
        writer.notice("Skipping Git repository setup and creating an empty build directory")
        writer.remove_directory(context.project_dir)
        writer.make_directory(context.project_dir)
        return
    write_git_cleanup(writer, context)
    template = write_template(writer, context)
    if strategy == "fetch":
        _write_fetch(writer, context, template)
        return
    writer.remove_directory(context.project_dir)
    if not context.features.on("FF_USE_GIT_NATIVE_CLONE"):
        _write_fetch(writer, context, template)
        return
    with writer.if_git_at_least(_NATIVE_CLONE_GIT):
        _write_native_clone(writer, context, template)
        writer.otherwise()
        _write_fetch(writer, context, template)


def _write_fetch(writer: BashWriter, context: BuildContext, template: str) -> None:
    """Fetch the refspecs of the payload into a repository that may exist already (4.7)."""
    git = context.job.git_info
    depth = f" with git depth set to {git.depth}" if git.depth > 0 else ""
    writer.notice(f"Fetching changes{depth}...")
    object_format = git.repo_object_format
    formats = ("--object-format", object_format) if object_format not in ("", "sha1") else ()
    writer.command("git", "init", context.project_dir, "--template", template, *formats)
    writer.change_directory(context.project_dir)
    url = context.remote.url_without_credentials()
    with writer.if_command("git", "remote", "add", "origin", url):
        writer.notice("Created fresh repository.")
        writer.otherwise()
        writer.command("git", "remote", "set-url", "origin", url)
        # git init applies a template to a new repository only
        include_external_config(writer, ".git/config", Expanded(EXTERNAL_CONFIG_VARIABLE))
    depths = ("--depth", str(git.depth)) if git.depth > 0 else ()
    fetch = (
        *("git", "-c", _user_agent(), *_proactive_auth(writer, context), "fetch", "origin"),
        *("--no-recurse-submodules", *git.refspecs, *depths, *context.settings.git_fetch_extra_flags),
    )
    if git.depth > 0:
        writer.command(*fetch)
        return
    with writer.if_file(".git/shallow"):
        writer.command(*fetch, "--unshallow")
        writer.otherwise()
        writer.command(*fetch)


def _write_native_clone(writer: BashWriter, context: BuildContext, template: str) -> None:
    git = context.job.git_info
    if git.depth > 0:
        writer.notice(f"Cloning repository for {git.ref} with git depth set to {git.depth}...")
    elif git.ref:
        writer.notice(f"Cloning repository for {git.ref}...")
    else:
        writer.notice("Cloning repository...")
    depths = ("--depth", str(git.depth)) if git.depth > 0 else ()
    ref: tuple[str, ...] = ()
    if git.ref:
        ref = ("--revision" if git.ref.startswith("refs/") else "--branch", git.ref)
    writer.command(
        *("git", "-c", _user_agent(), *_proactive_auth(writer, context), "clone", "--no-checkout"),
        *(context.remote.url_without_credentials(), context.project_dir, "--template", template),
        *(*depths, *ref, *context.settings.git_clone_extra_flags),
    )
    writer.change_directory(context.project_dir)


def _write_checkout(writer: BashWriter, context: BuildContext) -> None:
    git, settings = context.job.git_info, context.settings
    writer.notice(f"Checking out {git.sha[:8]} as detached HEAD (ref is {git.ref})...")
    authentication = _proactive_auth(writer, context)
    writer.command(
        *("git", "-c", "submodule.recurse=false", *authentication, "checkout", "-f", "-q", git.sha)
    )
    if settings.git_clean_flags:
        writer.command("git", "clean", *settings.git_clean_flags)
    if not settings.git_lfs_skip_smudge:
        with writer.if_command("git", "lfs", "version"):
            # Asks git what git-lfs would, ten times as fast: most projects have no such file.
            with writer.if_output(*_LFS_FILES):
                writer.command("git", "lfs", "pull")
            writer.empty_line()


def _proactive_auth(writer: BashWriter, context: BuildContext) -> tuple[str, ...]:
    """Send credentials with the first request, so that Gitaly learns of the user for public projects too."""
    if not context.features.on("FF_USE_GIT_PROACTIVE_AUTH"):
        return ()
    host = context.remote.host()
    if not host:
        writer.warning("proactive auth: repository host is empty, using unscoped config")
        return ("-c", "http.proactiveAuth=basic")
    return ("-c", f"http.{host}.proactiveAuth=basic")


def _user_agent() -> str:
    return f"http.userAgent={NAME} {COMPATIBLE_VERSION} {go_platform()}/{go_architecture()}"


def _write_ownership(writer: BashWriter, context: BuildContext) -> None:
    """Give the builds folder to whom the owner file belongs (4.2 step 10).

    Only where job and runner share a host: elsewhere a job could have left that file for a stage that
    has more rights than itself.
    """
    if not context.traits.shared:
        return
    file = f"{context.builds_dir}/{OWNER_FILE}"
    with writer.if_file(file), writer.if_directory(context.builds_dir):
        writer.command("chown", "-R", f"--reference={file}", context.builds_dir)
