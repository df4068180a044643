"""Gives a tree that a job has written to another user, following no link (docker-executor.md 8.4)."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Final

from pyrunner.errors import JobDirError

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def give_tree(base: Path, inside: str, uid: int, gid: int) -> None:
    """Give the folder ``inside`` of ``base``, and all below it, to a user; nothing where it is missing.

    Every step is taken from the descriptor of the one before, so that no link which is planted meanwhile
    leads out of it.

    :raises JobDirError: when a link stands on the way to the folder, or it leads out of ``base``.
    """
    folder = os.open(base, _FOLDER)
    try:
        for name in Path(inside).parts:
            if name == "..":
                raise JobDirError(f"{inside} is not in {base}")
            below = os.open(name, _FOLDER, dir_fd=folder)
            os.close(folder)
            folder = below
        _chown(folder, uid, gid)
    except FileNotFoundError:
        return
    except OSError as error:
        raise JobDirError(f"cannot give {inside} to {uid}:{gid}: {error.strerror}") from error
    finally:
        os.close(folder)


def _chown(folder: int, uid: int, gid: int) -> None:
    """Run ``chown`` in the open folder: not by our own recursion.

    It knows no limit of depth, and opens nothing but folders, whatever a service changes meanwhile.
    """
    command = ["chown", "-hRP", "--", f"{uid}:{gid}", "."]
    done = subprocess.run(
        command,
        cwd=f"/proc/self/fd/{folder}",
        env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        check=False,
    )
    lines = done.stderr.decode(errors="replace").strip().splitlines()
    # What was removed meanwhile needs no owner.
    if done.returncode and not all(one.endswith("No such file or directory") for one in lines):
        raise OSError(0, lines[0] if lines else f"chown: exit code {done.returncode}")
