"""What an earlier job may have left in ``.git``: locks, config, hooks (job-execution.md 4.3, 4.10)."""

from __future__ import annotations

from typing import Final

from pyrunner.build.context import BuildContext
from pyrunner.build.exports import GIT_TEMPLATE
from pyrunner.shells.bash import BashWriter

#: Left by a killed git: the next fetch would fail on them; and the one hook a checkout would run.
_LEFTOVERS: Final = ("index.lock", "shallow.lock", "HEAD.lock", "hooks/post-checkout", "config.lock")


def write_git_cleanup(writer: BashWriter, context: BuildContext) -> None:
    """Remove locks, and config and hooks where the job's tree is not to be trusted."""
    git = f"{context.project_dir}/.git"
    submodules = context.settings.git_submodule_strategy in ("normal", "recursive")
    for file in _LEFTOVERS:
        writer.remove_file(f"{git}/{file}")
        if submodules:
            writer.remove_files_below(f"{git}/modules", file.rpartition("/")[2])
    writer.remove_files_below(f"{git}/refs", "*.lock")
    if not context.cleans_git_config:
        return
    for config, hooks in (
        (writer.temporary_file(f"{GIT_TEMPLATE}/config"), writer.temporary_file(f"{GIT_TEMPLATE}/hooks")),
        (f"{git}/config", f"{git}/hooks"),
    ):
        writer.remove_file(config)
        writer.remove_directory(hooks)
    if submodules:
        writer.remove_files_below(f"{git}/modules", "config")
        writer.remove_directories_below(f"{git}/modules", "hooks")


def write_clear_worktree(writer: BashWriter, context: BuildContext) -> None:
    """Delete what a ``git clean`` cannot, before the second try of get_sources."""
    writer.notice("Deleting tracked and untracked files...")
    with writer.if_directory(context.project_dir):
        writer.change_directory(context.project_dir)
        writer.command("git", "rm", "-rf", "--ignore-unmatch", "--quiet", ".")
        writer.command("git", "clean", "-ffdx", "-q")


def write_job_cleanup(writer: BashWriter, context: BuildContext) -> None:
    """Clean the project folder after the job (``FF_ENABLE_JOB_CLEANUP``)."""
    settings = context.settings
    if settings.git_strategy == "none":
        writer.notice("Skipping build directory cleanup step")
        return
    if settings.git_strategy in ("clone", "empty"):
        writer.remove_directory(context.project_dir)
        return
    clean = ("git", "clean", *settings.git_clean_flags) if settings.git_clean_flags else ()
    reset = ("git", "reset", "--hard")
    writer.change_directory(context.project_dir)
    if clean:
        writer.command(*clean)
    writer.command(*reset)
    if settings.git_submodule_strategy in ("normal", "recursive"):
        recursive = ("--recursive",) if settings.git_submodule_strategy == "recursive" else ()
        for one in (clean, reset):
            if one:
                writer.command("git", "submodule", "foreach", *recursive, *one)
