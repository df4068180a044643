"""Who calls which coordinator: URL, token and TLS files of a runner."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from pyrunner.protocol.tokens import short_token

#: Tokens of runners created in GitLab; the only prefix that changes behaviour (runner-api.md 1.2).
CREATED_RUNNER_PREFIX: Final = "glrt-"


class RunnerSettings(Protocol):
    """The part of a ``[[runners]]`` entry that says whom to call; ``RunnerConfig`` fits."""

    @property
    def name(self) -> str: ...  # noqa: D102 - named by the configuration keys
    @property
    def url(self) -> str: ...  # noqa: D102
    @property
    def token(self) -> str: ...  # noqa: D102
    @property
    def tls_ca_file(self) -> str: ...  # noqa: D102
    @property
    def tls_cert_file(self) -> str: ...  # noqa: D102
    @property
    def tls_key_file(self) -> str: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class RunnerCredentials:
    """One coordinator and the token to use there.

    :param url: as in config.toml; ``/api/v4/`` is appended by the transport.
    :param name: the runner's name, for log lines only.
    :param tls_ca_file: PEM file added to the system's trust; missing files are ignored.
    """

    url: str
    token: str = field(repr=False)
    name: str = ""
    tls_ca_file: str = ""
    tls_cert_file: str = ""
    tls_key_file: str = ""

    @classmethod
    def of(cls, runner: RunnerSettings) -> RunnerCredentials:
        """Take the credentials out of a ``[[runners]]`` entry."""
        return cls(
            url=runner.url or "",
            token=runner.token or "",
            name=runner.name or "",
            tls_ca_file=runner.tls_ca_file or "",
            tls_cert_file=runner.tls_cert_file or "",
            tls_key_file=runner.tls_key_file or "",
        )

    @property
    def is_created_runner(self) -> bool:
        """True for a ``glrt-`` token: the runner exists on the server on its own."""
        return self.token.startswith(CREATED_RUNNER_PREFIX)

    @property
    def log_fields(self) -> dict[str, Any]:
        """The fields every line about this runner carries (config-and-commands.md 5)."""
        return {"runner": short_token(self.token), "runner_name": self.name}


@dataclass(frozen=True, slots=True)
class JobCredentials:
    """A job (or, for a download, a dependency) and the token that speaks for it."""

    id: int
    token: str = field(repr=False)
