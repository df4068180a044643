"""The text of the systemd unit; ``packaging/systemd/pyrunner.service`` is one of its values.

Each setting is there for a reason that stands beside it: operators read this file when they wonder why.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pyrunner.service.description import STATE_FOLDER, ServiceDescription
from pyrunner.service.quoting import command_line, path_word, setting
from pyrunner.service.sandboxing import CONTAINERS_ONLY, HOST_JOBS

#: Every unit of ours has it, so that only ours are removed.
MARK: Final = "# pyrunner's own unit"
#: systemd knows ``DelegateSubgroup`` since.
_DELEGATE_SUBGROUP: Final = 254


def render_unit(service: ServiceDescription) -> str:
    """Return the unit.

    :raises UsageError: for a path or name that no unit can hold.
    """
    return (
        "\n".join([*_head(service), "", *_unit(service), "", *_service(service), "", *_install(service)])
        + "\n"
    )


def _head(service: ServiceDescription) -> Iterator[str]:
    edit = "systemctl --user edit" if service.for_user else "systemctl edit"
    yield f"{MARK}; changes belong in a drop-in: {edit} {service.name}"


def _unit(service: ServiceDescription) -> Iterator[str]:
    yield "[Unit]"
    yield "Description=GitLab Runner (pyrunner)"
    yield f"ConditionFileIsExecutable={setting(service.program[0])}"
    if not service.for_user:
        yield "# After these, and so stopped before them: results need the network, jobs may need the engine."
        yield "Wants=network-online.target"
        yield "After=network-online.target docker.service"
    yield "# It comes back however often it fails."
    yield "StartLimitIntervalSec=0"


def _service(service: ServiceDescription) -> Iterator[str]:
    yield "[Service]"
    yield "Type=notify"
    yield f"ExecStart={command_line(service.command)}"
    yield 'ExecReload=/bin/sh -c "kill -HUP $MAINPID"'
    if service.init_user:
        yield f"User={setting(service.init_user)}"
    yield from _surroundings(service)
    yield "# An orderly end (exit code 0) was asked for; anything else is followed by a new start."
    yield "Restart=on-failure"
    yield "RestartSec=5"
    yield "TimeoutStartSec=300"
    yield f"TimeoutStopSec={'infinity' if service.stop_timeout is None else service.stop_timeout}"
    yield "# A manager that hangs is ended, with its stacks in the journal, and started again."
    yield "WatchdogSec=60"
    yield ""
    yield "# Jobs outlive the manager: a stop ends only the manager, the next start takes the jobs up."
    yield "KillMode=process"
    yield "# A job that runs out of memory must not take the service along."
    yield "OOMPolicy=continue"
    yield "# Each stage gets a control group of its own, below ours."
    yield "Delegate=yes"
    if not service.systemd_version or service.systemd_version >= _DELEGATE_SUBGROUP:
        yield "DelegateSubgroup=pyrunner.manager"
    yield "# The jobs' processes count as ours."
    yield "TasksMax=infinity"
    yield ""
    yield from CONTAINERS_ONLY if service.hardened else HOST_JOBS
    if service.hardened:
        yield f"ReadWritePaths=-{path_word(service.config.parent)}"


def _surroundings(service: ServiceDescription) -> Iterator[str]:
    """Yield what the manager finds: variables, secrets, folders."""
    if service.for_user:
        yield f"EnvironmentFile=-%E/{setting(service.name)}/environment"
    else:
        yield f"EnvironmentFile=-/etc/default/{setting(service.name)}"
        yield f"EnvironmentFile=-/etc/sysconfig/{setting(service.name)}"
    for one in service.credentials:
        kind = "LoadCredentialEncrypted" if one.encrypted else "LoadCredential"
        yield f"{kind}={one.name}:{setting(one.path)}"
    if service.working_directory == STATE_FOLDER and not service.for_user:
        yield f"StateDirectory={STATE_FOLDER.name}"
        yield "StateDirectoryMode=0711"


def _install(service: ServiceDescription) -> Iterator[str]:
    yield "[Install]"
    yield f"WantedBy={'default.target' if service.for_user else 'multi-user.target'}"
