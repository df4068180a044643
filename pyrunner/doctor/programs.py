"""The programs that jobs need on this host: git, and a shell for the shell executor."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from pyrunner.doctor.context import Context
from pyrunner.doctor.result import Result, failed, ok, skipped, warning

#: The first that knows protocol version 2 and the options the stage scripts use.
_OLDEST_GIT: Final = (2, 18)
#: The first whose ``git clone`` can do what FF_USE_GIT_NATIVE_CLONE wants.
_NATIVE_CLONE: Final = (2, 49)
_VERSION: Final = re.compile(r"(\d+)\.(\d+)(?:\.(\d+))?")


def check_git(context: Context) -> Iterator[Result]:
    """Tell whether git is there and new enough; with containers it serves the sandbox."""
    if not context.runners:
        yield skipped("git", "no runner needs it")
        return
    path = context.host.which("git")
    if path is None:
        text = f"git is not in PATH ({context.host.environ.get('PATH', '')})"
        fix = "install the package git, or add its folder to PATH of the service"
        if context.with_executor("shell"):
            yield failed("git", text, fix)
        else:
            yield warning("git", f"{text}: helper containers fetch the sources", fix)
        return
    code, output = context.host.run(path, "--version")
    found = _VERSION.search(output)
    if code or found is None:
        yield failed("git", f"{path} does not work: {output or f'exit code {code}'}", "install git again")
        return
    version = (int(found[1]), int(found[2]))
    if version < _OLDEST_GIT:
        wanted = ".".join(map(str, _OLDEST_GIT))
        yield warning("git", f"{path} is {found[0]}", f"install git {wanted} or newer")
        return
    yield ok("git", f"{path}, version {found[0]}")
    flags = [one for one in context.runners if one.feature_flags.get("FF_USE_GIT_NATIVE_CLONE")]
    if flags and version < _NATIVE_CLONE:
        text = f"FF_USE_GIT_NATIVE_CLONE needs git 2.49, {path} is {found[0]}: sources are fetched as before"
        yield warning("git", text, "install a newer git, or take the flag out")


def check_shell(context: Context) -> Iterator[Result]:
    """Tell whether the shells that the configuration names are there."""
    runners = context.with_executor("shell")
    if not runners:
        yield skipped("shell", "no runner with the shell executor")
        return
    for name in sorted({one.shell or "bash" for one in runners}):
        path = context.host.which(name)
        if name not in ("bash", "sh"):
            yield failed("shell", f'shell = "{name}" cannot be used: jobs fail', 'set shell = "bash" or "sh"')
        elif path is None:
            yield failed("shell", f"{name} is not in PATH", f"install {name}, or correct PATH of the service")
        else:
            yield ok("shell", path)
