"""How far the unit is fenced in, and what it gives up (measured: docs/service.md).

systemd's fences are inherited by everything that the service starts, and no process can step out of them.
With host executors that is each job: the fence of the manager would be the fence of ``sudo make install``.
With containers only, jobs are the engine's children, so what is left below the unit is ours.
"""

from __future__ import annotations

from typing import Final

#: For units whose jobs run on this host.
HOST_JOBS: Final = (
    "# Not fenced in: jobs of the shell executor inherit each restriction, and they use su, sudo, /tmp,",
    "# mounts, namespaces, devices and other architectures as they like. Given up, on purpose:",
    "# NoNewPrivileges, CapabilityBoundingSet, SystemCallFilter, Protect*, Private*, Restrict*.",
    "# Where all jobs run in containers: pyrunner install --hardened.",
)

#: For units whose jobs run in containers of an engine that is not ours.
CONTAINERS_ONLY: Final = (
    "# Jobs run in containers, which the engine starts: nothing here reaches them. Given up, on purpose:",
    "#   PrivateTmp: it is emptied at each stop, under the jobs that live on;",
    "#   RestrictNamespaces, SystemCallFilter=~@mount, ProtectHostname, ProtectControlGroups, ProtectClock,",
    "#   PrivateDevices, ProtectKernelTunables: the sandbox of git and archives needs what they forbid;",
    "#   ProtectSystem=strict, ProtectHome: each entry of config.toml may have folders of its own;",
    "#   ProtectProc, PrivatePIDs: the processes of jobs are found by the process table;",
    "#   MemoryDenyWriteExecute: git and its filters may compile patterns at run time.",
    "NoNewPrivileges=yes",
    "ProtectSystem=full",
    "ProtectKernelModules=yes",
    "ProtectKernelLogs=yes",
    "LockPersonality=yes",
    "RestrictRealtime=yes",
    "RestrictSUIDSGID=yes",
    "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK",
    "SystemCallArchitectures=native",
    "SystemCallFilter=~@clock @cpu-emulation @debug @module @obsolete @raw-io @reboot @swap",
    "SystemCallErrorNumber=EPERM",
    "CapabilityBoundingSet=CAP_CHOWN CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER CAP_FSETID CAP_KILL",
    "CapabilityBoundingSet=CAP_MKNOD CAP_NET_ADMIN CAP_NET_BIND_SERVICE CAP_NET_RAW CAP_SETFCAP CAP_SETGID",
    "CapabilityBoundingSet=CAP_SETPCAP CAP_SETUID CAP_SYS_ADMIN CAP_SYS_CHROOT CAP_SYS_NICE CAP_SYS_PTRACE",
    "CapabilityBoundingSet=CAP_SYS_RESOURCE",
)
