"""Submodules in get_sources (job-execution.md 4.9)."""

from __future__ import annotations

from typing import Final

from pyrunner.build.context import BuildContext
from pyrunner.build.git_config import EXTERNAL_CONFIG_VARIABLE
from pyrunner.build.settings import INVALID_SUBMODULE_STRATEGY
from pyrunner.errors import PyrunnerError
from pyrunner.shells.bash import BashWriter
from pyrunner.shells.quoting import Expanded, Word
from pyrunner.system.golang import quoted

#: Submodule commands do not read the project's config: the credentials are included by hand.
_WITH_CREDENTIALS: Final[tuple[Word, ...]] = (
    "git",
    "-c",
    Expanded(EXTERNAL_CONFIG_VARIABLE, prefix="include.path="),
)


def write_submodules(writer: BashWriter, context: BuildContext) -> None:
    """Update the submodules as ``GIT_SUBMODULE_STRATEGY`` says.

    :raises PyrunnerError: for a strategy or pathspecs that mean nothing.
    """
    strategy = context.settings.git_submodule_strategy
    if strategy == "none":
        writer.notice("Skipping Git submodules setup")
        return
    if strategy == INVALID_SUBMODULE_STRATEGY:
        raise PyrunnerError("unknown GIT_SUBMODULE_STRATEGY")
    paths = context.settings.git_submodule_paths
    if ":(exclude)" in paths:
        listed = " ".join(quoted(one) for one in paths)
        raise PyrunnerError(f"GIT_SUBMODULE_PATHS: invalid submodule pathspec [{listed}]")
    _write_update(writer, context, strategy == "recursive")


def _write_update(writer: BashWriter, context: BuildContext, recursive: bool) -> None:
    settings = context.settings
    depth = settings.git_submodule_depth
    words = " recursively" if recursive and depth >= 0 else ""
    depths = f" with git depth set to {depth}" if depth > 0 else ""
    writer.notice(f"Updating/initializing submodules{words}{depths}...")
    paths = ("--", *settings.git_submodule_paths) if settings.git_submodule_paths else ()
    levels = ("--recursive",) if recursive else ()
    sync = ("git", "submodule", "sync", *levels, *paths)
    each = ("submodule", "foreach", *levels)
    clean = ("git", *each, "git", "clean", *(settings.git_clean_flags or ("-ffdx",)))
    reset = ("git", *each, "git", "reset", "--hard")
    update = (
        *("submodule", "update", "--init", *levels, *(("--depth", str(depth)) if depth > 0 else ())),
        *(*settings.git_submodule_update_flags, *paths),
    )
    writer.command("git", "submodule", "init")
    writer.command(*sync)
    writer.command(*clean)
    writer.command(*reset)
    with writer.if_command(*_WITH_CREDENTIALS, *update, output=True):
        writer.notice("Updated submodules")
        writer.command(*sync)
        writer.otherwise()
        writer.warning("Updating submodules failed. Retrying...")
        if any(flag.lower() == "--remote" for flag in settings.git_submodule_update_flags):
            # a branch named in .gitmodules that is not the default one is otherwise unknown
            heads = "+refs/heads/*:refs/remotes/origin/*"
            writer.command(*_WITH_CREDENTIALS, *each, "git", "fetch", "origin", heads)
        writer.command(*sync)
        writer.command(*_WITH_CREDENTIALS, *update)
        writer.command(*reset)
    writer.command(*clean)
    writer.notice("Configuring submodules to use parent git credentials...")
    include = ("git", "config", "--replace-all", "include.path", Expanded(EXTERNAL_CONFIG_VARIABLE))
    writer.command("git", "submodule", "foreach", "--recursive", *include)
    if not settings.git_lfs_skip_smudge:
        with writer.if_command("git", "lfs", "version"):
            writer.notice("Pulling LFS files...")
            writer.command(*_WITH_CREDENTIALS, *each, "git", "lfs", "pull")
