"""The second part of ``pyrunner demo``: the sample pipeline by ``pyrunner exec``, twice."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import click

from pyrunner.errors import PyrunnerError

#: An image with a shell, wget and a web server that the service of the sample runs in.
_IMAGE: Final = "busybox:1.36"
#: Names another image: for machines that cannot get that one.
IMAGE_VARIABLE: Final = "PYRUNNER_DEMO_IMAGE"
_PULL_SECONDS: Final = 60
EXPECTED: Final = {
    "pick": "success",
    "press: [apple]": "success",
    "press: [pear]": "success",
    "inspect": "failed",
    "taste": "success",
    "bottle": "success",
    "ship": "manual",
}


def run_sample(sample: Path, folder: Path, environ: Mapping[str, str], quiet: bool) -> bool:
    """Run the pipeline of ``sample`` below ``folder``; tell whether all went as it should.

    :raises PyrunnerError: when git cannot make a repository of it.
    """
    tree = folder / "juice"
    shutil.copytree(sample, tree)
    make_repository(tree)
    (tree / "recipe.txt").write_text("press slowly, filter twice, and this is not committed\n")
    environment = {**environ, "XDG_DATA_HOME": str(folder / "data")}
    arguments = ["--quiet"] if quiet else []
    image = service_image(environ)
    if image:
        # the service needs no sources, so that docker needs no helper image
        arguments += ["--var", f"CELLAR_IMAGE={image}"]
    else:
        click.echo("no docker, or no image for it: the job with a service is left out\n")
    expected = {**EXPECTED, **({"cellar": "success"} if image else {})}
    good = True
    for more in ([], ["press"]):
        command = ["exec", *more, *arguments]
        click.echo("$ pyrunner " + " ".join(command))
        done = subprocess.run(
            [sys.executable, "-m", "pyrunner", *command],
            cwd=tree,
            env={**environment, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            stdin=subprocess.DEVNULL,
            check=False,
        )
        click.echo()
        result = _result(folder)
        states = {name: job["status"] for name, job in result.get("jobs", {}).items()}
        wanted = {
            name: state for name, state in expected.items() if not more or name.startswith(("pick", "press"))
        }
        good = good and done.returncode == 0 and states == wanted
    return good


def make_repository(tree: Path) -> None:
    """Make a folder a git repository with all that is in it.

    :raises PyrunnerError: when git fails.
    """
    identity = ["-c", "user.name=Demo", "-c", "user.email=demo@example.com", "-c", "commit.gpgsign=false"]
    for command in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "-m", "Sample"]):
        done = subprocess.run(
            ["git", *identity, *command], cwd=tree, check=False, capture_output=True, text=True
        )
        if done.returncode:
            raise PyrunnerError(f"git {command[0]} failed: {done.stderr.strip()}; is git installed?")


def service_image(environ: Mapping[str, str]) -> str:
    """Return an image that docker has or gets; empty when there is none, or no docker."""
    image = environ.get(IMAGE_VARIABLE) or _IMAGE
    for command in (["image", "inspect", image], ["pull", "--quiet", image]):
        try:
            done = subprocess.run(
                ["docker", *command],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_PULL_SECONDS,
                check=False,
            )
        except (FileNotFoundError, subprocess.TimeoutExpired):
            return ""
        if done.returncode == 0:
            return image
    return ""


def _result(folder: Path) -> dict[str, Any]:
    found = sorted(folder.glob("data/pyrunner/exec/*/latest/result.json"))
    value = json.loads(found[0].read_bytes()) if found else {}
    return value if isinstance(value, dict) else {}
