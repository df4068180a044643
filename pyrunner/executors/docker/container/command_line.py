"""What containers are told to run: the same words for every stage, nothing of the job's (design R3)."""

from __future__ import annotations

from typing import Final

from pyrunner.executors.docker.stages.box import inside, redirect

#: Looked for in this order (gitlab-runner: shells/bash.go); bash before any sh.
_SHELLS: Final = (
    "/usr/local/bin/bash",
    "/usr/bin/bash",
    "/bin/bash",
    "/usr/local/bin/sh",
    "/usr/bin/sh",
    "/bin/sh",
    "/busybox/sh",
)


def _detect(arguments: str = "") -> str:
    shells = " ".join(_SHELLS)
    found = f'if [ -x "$s" ]; then exec "$s"{arguments}; fi'
    return f"for s in {shells}; do {found}; done; echo shell not found; exit 1"


_DETECT: Final = _detect()
#: What a terminal says first, with the id of its shell in the container.
TERMINAL: Final = "pyrunner-terminal"

#: Ends what a container runs, the children before their parents, so that traps of scripts run; the first
#: process, which ignores what it has no trap for, comes last (docker-executor.md 11.1).
TERMINATE: Final = """\
n=100
for p in $(cd /proc && ls -d [0-9]* | sort -rn); do
  if [ "$p" -ne 1 ] && [ "$p" -ne $$ ] && kill -TERM "$p" 2>/dev/null; then
    while [ -e "/proc/$p" ] && [ "$n" -gt 0 ]; do n=$((n-1)); sleep 0.1 2>/dev/null || sleep 1; done
  fi
done
kill -TERM 1
"""


def stage_command(boxed: bool, barrier: bytes = b"") -> list[str]:
    """Return the command of a container that runs stages.

    :param boxed: the container has a box; otherwise the script comes to its standard input.
    :param barrier: printed to both streams before anything is read: what an entrypoint has printed before is
        complete when it arrives.
    """
    if not boxed:
        return ["sh", "-c", _DETECT]
    text = redirect() + _DETECT
    if barrier:
        octal = "".join(f"\\{byte:03o}" for byte in barrier)
        text = f"printf '{octal}'; printf '{octal}' >&2; {text}"
    return ["sh", "-c", text]


def terminal_command() -> list[str]:
    """Return the command of an interactive terminal: its process id, then a login shell."""
    return ["sh", "-c", f'echo "{TERMINAL} $$"; {_detect(" -l")}']


def hang_up_command(process: int) -> list[str]:
    """Return the command that ends a terminal's shell and what it has started in the foreground."""
    return ["sh", "-c", f"kill -HUP -{process}; kill -HUP {process}; kill -CONT -{process}"]


def exec_command(boxed: bool, umask: str) -> list[str]:
    """Return the command of a stage in the helper container.

    :param umask: octal; empty: as the image has it.
    """
    prefix = f"umask {umask}; " if umask else ""
    # A descriptor of its own keeps the connection open, by whose end the stage's is noticed at once.
    text = (
        f"exec 9>&1; exec <{inside('script')} >{inside('out')} 2>{inside('err')} || exit 1; " if boxed else ""
    )
    return ["sh", "-c", prefix + text + _DETECT]
