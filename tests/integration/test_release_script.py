"""The script of a ``release`` as the shells of jobs run it (gitlab-ci-yml.md 7.2)."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from pyrunner.ci.releases import release_script
from pyrunner.ci.source import load_source

pytestmark = pytest.mark.integration

RELEASE = r"""
tag_name: $T
description: "a `id` \"q\" $T \\ end"
milestones: [m1]
assets: {links: [{name: l, url: "http://x/$T"}]}
"""
ARGUMENTS = 'for one; do printf "<%s>" "$one"; done'


def tool(folder: Path, name: str, version: str) -> None:
    """Make a program that tells its version, or its name and arguments."""
    text = f'#!/bin/sh\nif [ "$1" = --version ]; then echo "{name} {version}"; exit; fi\n'
    (folder / name).write_text(f"{text}printf '%s ' {name}\n{ARGUMENTS}\n")
    (folder / name).chmod(0o755)


@pytest.mark.parametrize("shell", [["bash", "-eo", "pipefail"], ["sh", "-e"]], ids=["bash", "sh"])
@pytest.mark.parametrize(
    ("glab", "used"),
    [("1.58.0", "glab"), ("1.100.1", "glab"), ("1.57.9", "release-cli"), ("", "release-cli")],
)
def test_the_tool_that_is_there(tmp_path: Path, shell: list[str], glab: str, used: str) -> None:
    """glab from 1.58 on, else release-cli; variables are expanded, commands in fields are not run."""
    tool(tmp_path, "release-cli", "0.1")
    if glab:
        tool(tmp_path, "glab", glab)
    script = release_script(load_source(RELEASE, "f").content)
    environ = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "T": "v1"}
    done = subprocess.run([*shell, "-c", script], env=environ, capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"{used} ")
    assert '<a `id` "q" v1 \\ end>' in done.stdout
    assert '{"name": "l", "url": "http://x/v1"}' in done.stdout
