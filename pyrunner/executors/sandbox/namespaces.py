"""The few system calls around namespaces that Python 3.11 has no function for."""

from __future__ import annotations

import ctypes
import functools
import os
from typing import Any, Final

NEW_MOUNTS: Final = 0x00020000
NEW_USERS: Final = 0x10000000
NEW_PROCESSES: Final = 0x20000000
NEW_NETWORK: Final = 0x40000000

_MS_NOSUID, _MS_NOEXEC, _MS_REC, _MS_PRIVATE = 0x2, 0x8, 0x4000, 0x40000
_PR_SET_SECUREBITS: Final = 28
_NO_SETUID_FIXUP: Final = 4


@functools.cache
def _libc() -> Any:
    return ctypes.CDLL(None, use_errno=True)


def _checked(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def unshare(flags: int) -> None:
    """Move this process into new namespaces.

    :raises OSError: as the kernel says.
    """
    _checked(_libc().unshare(flags), "cannot make a namespace")


def enter_network(namespace: int) -> None:
    """Move this process into the network namespace of an open descriptor.

    :raises OSError: as the kernel says.
    """
    _checked(_libc().setns(namespace, NEW_NETWORK), "cannot enter the network namespace")


def become_owner(user: int) -> None:
    """Take a user id that nobody else has, and keep root's capabilities for the namespace to be made.

    The namespace's owner has every right in it, also from outside. It must not be root, who is the user
    in the sandbox, too: the sandbox could then write the network's packets by itself.

    :raises OSError: as the kernel says.
    """
    # While root may: in the namespace there is no group to leave.
    os.setgroups([])
    _checked(_libc().prctl(_PR_SET_SECUREBITS, _NO_SETUID_FIXUP, 0, 0, 0), "cannot keep capabilities")
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)


def private_mounts() -> None:
    """Move this process into mounts of its own, whose changes nobody else sees.

    :raises OSError: as the kernel says.
    """
    unshare(NEW_MOUNTS)
    _checked(_libc().mount(None, b"/", None, _MS_REC | _MS_PRIVATE, None), "cannot make mounts private")


def cover_with_memory(folder: str) -> None:
    """Mount an empty file system in memory over ``folder``; device nodes in it work.

    :raises OSError: as the kernel says.
    """
    flags = _MS_NOSUID | _MS_NOEXEC
    _checked(
        _libc().mount(b"tmpfs", os.fsencode(folder), b"tmpfs", flags, b"mode=755"), f"cannot cover {folder}"
    )
