"""Git settings that no repository may have its own opinion on (design R8).

Given twice: as the command's own settings in the environment, which outrank every file, and as the
system's, for a stage whose job variables hold ``GIT_CONFIG_COUNT`` themselves. A job's variables can have git
run any program inside the sandbox, as they can inside a helper container; a repository cannot.
"""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from typing import Final

FORCED: Final[tuple[tuple[str, str], ...]] = (
    ("core.hooksPath", "/dev/null"),
    ("core.fsmonitor", "false"),
    ("protocol.ext.allow", "never"),
    # A tree whose root looks like a bare repository is not one.
    ("safe.bareRepository", "explicit"),
    # The tree belongs to whomever the build container ran as; that it is the job's is sure otherwise.
    ("safe.directory", "*"),
    # Its daemon would outlive the command that started it.
    ("gc.autoDetach", "false"),
    ("maintenance.autoDetach", "false"),
)


#: What ``git lfs install --system`` writes, as it has been in a helper image. Without git-lfs they would fail
#: every checkout of a project that uses it, whose files stay pointers otherwise.
LARGE_FILES: Final[tuple[tuple[str, str], ...]] = (
    ("filter.lfs.clean", "git-lfs clean -- %f"),
    ("filter.lfs.smudge", "git-lfs smudge -- %f"),
    ("filter.lfs.process", "git-lfs filter-process"),
    ("filter.lfs.required", "true"),
)


def git_environment(project_dir: str) -> dict[str, str]:
    """Return the variables that force the settings on every git of a stage.

    :param project_dir: as the sandbox sees it. Its parents are the job's as well: a repository planted there
        must not answer when the project has none.
    """
    environment = {"GIT_CONFIG_COUNT": str(len(FORCED))}
    for number, (key, value) in enumerate(FORCED):
        environment[f"GIT_CONFIG_KEY_{number}"] = key
        environment[f"GIT_CONFIG_VALUE_{number}"] = value
    environment["GIT_CEILING_DIRECTORIES"] = posixpath.dirname(project_dir)
    environment["GIT_TERMINAL_PROMPT"] = "0"
    return environment


def system_config(settings: Sequence[tuple[str, str]]) -> str:
    """Return ``settings`` as the text of a git config file."""
    lines = []
    for key, value in settings:
        place, _, name = key.rpartition(".")
        section, dot, subsection = place.partition(".")
        title = f'{section} "{subsection}"' if dot else section
        lines.append(f'[{title}]\n\t{name} = "{value}"\n')
    return "".join(lines)
