"""Which system calls a workspace stage has no business with, by architecture (docs/adr/0008).

A superset of what Docker's default profile keeps from a container without capabilities. Numbers are those
of the kernel's own tables (arch/x86/entry/syscalls, include/uapi/asm-generic/unistd.h), which never change.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

#: No call beyond this one (``mseal``, Linux 6.10) was looked at: the kernel's next ideas do not exist here.
HIGHEST_KNOWN: Final = 462

#: Name → number on x86_64, number on aarch64 (None: there is no such call).
#: Refused with EPERM, whatever the arguments.
REFUSED: Final[dict[str, tuple[int | None, int | None]]] = {
    # mounts and namespaces: the walls themselves
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "statmount": (457, 457),
    "listmount": (458, 458),
    "unshare": (272, 97),
    "setns": (308, 268),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    # other processes
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "pidfd_getfd": (438, 438),
    "kcmp": (312, 272),
    # files by other ways than their names
    "open_by_handle_at": (304, 265),
    "fanotify_init": (300, 262),
    "lookup_dcookie": (212, 18),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    # keys belong to users, not to namespaces
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    # large and young parts of the kernel
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    # the machine
    "acct": (163, 89),
    "adjtimex": (159, 171),
    "clock_adjtime": (305, 266),
    "clock_settime": (227, 112),
    "settimeofday": (164, 170),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "create_module": (174, None),
    "query_module": (178, None),
    "get_kernel_syms": (177, None),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "syslog": (103, 116),
    "vhangup": (153, 58),
    "ioperm": (173, None),
    "iopl": (172, None),
    "modify_ldt": (154, None),
    "nfsservctl": (180, 42),
    "personality": (135, 92),
    "_sysctl": (156, None),
    "sysfs": (139, None),
    "uselib": (134, None),
    "ustat": (136, None),
    # memory placement
    "get_mempolicy": (239, 236),
    "set_mempolicy": (238, 237),
    "mbind": (237, 235),
    "migrate_pages": (256, 238),
    "move_pages": (279, 239),
    "set_mempolicy_home_node": (450, 450),
}

#: Refused with ENOSYS: callers have a way without. A filter cannot look into clone3's arguments.
ABSENT: Final[dict[str, tuple[int | None, int | None]]] = {
    "clone3": (435, 435),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
}


@dataclass(frozen=True, slots=True)
class Architecture:
    """What a filter has to know of a processor."""

    #: ``os.uname().machine``.
    name: str
    #: ``AUDIT_ARCH_…``.
    audit: int
    #: Index into the tables above.
    column: int
    #: Calls whose arguments decide.
    clone: int
    ioctl: int
    socket: int
    socketpair: int
    mknodat: int
    #: None: there is none.
    mknod: int | None

    def numbers(self, table: dict[str, tuple[int | None, int | None]]) -> list[int]:
        """Return the numbers of ``table`` here."""
        return sorted(number for row in table.values() if (number := row[self.column]) is not None)


ARCHITECTURES: Final = {
    one.name: one
    for one in (
        Architecture("x86_64", 0xC000003E, 0, 56, 16, 41, 53, 259, 133),
        Architecture("aarch64", 0xC00000B7, 1, 220, 29, 198, 199, 33, None),
    )
}
