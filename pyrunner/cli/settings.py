"""The flags of ``register`` and ``run-single`` that stand for keys of a ``[[runners]]`` entry.

One row a key; flag and variable follow the rule of config-and-commands.md 2.3 (``--`` and the key
with ``-`` for ``_``; ``RUNNER_`` and the key in capitals) unless the row says otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from pyrunner.cli.flags import Flag, IgnoredFamily, Kind
from pyrunner.cli.settings_docker import docker_flags
from pyrunner.cli.settings_tables import cache_flags, custom_flags, ssh_flags
from pyrunner.cli.values import Values

NAME: Final = Flag(("name", "description"), env="RUNNER_NAME", help="Runner name", path=("name",))
URL: Final = Flag(("url", "u"), env="CI_SERVER_URL", help="GitLab instance URL", path=("url",))
TOKEN: Final = Flag(("token", "t"), env="CI_SERVER_TOKEN", help="Runner token", path=("token",))
TLS: Final = (
    Flag(
        ("tls-ca-file",),
        env="CI_SERVER_TLS_CA_FILE",
        path=("tls_ca_file",),
        help="File containing the certificates to verify the peer when using HTTPS",
    ),
    Flag(
        ("tls-cert-file",),
        env="CI_SERVER_TLS_CERT_FILE",
        path=("tls_cert_file",),
        help="File containing certificate for TLS client auth when using HTTPS",
    ),
    Flag(
        ("tls-key-file",),
        env="CI_SERVER_TLS_KEY_FILE",
        path=("tls_key_file",),
        help="File containing private key for TLS client auth when using HTTPS",
    ),
)

#: Keys that follow the rule.
_BY_RULE: Final[tuple[tuple[str, Kind, str], ...]] = (
    ("limit", Kind.INTEGER, "Maximum number of builds processed by this runner"),
    ("output_limit", Kind.INTEGER, "Maximum build trace size in kilobytes"),
    ("request_concurrency", Kind.INTEGER, "Maximum concurrency for job requests"),
    ("strict_check_interval", Kind.OPTIONAL_BOOLEAN, "Wait a full check_interval even after a job"),
    ("unhealthy_requests_limit", Kind.INTEGER, "Unhealthy job requests before the runner is rested"),
    ("executor", Kind.STRING, "Select executor, eg. shell, docker, etc."),
    ("builds_dir", Kind.STRING, "Directory where builds are stored"),
    ("cache_dir", Kind.STRING, "Directory where build cache is stored"),
    ("proxy_exec", Kind.OPTIONAL_BOOLEAN, "Proxy execution via helper binary (accepted, not used)"),
    ("pre_get_sources_script", Kind.STRING, "Commands to run before cloning the repository"),
    ("post_get_sources_script", Kind.STRING, "Commands to run after cloning the repository"),
    ("pre_build_script", Kind.STRING, "Commands to run just before the build"),
    ("post_build_script", Kind.STRING, "Commands to run just after the build"),
    ("prepare_timeout", Kind.DURATION, "Limit of executor preparation, eg. 15m"),
    ("get_sources_timeout", Kind.DURATION, "Limit of getting the sources, eg. 10m"),
    ("debug_trace_disabled", Kind.BOOLEAN, "Refuse CI_DEBUG_TRACE"),
    ("safe_directory_checkout", Kind.OPTIONAL_BOOLEAN, "Make git trust the job's directory"),
    ("clean_git_config", Kind.OPTIONAL_BOOLEAN, "Remove git configuration and hooks around a job"),
    ("shell", Kind.STRING, "Select bash, sh, pwsh, powershell or cmd"),
    ("use_slot_cgroups", Kind.BOOLEAN, "Place jobs in the cgroup of their slot (accepted, not used)"),
    ("slot_cgroup_template", Kind.STRING, "Name of the slot's cgroup (accepted, not used)"),
)

#: Keys that do not.
_BY_EXCEPTION: Final = (
    Flag(
        ("clone-url",), env="CLONE_URL", path=("clone_url",), help="Base URL for git, instead of the default"
    ),
    Flag(
        ("env",),
        Kind.LIST,
        env="RUNNER_ENV",
        path=("environment",),
        help="KEY=VALUE variable for every job",
    ),
    Flag(("unhealthy-interval",), Kind.DURATION, path=("unhealthy_interval",), help="How long it is rested"),
    Flag(
        ("job-status-final-update-retry-limit",),
        Kind.INTEGER,
        env="RUNNER_job_status_final_update_retry_limit",
        path=("job_status_final_update_retry_limit",),
        help="Retries for the final state of a job",
    ),
    Flag(
        ("feature-flags",),
        Kind.BOOLEAN_MAP,
        env="FEATURE_FLAGS",
        path=("feature_flags",),
        help="Fix a feature flag, as FF_NAME:true",
    ),
    Flag(
        ("custom_build_dir-enabled",),
        Kind.OPTIONAL_BOOLEAN,
        env="CUSTOM_BUILD_DIR_ENABLED",
        path=("custom_build_dir", "enabled"),
        help="Permit GIT_CLONE_PATH",
    ),
    Flag(
        ("step-runner-image",),
        env="STEP_RUNNER_IMAGE",
        path=("step_runner_image",),
        help="Image of the step runner (accepted, not used)",
    ),
)

_MACHINE_BOOLEANS: Final = ("-disable-snapshots",)
_KUBERNETES_BOOLEANS: Final = (
    "privileged",
    "allow-privilege-escalation",
    "automount-service-account-token",
    "helper-image-autoset-arch-and-os",
    "namespace-per-job",
    "print-pod-warning-events",
    "read-only-root-filesystem",
    "run-as-non-root",
    "use-service-account-image-pull-secrets",
)

#: Executors that pyrunner does not have: their flags are taken and dropped, with a warning.
IGNORED_FAMILIES: Final = (
    IgnoredFamily("kubernetes-", _KUBERNETES_BOOLEANS),
    IgnoredFamily("machine-"),
    IgnoredFamily("parallels-", _MACHINE_BOOLEANS),
    IgnoredFamily("virtualbox-", _MACHINE_BOOLEANS),
    IgnoredFamily("runner-monitoring"),
    IgnoredFamily("referees-"),
)


def settings_flags() -> tuple[Flag, ...]:
    """Return the flags of every key that has one (2.3)."""
    return (
        NAME,
        URL,
        TOKEN,
        *TLS,
        *_runner(),
        *cache_flags(),
        *docker_flags(),
        *ssh_flags(),
        *custom_flags(),
    )


def _runner() -> Iterator[Flag]:
    for key, kind, text in _BY_RULE:
        yield Flag((key.replace("_", "-"),), kind, env=f"RUNNER_{key.upper()}", help=text, path=(key,))
    yield from _BY_EXCEPTION


def settings_entry(flags: tuple[Flag, ...], values: Values) -> dict[str, Any]:
    """Return what ``values`` say about a ``[[runners]]`` entry, as nested attributes that hold something."""
    entry: dict[str, Any] = {}
    for flag in flags:
        value = values[flag.name]
        plain = flag.kind in (Kind.BOOLEAN, Kind.INTEGER)  # absent is false, or 0
        if not flag.path or value in (None, "", [], {}) or (plain and not value):
            continue
        table = entry
        for part in flag.path[:-1]:
            table = table.setdefault(part, {})
        table[flag.path[-1]] = value
    return entry
