"""What the parts of the executor ask for when they want a container."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pyrunner.executors.docker.labels import Role
from pyrunner.protocol.job import Image


@dataclass(frozen=True)
class ContainerRequest:
    """One container; all that config.toml says about it is added by :func:`create_arguments`."""

    role: Role
    #: What the engine makes it from: a repo digest or an id.
    image: str
    #: Host parts of the network; see :mod:`pyrunner.executors.docker.container.networking`.
    network: str = ""
    #: What the job or the file asked for, name expanded; an empty one for the runner's default image.
    definition: Image = field(default_factory=Image)
    #: The image as it was asked for, tag included: ``services_devices`` go by it; for a helper its id.
    image_name: str = ""
    command: Sequence[str] = ()
    #: ``KEY=VALUE``.
    environment: Sequence[str] = ()
    #: In the engine's syntax, ``source:destination[:options]``.
    binds: Sequence[str] = ()
    #: Further mounts, as objects of the engine's API.
    mounts: Sequence[Mapping[str, Any]] = ()
    #: Names on a network of its own kind; nowhere else.
    aliases: Sequence[str] = ()
    #: ``name:address`` of services, beside ``extra_hosts``.
    links: Sequence[str] = ()
    #: Further labels, without gitlab-runner's prefix.
    labels: Mapping[str, str] = field(default_factory=dict)
    #: Its standard input is written to, once, by whoever attaches first.
    stdin: bool = False
    #: Slot of an autoscaler, which ``use_slot_cgroups`` is about; None: there is no autoscaler.
    slot: int | None = None
