"""The ``info`` object: what this runner is and what it can do (runner-api.md 2)."""

from __future__ import annotations

import platform
import re
import sys
from collections.abc import Collection, Mapping
from typing import Any, Final

from pyrunner import COMPATIBLE_VERSION, __version__

#: The name the coordinator, reverse proxies and reports know a runner by.
NAME: Final = "gitlab-runner"

#: Reported as the commit the runner was built from (2.1).
REVISION: Final = "HEAD"

#: Features of the trace and status protocol: true for every runner (2.2).
NETWORK_FEATURES: Final = (
    "trace_reset",
    "trace_checksum",
    "trace_size",
    "cancelable",
    "cancel_gracefully",
    "two_phase_job_commit",
    "job_inputs",
)

#: Features of the script writers: true as soon as the shell is known (2.2). gitlab-runner's also have
#: ``vault_secrets``; jobs with ``secrets:`` are refused here, and a server that knows says so at once.
SHELL_FEATURES: Final = (
    "artifacts",
    "upload_multiple_artifacts",
    "upload_raw_artifacts",
    "cache",
    "fallback_cache_keys",
    "refspecs",
    "masking",
    "raw_variables",
    "artifacts_exclude",
    "multi_build_steps",
    "return_exit_code",
)

#: Features that each executor answers for itself (2.3).
EXECUTOR_FEATURES: Final = (
    "variables",
    "image",
    "services",
    "shared",
    "session",
    "terminal",
    "proxy",
    "service_variables",
    "service_multiple_aliases",
    "image_executor_opts",
    "service_executor_opts",
    "native_steps_integration",
)

#: What the shell executor does. gitlab-runner's also has ``native_steps_integration``; the server trusts
#: this list, so it is claimed once it exists.
SHELL_EXECUTOR_FEATURES: Final = frozenset({"variables", "shared", "session", "terminal"})

_UNCLAIMED: Final = ("vault_secrets",)
_FEATURES: Final = (*EXECUTOR_FEATURES, *SHELL_FEATURES, *_UNCLAIMED, *NETWORK_FEATURES)
_ARCHITECTURES: Final = {
    "x86_64": "amd64",
    "amd64": "amd64",
    "aarch64": "arm64",
    "arm64": "arm64",
    "i386": "386",
    "i686": "386",
    "armv6l": "arm",
    "armv7l": "arm",
}
_LABEL_KEY: Final = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{2,64}\Z")
_LABEL_VALUE: Final = re.compile(r"[a-zA-Z0-9._-]{1,256}\Z")
_MAX_LABELS: Final = 32


def runner_info(
    executor: str = "",
    shell: str = "",
    executor_features: Collection[str] = (),
    labels: Mapping[str, str] | None = None,
    gpus: str = "",
) -> dict[str, Any]:
    """Return the ``info`` object of a runner (runner-api.md 2.1-2.3).

    Without arguments it is the one that goes with a legacy registration: no executor, no shell,
    only the network features (1.1).

    :param shell: configured shell or the executor's default; known shells bring their features.
    :param executor_features: names out of :data:`EXECUTOR_FEATURES` that this executor really has.
    :param labels: global labels overlaid by the runner's own; see :func:`invalid_labels`.
    :param gpus: the docker ``gpus`` setting, trimmed here.
    :raises ValueError: for a feature name that does not belong to executors.
    """
    unknown = set(executor_features).difference(EXECUTOR_FEATURES)
    if unknown:
        raise ValueError(f"not an executor feature: {', '.join(sorted(unknown))}")
    true = {*executor_features, *NETWORK_FEATURES, *(SHELL_FEATURES if shell else ())}
    info: dict[str, Any] = {
        "name": NAME,
        "version": COMPATIBLE_VERSION,
        "revision": REVISION,
        "platform": go_platform(),
        "architecture": go_architecture(),
        "executor": executor,
        "shell": shell,
    }
    info = {key: value for key, value in info.items() if value}
    info["features"] = {name: name in true for name in _FEATURES}
    info["config"] = {"gpus": gpus.strip()}
    if labels:
        info["labels"] = dict(labels)
    return info


def invalid_labels(labels: Mapping[str, str]) -> list[str]:
    """Return what the server would refuse about ``labels``, one sentence each (2.1)."""
    findings = []
    if len(labels) > _MAX_LABELS:
        findings.append(f"{len(labels)} labels are more than the {_MAX_LABELS} allowed")
    for key, value in labels.items():
        if not _LABEL_KEY.match(key):
            findings.append(f"label name {key!r} does not match {_LABEL_KEY.pattern[:-2]}")
        if not _LABEL_VALUE.match(value):
            findings.append(f"value of label {key!r} does not match {_LABEL_VALUE.pattern[:-2]}")
    return findings


def go_platform() -> str:
    """Return this system's name as Go spells it: ``linux``, ``darwin``, ``windows``."""
    return "windows" if sys.platform == "win32" else sys.platform


def go_architecture(machine: str | None = None) -> str:
    """Return a machine's architecture as Go spells it, e.g. ``amd64`` for ``x86_64``.

    :param machine: as ``uname -m`` says it; this machine's when absent.
    """
    name = (machine or platform.machine()).lower()
    return _ARCHITECTURES.get(name, name)


def user_agent() -> str:
    """Return the ``User-Agent`` of every call: the shape servers parse, our own name inside (0.2)."""
    major, minor, _ = COMPATIBLE_VERSION.split(".")
    place = f"{go_platform()}/{go_architecture()}"
    return f"{NAME} {COMPATIBLE_VERSION} ({major}-{minor}-stable; pyrunner/{__version__}; {place})"
