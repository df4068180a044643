"""The small tables of config.toml that have their own type (config-and-commands.md 1.4, 1.5, 1.9, 1.10)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from pyrunner.config.kinds import Duration, Size, StringOrInteger

DEFAULT_SESSION_TIMEOUT: Final = 1800
DEFAULT_ARTIFACT_UPLOAD_TIMEOUT: Final = 3600.0
DEFAULT_ARTIFACT_RESPONSE_HEADER_TIMEOUT: Final = 600.0
DEFAULT_CUSTOM_EXEC_TIMEOUT: Final = 3600
DEFAULT_GRACEFUL_KILL_TIMEOUT: Final = 600
DEFAULT_FORCE_KILL_TIMEOUT: Final = 10


@dataclass(frozen=True)
class SessionServer:
    """``[session_server]``: interactive terminals (1.4)."""

    listen_address: str = ""
    advertise_address: str = ""
    #: Seconds, as written.
    session_timeout: int = DEFAULT_SESSION_TIMEOUT

    @property
    def effective_session_timeout(self) -> int:
        """Return seconds; 0 and less mean the default."""
        return self.session_timeout if self.session_timeout > 0 else DEFAULT_SESSION_TIMEOUT


@dataclass(frozen=True)
class MetricsAccess:
    """``[pyrunner.metrics]``: who may read the metrics, and how; ``listen_address`` says where."""

    #: File with the token that readers must send (``Authorization: Bearer``); empty: everybody may read.
    token_file: str = ""
    #: PEM files of the server's certificate with its chain, and of its key; empty: plain HTTP.
    certificate_file: str = ""
    certificate_key_file: str = ""


@dataclass(frozen=True)
class Pyrunner:
    """``[pyrunner]``: what the manager has beyond gitlab-runner, which ignores this table."""

    metrics: MetricsAccess = field(default_factory=MetricsAccess)


@dataclass(frozen=True)
class CustomBuildDir:
    """``[runners.custom_build_dir]``: may a job choose ``GIT_CLONE_PATH``."""

    #: None: true for docker, kubernetes and docker-based executors, else false.
    enabled: bool | None = None


@dataclass(frozen=True)
class Artifact:
    """``[runners.artifact]``: limits of an artifact upload, in seconds."""

    upload_timeout: Duration | None = None
    response_header_timeout: Duration | None = None

    @property
    def effective_upload_timeout(self) -> float:
        """Return seconds for the whole upload."""
        return DEFAULT_ARTIFACT_UPLOAD_TIMEOUT if self.upload_timeout is None else self.upload_timeout

    @property
    def effective_response_header_timeout(self) -> float:
        """Return seconds to wait for the answer once the body is sent."""
        if self.response_header_timeout is None:
            return DEFAULT_ARTIFACT_RESPONSE_HEADER_TIMEOUT
        return self.response_header_timeout


@dataclass(frozen=True)
class JobQueuingDuration:
    """One ``[[runners.monitoring.job_queuing_durations]]`` entry."""

    periods: list[str] = field(default_factory=list)
    timezone: str = ""
    #: Seconds; 0 and less: off.
    threshold: Duration = 0.0
    jobs_running_for_project: str = ""


@dataclass(frozen=True)
class Monitoring:
    """``[runners.monitoring]``."""

    job_queuing_durations: list[JobQueuingDuration] = field(default_factory=list)


@dataclass(frozen=True)
class SSHConfig:
    """``[runners.ssh]``; note that ``port`` is text (1.9)."""

    host: str = ""
    port: str = ""
    user: str = ""
    password: str = ""
    identity_file: str = ""
    disable_strict_host_key_checking: bool | None = None
    known_hosts_file: str = ""


@dataclass(frozen=True)
class CustomExecutor:
    """``[runners.custom]``; timeouts are integer seconds (1.10)."""

    config_exec: str = ""
    config_args: list[str] = field(default_factory=list)
    config_exec_timeout: int | None = None
    prepare_exec: str = ""
    prepare_args: list[str] = field(default_factory=list)
    prepare_exec_timeout: int | None = None
    run_exec: str = field(default="", metadata={"always": True})
    run_args: list[str] = field(default_factory=list)
    cleanup_exec: str = ""
    cleanup_args: list[str] = field(default_factory=list)
    cleanup_exec_timeout: int | None = None
    graceful_kill_timeout: int | None = None
    force_kill_timeout: int | None = None

    @property
    def effective_graceful_kill_timeout(self) -> int:
        """Return seconds between asking a process to end and killing it."""
        return _positive(self.graceful_kill_timeout, DEFAULT_GRACEFUL_KILL_TIMEOUT)

    @property
    def effective_force_kill_timeout(self) -> int:
        """Return seconds to wait for a killed process."""
        return _positive(self.force_kill_timeout, DEFAULT_FORCE_KILL_TIMEOUT)

    @property
    def effective_config_exec_timeout(self) -> int:
        """Return seconds for ``config_exec``."""
        return _positive(self.config_exec_timeout, DEFAULT_CUSTOM_EXEC_TIMEOUT)

    @property
    def effective_prepare_exec_timeout(self) -> int:
        """Return seconds for ``prepare_exec``."""
        return _positive(self.prepare_exec_timeout, DEFAULT_CUSTOM_EXEC_TIMEOUT)

    @property
    def effective_cleanup_exec_timeout(self) -> int:
        """Return seconds for ``cleanup_exec``."""
        return _positive(self.cleanup_exec_timeout, DEFAULT_CUSTOM_EXEC_TIMEOUT)


def _positive(value: int | None, default: int) -> int:
    return value if value is not None and value > 0 else default


@dataclass(frozen=True)
class Tristan:
    """``[runners.tristan]``: what pyrunner has beyond gitlab-runner (tristan-layout.md 7)."""

    #: Executor root directory; empty: by tristan-layout.md 2.
    root: str = ""
    #: Folder of this runner; empty: chosen by pyrunner.
    business_id: StringOrInteger = ""
    #: What SIGTERM does to running jobs: ``detach``, ``wait`` or ``abort``.
    on_stop: str = "detach"
    #: One tree a ``branch``, or one a ``slot``.
    source_path: str = "branch"
    keep_branches: int = 5
    keep_days: int = 14
    #: Where the docker executor's workspace stages run: ``auto``, ``sandbox`` or ``container``.
    workspace: str = "auto"
    usage_report: bool = True
    #: How long a cancelled job may clean up between SIGTERM and SIGKILL.
    kill_grace: Duration | None = None
    #: True, or the tools that are pointed at the project's dependency folder.
    dependency_lib: bool | list[str] = False
    dependency_lib_shared: bool = False
    #: Bytes; None: no budget.
    disk_budget: Size | None = None
    #: Bytes; None: no lower limit.
    min_free: Size | None = None

    @property
    def effective_kill_grace(self) -> float:
        """Return the seconds between SIGTERM and SIGKILL; default: 5 minutes.

        gitlab-runner gives the processes of a script 10 minutes between the two signals, but does not wait
        longer than 5 for a stage that was told to end, and then finishes the job with them still running
        (job-execution.md 1.4, 5.7). Here nothing outlives its job, so those 5 minutes are what is left.
        """
        return 300.0 if self.kill_grace is None else max(0.0, self.kill_grace)
