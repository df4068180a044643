"""The sandbox's seccomp filter, as the classic BPF program that the kernel takes (seccomp(2)).

Assembled here: it is a straight line of comparisons, and the library's Python binding is neither on the
package index nor at hand in every virtual environment.
"""

from __future__ import annotations

import errno
import struct
from typing import Final

from pyrunner.executors.sandbox.syscalls import ABSENT, ARCHITECTURES, HIGHEST_KNOWN, REFUSED, Architecture

#: struct sock_filter: code, jump if true, jump if false, operand.
_INSTRUCTION: Final = struct.Struct("<HBBI")
Instruction = tuple[int, int, int, int]

_LOAD: Final = 0x20  # BPF_LD | BPF_W | BPF_ABS
_EQUAL: Final = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_GREATER: Final = 0x25  # BPF_JMP | BPF_JGT | BPF_K
_AT_LEAST: Final = 0x35  # BPF_JMP | BPF_JGE | BPF_K
_ANY_BIT: Final = 0x45  # BPF_JMP | BPF_JSET | BPF_K
_AND: Final = 0x54  # BPF_ALU | BPF_AND | BPF_K
_RETURN: Final = 0x06  # BPF_RET | BPF_K

ALLOW: Final = 0x7FFF0000
KILL_PROCESS: Final = 0x80000000
_ERRNO: Final = 0x00050000

# struct seccomp_data; both architectures are little-endian, so an argument's low word comes first.
_NUMBER, _ARCH = 0, 4
_X32: Final = 0x40000000

#: CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET.
NEW_NAMESPACES: Final = 0x7E020000
#: TIOCSTI, TIOCLINUX, TIOCCONS, TIOCSETD: what puts words into a terminal's mouth, or drivers under it.
TERMINAL_TRICKS: Final = (0x5412, 0x541C, 0x541D, 0x5423)
#: AF_UNIX, AF_INET, AF_INET6: all others (vsock, packet, alg, bluetooth …) are not bound to a namespace,
#: or are large and rarely walked parts of the kernel.
FAMILIES: Final = (1, 2, 10)
#: AF_NETLINK, for NETLINK_ROUTE only: name resolution asks for the addresses of this host.
_NETLINK: Final = 16
_FILE_TYPE, _CHARACTER, _BLOCK = 0o170000, 0o020000, 0o060000


def seccomp_program(machine: str) -> bytes | None:
    """Return the filter for ``machine`` (``os.uname().machine``); None where its calls are not known."""
    architecture = ARCHITECTURES.get(machine)
    if architecture is None:
        return None
    return b"".join(_INSTRUCTION.pack(*one) for one in instructions(architecture))


def instructions(architecture: Architecture) -> list[Instruction]:
    """Return the filter's instructions: (code, jump if true, jump if false, operand)."""
    program: list[Instruction] = [
        (_LOAD, 0, 0, _ARCH),
        (_EQUAL, 1, 0, architecture.audit),
        _give(KILL_PROCESS),
        (_LOAD, 0, 0, _NUMBER),
    ]
    if architecture.name == "x86_64":
        # The second way into the same kernel: other numbers, and none of the rules below.
        program += [(_AT_LEAST, 0, 1, _X32), _give(KILL_PROCESS)]
    program += [(_GREATER, 0, 1, HIGHEST_KNOWN), _fail(errno.ENOSYS)]
    for numbers, error in ((REFUSED, errno.EPERM), (ABSENT, errno.ENOSYS)):
        for number in architecture.numbers(numbers):
            program += [(_EQUAL, 0, 1, number), _fail(error)]
    program += _rule(architecture.clone, 0, [(_ANY_BIT, 0, 1, NEW_NAMESPACES), _fail(errno.EPERM)])
    tricks = [one for trick in TERMINAL_TRICKS for one in ((_EQUAL, 0, 1, trick), _fail(errno.EPERM))]
    program += _rule(architecture.ioctl, 1, tricks)
    program += _rule(architecture.mknodat, 2, _no_devices())
    if architecture.mknod is not None:
        program += _rule(architecture.mknod, 1, _no_devices())
    for number in (architecture.socket, architecture.socketpair):
        program += _rule(number, 0, _families())
    return [*program, _give(ALLOW)]


def _rule(number: int, argument: int, body: list[Instruction]) -> list[Instruction]:
    """Judge one call by an argument; what ``body`` does not refuse is allowed."""
    inner = [(_LOAD, 0, 0, _argument(argument)), *body, _give(ALLOW)]
    return [(_EQUAL, 0, len(inner), number), *inner]


def _no_devices() -> list[Instruction]:
    return [
        (_AND, 0, 0, _FILE_TYPE),
        (_EQUAL, 1, 0, _CHARACTER),
        (_EQUAL, 0, 1, _BLOCK),
        _fail(errno.EPERM),
    ]


def _families() -> list[Instruction]:
    known = [one for family in FAMILIES for one in ((_EQUAL, 0, 1, family), _give(ALLOW))]
    return [
        *known,
        (_EQUAL, 1, 0, _NETLINK),
        _fail(errno.EAFNOSUPPORT),
        (_LOAD, 0, 0, _argument(2)),
        (_EQUAL, 1, 0, 0),
        _fail(errno.EPERM),
    ]


def _argument(index: int) -> int:
    return 16 + 8 * index


def _give(value: int) -> Instruction:
    return (_RETURN, 0, 0, value)


def _fail(error: int) -> Instruction:
    return _give(_ERRNO | error)
