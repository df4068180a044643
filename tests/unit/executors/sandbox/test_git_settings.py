"""Settings that no repository can change."""

from __future__ import annotations

import subprocess
from pathlib import Path

from pyrunner.executors.sandbox.accounts import generated_files
from pyrunner.executors.sandbox.git_settings import FORCED, LARGE_FILES, git_environment, system_config


def test_the_environment_names_all_of_them() -> None:
    """In the form in which they outrank every file, with the parents of the project out of bounds."""
    found = git_environment("/builds/group/project")
    count = int(found["GIT_CONFIG_COUNT"])
    pairs = [(found[f"GIT_CONFIG_KEY_{at}"], found[f"GIT_CONFIG_VALUE_{at}"]) for at in range(count)]
    assert pairs == list(FORCED)
    assert {
        ("core.hooksPath", "/dev/null"),
        ("core.fsmonitor", "false"),
        ("protocol.ext.allow", "never"),
    } <= set(pairs)
    assert found["GIT_CEILING_DIRECTORIES"] == "/builds/group"


def test_the_systems_file_says_the_same(tmp_path: Path) -> None:
    """git itself reads it so."""
    (tmp_path / "gitconfig").write_bytes(generated_files("")["/etc/gitconfig"])
    command = ["git", "config", "--file", str(tmp_path / "gitconfig"), "--list"]
    text = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    said = set(text.splitlines())
    assert {f"{key.lower()}={value}" for key, value in FORCED} <= said
    # git-lfs alone may add to it, where this host has it.
    assert all(one.startswith("filter.lfs.") for one in said - {f"{k.lower()}={v}" for k, v in FORCED})


def test_large_files_as_git_lfs_has_them(tmp_path: Path) -> None:
    """The section has its subsection: git finds the filter by the name that attributes give it."""
    file = tmp_path / "gitconfig"
    file.write_text(system_config(LARGE_FILES))
    command = ["git", "config", "--file", str(file), "filter.lfs.smudge"]
    assert subprocess.run(command, capture_output=True, text=True).stdout == "git-lfs smudge -- %f\n"
