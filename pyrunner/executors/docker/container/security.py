"""Who a container runs as, and what it may (docker-executor.md 3.4, 3.5, 9.4, 13 #10)."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from typing import Final

from pyrunner.config.docker import DockerConfig
from pyrunner.errors import PyrunnerError
from pyrunner.executors.docker.container.refusal import refused
from pyrunner.executors.docker.container.request import ContainerRequest
from pyrunner.executors.docker.images.doublestar import matches
from pyrunner.executors.docker.job import DockerJob
from pyrunner.executors.docker.labels import Role
from pyrunner.protocol.job import Image
from pyrunner.system.golang import quoted

_NO_FILE: Final = ("unconfined", "builtin")
#: A profile is a few dozen KiB; what is larger is no profile.
_LARGEST_PROFILE: Final = 16 * 1024 * 1024


def is_privileged(config: DockerConfig, request: ContainerRequest) -> bool:
    """Tell whether a container is privileged.

    A list of allowed images is compared with the name that the *job* gave: jobs of the default image, and
    the helper container (its ``image_name`` is the image's id), lose their privileges as soon as there is a
    list, unless a pattern matches the empty name or that id (13 #10).
    """
    if request.role is Role.SERVICE:
        wanted, allowed = config.effective_services_privileged, config.allowed_privileged_services
    else:
        wanted, allowed = config.privileged, config.allowed_privileged_images
    name = request.image_name if request.role is Role.HELPER else request.definition.name
    return wanted and (not allowed or any(matches(pattern, name) for pattern in allowed))


def container_user(job: DockerJob, request: ContainerRequest) -> str:
    """Return who a container runs as; empty: whom its image says.

    :raises PyrunnerError: when the job may not run as that user.
    """
    if request.role is Role.BUILD:
        return _build_user(job, request.definition)
    return _asked_user(job, request.definition) if request.role is Role.SERVICE else ""


def _build_user(job: DockerJob, definition: Image) -> str:
    config = job.config
    user = config.user or _asked_user(job, definition)
    allowed = config.allowed_users or ([config.user] if config.user else [])
    if user and allowed and user not in allowed:
        raise PyrunnerError(
            "failed to create container configuration: "
            f"user {quoted(user)} is not an allowed user: [{' '.join(allowed)}]"
        )
    return user


def _asked_user(job: DockerJob, definition: Image) -> str:
    """Return ``docker.user`` of the payload, expanded; a number is text as well."""
    options = definition.executor_opts.get("docker")
    user = options.get("user") if isinstance(options, dict) else None
    if isinstance(user, bool) or not isinstance(user, str | int):
        return ""
    return job.variables.expand_value(str(user))


def entrypoint(
    config: DockerConfig, request: ContainerRequest, warn: Callable[[str], None]
) -> list[str] | None:
    """Return what takes the place of the image's entrypoint; None: nothing does. Nothing is expanded."""
    wanted = request.definition.entrypoint
    if not wanted or request.role not in (Role.BUILD, Role.SERVICE):
        return None
    if config.disable_entrypoint_overwrite:
        warn("Entrypoint override disabled")
        return None
    return list(wanted)


def security_options(options: Sequence[str], folder: str, kind: str) -> list[str]:
    """Return ``security_opt``, the seccomp profile that is named by its path put in its place.

    :param folder: of the manager; a relative path starts there.
    :param kind: ``security`` or ``services security``, for the error.
    :raises BuildError: when the profile cannot be read, or is not JSON.
    """
    return [_security_option(one, folder, f"processing {kind} options: ") for one in options]


def _security_option(option: str, folder: str, prefix: str) -> str:
    key, separator, path = option.partition("=")
    if not separator or key != "seccomp" or path.startswith("{") or path in _NO_FILE:
        return option
    try:
        with open(os.path.join(folder, path), "rb") as file:
            data = file.read(_LARGEST_PROFILE + 1)
    except (OSError, ValueError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        raise refused(f"{prefix}failed to read seccomp profile from {path}: open {path}: {reason}") from None
    try:
        json.loads(data)
        text = data.decode()
    except (ValueError, RecursionError):
        raise refused(f"{prefix}seccomp profile {path} is not valid JSON") from None
    return f"seccomp={text}"
