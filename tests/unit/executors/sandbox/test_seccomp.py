"""The filter is run here, instruction by instruction, against calls of every kind."""

from __future__ import annotations

import errno
import struct

import pytest

from pyrunner.executors.sandbox.seccomp import (
    ALLOW,
    KILL_PROCESS,
    NEW_NAMESPACES,
    TERMINAL_TRICKS,
    instructions,
    seccomp_program,
)
from pyrunner.executors.sandbox.syscalls import ABSENT, ARCHITECTURES, HIGHEST_KNOWN, REFUSED, Architecture

#: What Docker's default profile keeps from a container without extra capabilities (moby, default.json).
DOCKER_REFUSES = {
    *("acct", "add_key", "bpf", "clock_adjtime", "clock_settime", "create_module", "delete_module"),
    *("finit_module", "get_kernel_syms", "get_mempolicy", "init_module", "ioperm", "iopl", "kcmp"),
    *(
        "kexec_file_load",
        "kexec_load",
        "keyctl",
        "lookup_dcookie",
        "mbind",
        "mount",
        "move_pages",
        "nfsservctl",
    ),
    *("open_by_handle_at", "perf_event_open", "personality", "pivot_root", "process_vm_readv"),
    *("process_vm_writev", "query_module", "quotactl", "reboot", "request_key", "set_mempolicy", "setns"),
    *("settimeofday", "swapon", "swapoff", "sysfs", "_sysctl", "umount2", "unshare", "uselib", "userfaultfd"),
    *("ustat", "fsopen", "fsconfig", "fsmount", "fspick", "move_mount", "open_tree", "mount_setattr"),
    *("fanotify_init", "quotactl_fd", "sethostname", "setdomainname", "syslog", "vhangup", "chroot"),
}

BOTH = pytest.mark.parametrize("machine", sorted(ARCHITECTURES))


def judge(architecture: Architecture, number: int, *arguments: int, audit: int | None = None) -> int:
    """Run the filter as the kernel would; returns the action."""
    words = [*arguments, *[0] * (6 - len(arguments))]
    data = struct.pack("<IIQ6Q", number, architecture.audit if audit is None else audit, 0, *words)
    program = instructions(architecture)
    at, accumulator = 0, 0
    while True:
        code, true, false, operand = program[at]
        at += 1
        if code == 0x20:
            (accumulator,) = struct.unpack_from("<I", data, operand)
        elif code == 0x54:
            accumulator &= operand
        elif code == 0x06:
            return operand
        else:
            compared = {
                0x15: accumulator == operand,
                0x25: accumulator > operand,
                0x35: accumulator >= operand,
                0x45: bool(accumulator & operand),
            }[code]
            at += true if compared else false


def refused(error: int) -> int:
    """Return the action that gives ``error``."""
    return 0x00050000 | error


@BOTH
def test_listed_calls_are_refused(machine: str) -> None:
    """Each call of the tables fails, whatever its arguments."""
    one = ARCHITECTURES[machine]
    for table, error in ((REFUSED, errno.EPERM), (ABSENT, errno.ENOSYS)):
        for number in one.numbers(table):
            assert judge(one, number, 0xFFFFFFFF, 0xFFFFFFFF) == refused(error)
            assert judge(one, number) == refused(error)


def test_the_tables_hold_what_docker_refuses() -> None:
    """The filter is no weaker than a container's."""
    assert DOCKER_REFUSES - set(REFUSED) == set()


@BOTH
def test_every_other_known_call_is_allowed(machine: str) -> None:
    """What git and Python need goes through; the kernel's next calls do not exist."""
    one = ARCHITECTURES[machine]
    special = {one.clone, one.ioctl, one.socket, one.socketpair, one.mknodat, one.mknod}
    listed = {*one.numbers(REFUSED), *one.numbers(ABSENT), *special}
    for number in range(HIGHEST_KNOWN + 1):
        if number not in listed:
            assert judge(one, number) == ALLOW
    for number in (HIGHEST_KNOWN + 1, HIGHEST_KNOWN + 100, 0x3FFFFFFF):
        assert judge(one, number) == refused(errno.ENOSYS)


@BOTH
def test_another_architecture_is_killed(machine: str) -> None:
    """32-bit calls, and each other's numbers, would be judged by the wrong table."""
    one = ARCHITECTURES[machine]
    for audit in (0x40000003, 0x40000028, 0xC00000B7 if machine == "x86_64" else 0xC000003E):
        assert judge(one, 0, audit=audit) == KILL_PROCESS


def test_x32_is_killed() -> None:
    """The second calling convention of x86_64 has numbers of its own."""
    assert judge(ARCHITECTURES["x86_64"], 0x40000000 | 39) == KILL_PROCESS
    assert judge(ARCHITECTURES["x86_64"], 0xFFFFFFFF) == KILL_PROCESS


@BOTH
def test_children_get_no_namespaces(machine: str) -> None:
    """Processes and threads are born, with any new namespace they are not."""
    one = ARCHITECTURES[machine]
    for flags in (17, 0x3D0F00, 0x4000 | 0x100 | 17):
        assert judge(one, one.clone, flags) == ALLOW
    for bit in range(32):
        if NEW_NAMESPACES & (1 << bit):
            assert judge(one, one.clone, 1 << bit | 17) == refused(errno.EPERM)


@BOTH
def test_terminals_take_no_words_from_us(machine: str) -> None:
    """TIOCSTI and its like, also with high bits set that the kernel ignores."""
    one = ARCHITECTURES[machine]
    assert judge(one, one.ioctl, 0, 0x5401) == ALLOW
    for trick in TERMINAL_TRICKS:
        assert judge(one, one.ioctl, 0, trick) == refused(errno.EPERM)
        assert judge(one, one.ioctl, 0, trick | 1 << 40) == refused(errno.EPERM)


@BOTH
def test_devices_are_not_made(machine: str) -> None:
    """Pipes, sockets and files are."""
    one = ARCHITECTURES[machine]
    for kind, wanted in ((0o010000, ALLOW), (0o100000, ALLOW), (0o140000, ALLOW), (0, ALLOW)):
        assert judge(one, one.mknodat, 0, 0, kind | 0o644) == wanted
    for kind in (0o020000, 0o060000):
        assert judge(one, one.mknodat, 0, 0, kind | 0o644) == refused(errno.EPERM)
        if one.mknod is not None:
            assert judge(one, one.mknod, 0, kind | 0o644) == refused(errno.EPERM)


@BOTH
def test_sockets_of_few_families(machine: str) -> None:
    """Unix, IPv4, IPv6, and route netlink; vsock, for one, would reach the hypervisor."""
    one = ARCHITECTURES[machine]
    for family in range(64):
        wanted = ALLOW if family in (1, 2, 10, 16) else refused(errno.EAFNOSUPPORT)
        assert judge(one, one.socket, family, 1, 0) == wanted
    assert judge(one, one.socket, 16, 3, 9) == refused(errno.EPERM)


def test_an_unknown_processor_has_no_filter() -> None:
    """Then there is no sandbox."""
    assert seccomp_program("riscv64") is None
    program = seccomp_program("x86_64")
    assert program is not None
    assert len(program) % 8 == 0
    assert len(program) // 8 < 4096
