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

    #: ``host:port`` of the server for interactive terminals.
    listen_address: str = ""
    #: ``host:port`` that GitLab is told; empty: ``listen_address``.
    advertise_address: str = ""
    #: Seconds that an open terminal keeps an ended job; less than 1 means 1800.
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
    #: PEM file of the server's certificate with its chain; empty: plain HTTP.
    certificate_file: str = ""
    #: PEM file of that certificate's key.
    certificate_key_file: str = ""


@dataclass(frozen=True)
class Pyrunner:
    """``[pyrunner]``: what the manager has beyond gitlab-runner, which ignores this table."""

    metrics: MetricsAccess = field(default_factory=MetricsAccess)


@dataclass(frozen=True)
class CustomBuildDir:
    """``[runners.custom_build_dir]``: may a job choose ``GIT_CLONE_PATH``."""

    #: Absent: true for docker, kubernetes and docker-based executors, else false.
    enabled: bool | None = None


@dataclass(frozen=True)
class Artifact:
    """``[runners.artifact]``: limits of an artifact upload, in seconds."""

    #: Limit of a whole upload.
    upload_timeout: Duration | None = None
    #: Limit of the wait for GitLab's answer to it.
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

    #: When it counts: patterns of seven fields, second to year.
    periods: list[str] = field(default_factory=list)
    #: Of the periods; empty: the machine's.
    timezone: str = ""
    #: A job that waited longer counts; 0 and less: off.
    threshold: Duration = 0.0
    #: Regular expression on the number of the project's running jobs; empty: any.
    jobs_running_for_project: str = ""


@dataclass(frozen=True)
class Monitoring:
    """``[runners.monitoring]``."""

    job_queuing_durations: list[JobQueuingDuration] = field(default_factory=list)


@dataclass(frozen=True)
class SSHConfig:
    """``[runners.ssh]``; note that ``port`` is text (1.9)."""

    #: The other host.
    host: str = ""
    #: Text, not a number.
    port: str = ""
    #: User to log in as.
    user: str = ""
    #: Password of that user.
    password: str = ""
    #: File with a private key.
    identity_file: str = ""
    #: True: the host's key is not checked.
    disable_strict_host_key_checking: bool | None = None
    #: File with the keys of known hosts.
    known_hosts_file: str = ""


@dataclass(frozen=True)
class CustomExecutor:
    """``[runners.custom]``; timeouts are integer seconds (1.10)."""

    #: Program that prints settings for a job.
    config_exec: str = ""
    #: Its arguments.
    config_args: list[str] = field(default_factory=list)
    #: Seconds for it.
    config_exec_timeout: int | None = None
    #: Program that makes the environment.
    prepare_exec: str = ""
    #: Its arguments.
    prepare_args: list[str] = field(default_factory=list)
    #: Seconds for it.
    prepare_exec_timeout: int | None = None
    #: Program that runs each script.
    run_exec: str = field(default="", metadata={"always": True})
    #: Its arguments.
    run_args: list[str] = field(default_factory=list)
    #: Program that removes the environment.
    cleanup_exec: str = ""
    #: Its arguments.
    cleanup_args: list[str] = field(default_factory=list)
    #: Seconds for it.
    cleanup_exec_timeout: int | None = None
    #: Seconds between asking a program to end and killing it.
    graceful_kill_timeout: int | None = None
    #: Seconds to wait for a killed program.
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

    #: Where jobs live; empty: ``builds_dir`` for shell, else ``/data/tristan`` (root) or
    #: ``$XDG_DATA_HOME/pyrunner``.
    root: str = ""
    #: Folder of this entry below the root; empty: chosen once and remembered.
    business_id: StringOrInteger = ""
    #: What SIGTERM does to running jobs: ``detach``, ``wait`` or ``abort``.
    on_stop: str = "detach"
    #: One checkout a ``branch``, or one a ``slot``.
    source_path: str = "branch"
    #: So many refs' checkouts are kept per project and slot, the last used ones.
    keep_branches: int = 5
    #: A checkout that was not used for so many days is removed.
    keep_days: int = 14
    #: Where the docker executor's workspace stages run: ``auto``, ``sandbox`` or ``container``.
    workspace: str = "auto"
    #: The section ``Resource usage`` at the end of each job log.
    usage_report: bool = True
    #: How long a job that is stopped may clean up between SIGTERM and SIGKILL.
    kill_grace: Duration | None = None
    #: True, or a list of project types and tools: build tools keep downloads in a folder of the project.
    dependency_lib: bool | list[str] = False
    #: With ``dependency_lib``: also what all projects of this entry share.
    dependency_lib_shared: bool = False
    #: What the entry may take by what it could do without; beyond, the oldest goes. Absent: no budget.
    disk_budget: Size | None = None
    #: With less free space no job is taken, and what was used longest ago goes. Absent: no limit.
    min_free: Size | None = None

    @property
    def effective_kill_grace(self) -> float:
        """Return the seconds between SIGTERM and SIGKILL; default: 5 minutes.

        gitlab-runner gives the processes of a script 10 minutes between the two signals, but does not wait
        longer than 5 for a stage that was told to end, and then finishes the job with them still running
        (job-execution.md 1.4, 5.7). Here nothing outlives its job, so those 5 minutes are what is left.
        """
        return 300.0 if self.kill_grace is None else max(0.0, self.kill_grace)
