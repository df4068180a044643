"""``config.toml`` as types: global keys and the ``[[runners]]`` entries (config-and-commands.md 1.3, 1.5).

Attribute names are the keys of the file with ``-`` as ``_``. A three-state boolean is None where the
file does not have it; durations are seconds, None where absent. Values are as written; what a job
or a loop acts on is in the ``effective_…`` properties. Fields stand in the order in which
gitlab-runner writes them; ``always`` marks what it writes even at its default (1.17). Objects never
change: a reload makes new ones, and a running job keeps the one it was started with.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, cast

from pyrunner.config import accepted
from pyrunner.config.cache import CacheConfig
from pyrunner.config.docker import DockerConfig
from pyrunner.config.kinds import Duration
from pyrunner.config.tables import (
    Artifact,
    CustomBuildDir,
    CustomExecutor,
    Monitoring,
    Pyrunner,
    SessionServer,
    SSHConfig,
    Tristan,
)
from pyrunner.errors import PayloadError
from pyrunner.protocol.decode import decode
from pyrunner.protocol.tokens import short_token

DEFAULT_CHECK_INTERVAL: Final = 3
DEFAULT_SHUTDOWN_TIMEOUT: Final = 30
DEFAULT_CONNECTION_MAX_AGE: Final = 900.0
DEFAULT_OUTPUT_LIMIT: Final = 4096
DEFAULT_UNHEALTHY_REQUESTS_LIMIT: Final = 3
DEFAULT_UNHEALTHY_INTERVAL: Final = 3600.0
DEFAULT_FINAL_UPDATE_RETRY_LIMIT: Final = 10

#: What the file holds for "no time": Go's zero time.
ZERO_TIME: Final = datetime(1, 1, 1, tzinfo=UTC)


_TIMES: Final = frozenset({"token_obtained_at", "token_expires_at"})


@dataclass(frozen=True)
class RunnerConfig:
    """One ``[[runners]]`` entry (1.5), url and token expanded, global labels merged in."""

    #: Shown in logs and job logs; what ``--name`` of other commands selects.
    name: str = field(default="", metadata={"always": True})
    #: Most jobs at once for this entry; 0: as many as ``concurrent`` allows.
    limit: int = 0
    #: Most KiB of a job's log; less than 1 means 4096.
    output_limit: int = 0
    #: Most job requests at once; less than 1 means 1. 2 to 4 avoid delays where GitLab uses long polling.
    request_concurrency: int = 0
    #: True: do not ask again at once after a job was received.
    strict_check_interval: bool | None = None
    #: So many refused job requests in a row rest the entry; less than 1 means 3.
    unhealthy_requests_limit: int = 0
    #: How long an unhealthy entry rests.
    unhealthy_interval: Duration | None = None
    #: No effect: results are kept and sent until GitLab has them.
    job_status_final_update_retry_limit: int = 0

    # credentials
    #: GitLab's base URL; ``$VAR`` is replaced by variables of the process.
    url: str = field(default="", metadata={"always": True})
    #: The runner's number in GitLab; written by ``register``, needed by ``reset-token --id``.
    id: int = field(default=0, metadata={"always": True})
    #: Authentication token; ``$VAR`` is replaced. An entry whose token is blank is not polled.
    token: str = field(default="", metadata={"always": True})
    #: When GitLab gave the token; for its rotation.
    token_obtained_at: datetime = field(default=ZERO_TIME, metadata={"always": True})
    #: When the token ends; the year 1: never.
    token_expires_at: datetime = field(default=ZERO_TIME, metadata={"always": True})
    #: PEM file with the authorities of GitLab's certificate.
    tls_ca_file: str = field(default="", metadata={"toml": "tls-ca-file"})
    #: PEM file with the certificate that the runner shows to GitLab.
    tls_cert_file: str = field(default="", metadata={"toml": "tls-cert-file"})
    #: PEM file with the key of that certificate.
    tls_key_file: str = field(default="", metadata={"toml": "tls-key-file"})

    # how jobs run
    #: ``shell`` or ``docker``; entries with others are kept, but not polled.
    executor: str = field(default="", metadata={"always": True})
    #: Root of checkouts.
    builds_dir: str = ""
    #: Root of local caches; no effect: they are in the run directory.
    cache_dir: str = ""
    #: Base URL for git only, where GitLab's own cannot be reached from jobs.
    clone_url: str = ""
    #: ``KEY=VALUE`` for every job, weaker than what GitLab sends.
    environment: list[str] = field(default_factory=list)
    #: No effect.
    proxy_exec: bool | None = None
    #: Shell text before git fetches the sources.
    pre_get_sources_script: str = ""
    #: Shell text after git has fetched the sources.
    post_get_sources_script: str = ""
    #: Shell text before a job's ``before_script`` and ``script``.
    pre_build_script: str = ""
    #: Shell text after a job's ``script``.
    post_build_script: str = ""
    #: Limit of the preparation; absent: the job's own timeout.
    prepare_timeout: Duration | None = None
    #: Limit of the git stage; absent: the job's own timeout.
    get_sources_timeout: Duration | None = None
    #: True: ``CI_DEBUG_TRACE`` of a job has no effect.
    debug_trace_disabled: bool = False
    #: Adds the checkout to git's ``safe.directory``; absent: true for docker, false for shell.
    safe_directory_checkout: bool | None = None
    #: Removes ``.git/config`` and hooks before and after a job; absent: true, but false for shell.
    clean_git_config: bool | None = None
    #: ``bash`` or ``sh``; empty: the executor's own.
    shell: str = ""
    #: No effect: each stage has a control group of its own.
    use_slot_cgroups: bool = False
    #: No effect: each stage has a control group of its own.
    slot_cgroup_template: str = ""
    #: No effect: ``run:`` steps are not offered.
    step_runner_image: str = ""

    #: Labels of this entry, sent to GitLab; they win over the global ones, which are merged in.
    labels: dict[str, str] = field(default_factory=dict)
    custom_build_dir: CustomBuildDir = field(default_factory=CustomBuildDir)
    cache: CacheConfig = field(default_factory=CacheConfig)
    artifact: Artifact = field(default_factory=Artifact)
    #: Feature flags that a job cannot change.
    feature_flags: dict[str, bool] = field(default_factory=dict)
    monitoring: Monitoring | None = None
    ssh: SSHConfig | None = None
    docker: DockerConfig | None = None
    custom: CustomExecutor | None = None
    tristan: Tristan = field(default_factory=Tristan)

    # accepted and checked, not acted on: keys as in the file
    referees: dict[str, Any] | None = field(default=None, metadata={"table": accepted.REFEREES})
    experimental: dict[str, Any] | None = field(
        default=None, metadata={"table": accepted.RUNNER_EXPERIMENTAL}
    )
    instance: dict[str, Any] | None = field(default=None, metadata={"table": accepted.INSTANCE})
    parallels: dict[str, Any] | None = field(default=None, metadata={"table": accepted.PARALLELS})
    virtualbox: dict[str, Any] | None = field(default=None, metadata={"table": accepted.VIRTUALBOX})
    machine: dict[str, Any] | None = field(default=None, metadata={"table": accepted.MACHINE})
    kubernetes: dict[str, Any] | None = field(default=None, metadata={"table": accepted.KUBERNETES})
    autoscaler: dict[str, Any] | None = field(default=None, metadata={"table": accepted.AUTOSCALER})

    @property
    def short_token(self) -> str:
        """Return the part of the token that may be shown."""
        return short_token(self.token)

    @property
    def has_token(self) -> bool:
        """Tell whether the runner can be polled at all."""
        return bool(self.token.strip())

    @property
    def unique_id(self) -> str:
        """Return what health is kept by: URL and short token (1.13)."""
        return self.url + self.short_token

    @property
    def effective_output_limit(self) -> int:
        """Return the log size cap in bytes."""
        return (self.output_limit if self.output_limit > 0 else DEFAULT_OUTPUT_LIMIT) * 1024

    @property
    def effective_request_concurrency(self) -> int:
        """Return the most parallel job requests, at least 1."""
        return max(1, self.request_concurrency)

    @property
    def effective_unhealthy_requests_limit(self) -> int:
        """Return how many unhealthy requests rest the runner."""
        limit = self.unhealthy_requests_limit
        return limit if limit >= 1 else DEFAULT_UNHEALTHY_REQUESTS_LIMIT

    @property
    def effective_unhealthy_interval(self) -> float:
        """Return for how many seconds an unhealthy runner rests."""
        return DEFAULT_UNHEALTHY_INTERVAL if self.unhealthy_interval is None else self.unhealthy_interval

    @property
    def effective_job_status_final_update_retry_limit(self) -> int:
        """Return how often the final state is sent before it is given up for this round."""
        limit = self.job_status_final_update_retry_limit
        return limit if limit >= 1 else DEFAULT_FINAL_UPDATE_RETRY_LIMIT

    @property
    def effective_strict_check_interval(self) -> bool:
        """Tell whether a runner that got a job waits for its turn before it asks again."""
        return self.strict_check_interval is True

    def same_credentials(self, other: RunnerConfig) -> bool:
        """Tell whether ``other`` is the same runner on the same server."""
        return self.url == other.url and self.token == other.token

    def to_dict(self) -> dict[str, Any]:
        """Return the entry as JSON values, keyed by attribute name; it holds the token."""
        value = asdict(self)
        value["token_obtained_at"] = self.token_obtained_at.isoformat()
        value["token_expires_at"] = self.token_expires_at.isoformat()
        return value

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> RunnerConfig:
        """Rebuild an entry from :meth:`to_dict`.

        :raises PayloadError: when a value is of a wrong type.
        """
        times: dict[str, datetime] = {}
        for name in _TIMES.intersection(value):
            try:
                times[name] = datetime.fromisoformat(value[name])
            except (TypeError, ValueError):
                raise PayloadError(name, "expected a time") from None
        plain = {name: one for name, one in value.items() if name not in times}
        return replace(decode(cls, plain), **cast("Any", times))


@dataclass(frozen=True)
class UnknownKey:
    """A key or table that neither gitlab-runner nor pyrunner knows; it has no effect."""

    #: Dotted path as ``lint`` prints it, e.g. ``runners.docker.imgae``.
    path: str
    line: int


@dataclass(frozen=True)
class Notice:
    """Something about the file that its owner should know; never fatal (1.14)."""

    #: ``info`` or ``warning``.
    level: str
    text: str
    #: The runner it is about, for the log's fields; None: the whole file.
    runner: RunnerConfig | None = None
    #: Further fields of the log line.
    fields: dict[str, str] = field(default_factory=dict)
    #: Logged by ``run`` at each load, not by other commands.
    run_only: bool = False


@dataclass(frozen=True)
class Config:
    """The whole file; ``Config()`` is what an empty file holds."""

    #: Most jobs at once, over all entries; at least 1.
    concurrent: int = 1
    #: Seconds between two polls of the same entry; 0 means 3.
    check_interval: int = 0
    #: ``panic``, ``fatal``, ``error``, ``warn``, ``info``, ``debug`` or ``trace``; ``--log-level`` wins.
    log_level: str | None = None
    #: ``runner``, ``text`` or ``json``; ``--log-format`` wins.
    log_format: str | None = None
    #: ``host:port`` of the metrics server; a host alone gets port 9252. Empty: off. Read at start only.
    listen_address: str = ""
    #: Seconds that a forceful shutdown waits for jobs to end; 0 means 30.
    shutdown_timeout: int = 0
    #: Connections to GitLab that were idle for so long are closed; 0: they are kept.
    connection_max_age: Duration = DEFAULT_CONNECTION_MAX_AGE
    #: Address for error reports; also taken from ``SENTRY_DSN``. No effect: the log has the errors.
    sentry_dsn: str | None = None
    #: Read and kept; ``--user`` of ``run`` alone decides (1.3).
    user: str = ""
    #: Labels of all entries, sent to GitLab; an entry's own win. At most 32 after merging.
    labels: dict[str, str] = field(default_factory=dict)
    session_server: SessionServer = field(default_factory=SessionServer)
    pyrunner: Pyrunner = field(default_factory=Pyrunner)
    machine: dict[str, Any] | None = field(default=None, metadata={"table": accepted.GLOBAL_MACHINE})
    experimental: dict[str, Any] | None = field(
        default=None, metadata={"table": accepted.GLOBAL_EXPERIMENTAL}
    )
    runners: list[RunnerConfig] = field(default_factory=list)

    # about the file, not in it
    path: Path | None = field(default=None, metadata={"toml": None})
    #: Lines for the caller to log, in order.
    notices: list[Notice] = field(default_factory=list, metadata={"toml": None})
    unknown_keys: list[UnknownKey] = field(default_factory=list, metadata={"toml": None})

    @property
    def effective_check_interval(self) -> float:
        """Return the length of a poll cycle in seconds."""
        return float(self.check_interval if self.check_interval > 0 else DEFAULT_CHECK_INTERVAL)

    @property
    def effective_shutdown_timeout(self) -> float:
        """Return for how many seconds a forceful shutdown waits."""
        return float(self.shutdown_timeout if self.shutdown_timeout > 0 else DEFAULT_SHUTDOWN_TIMEOUT)

    @property
    def warnings(self) -> list[str]:
        """Return the texts of the notices at warning level."""
        return [notice.text for notice in self.notices if notice.level == "warning"]
