"""What it takes to talk to a coordinator for one runner: transport, info object, log fields."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from pyrunner.config.model import RunnerConfig
from pyrunner.gitlab.call import Observer
from pyrunner.gitlab.credentials import RunnerCredentials
from pyrunner.gitlab.transport import Transport
from pyrunner.protocol.runner import SHELL_EXECUTOR_FEATURES, runner_info

#: Executors by name, with what each really does; the coordinator trusts this list (runner-api.md 2.3).
EXECUTOR_FEATURES: Final[dict[str, frozenset[str]]] = {
    "shell": SHELL_EXECUTOR_FEATURES,
    "docker": frozenset(
        (
            "variables",
            "image",
            "services",
            "session",
            "terminal",
            "service_variables",
            "service_multiple_aliases",
            "image_executor_opts",
            "service_executor_opts",
        )
    ),
    "ssh": frozenset(("variables", "shared")),
    "custom": frozenset(("variables", "shared", "service_variables")),
}
_DEFAULT_SHELL: Final = "bash"


def known_executors() -> frozenset[str]:
    """Return the executors that jobs can run on; nothing of them is imported here (design R1)."""
    return frozenset(
        name for name in EXECUTOR_FEATURES if find_spec(f"pyrunner.executors.{name}") is not None
    )


def offers_terminal(link: Link) -> bool:
    """Tell whether jobs of a runner can have an interactive terminal."""
    return bool(link.info["features"]["session"])


def info_of(config: RunnerConfig) -> dict[str, Any]:
    """Return the info object of a ``[[runners]]`` entry."""
    gpus = config.docker.gpus if config.executor == "docker" and config.docker else ""
    return runner_info(
        executor=config.executor,
        shell=config.shell or _DEFAULT_SHELL,
        executor_features=EXECUTOR_FEATURES.get(config.executor, frozenset()),
        labels=config.labels,
        gpus=gpus,
    )


@dataclass(frozen=True, slots=True)
class Link:
    """One runner's way to its coordinator; a job keeps the one it came with."""

    config: RunnerConfig
    transport: Transport
    info: dict[str, Any] = field(repr=False)

    @property
    def log_fields(self) -> dict[str, Any]:
        """The fields of every line about this runner."""
        return {"runner": self.config.short_token, "runner_name": self.config.name}


class Links:
    """Makes links; runners with the same credentials share their connections.

    :param certificate_directory: where certificates of hosts are looked up.
    :param observer_for: returns what is told about the requests of a runner, given its short token.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        certificate_directory: Path | None = None,
        observer_for: Callable[[str], Observer] | None = None,
    ) -> None:
        self._environ = environ
        self._certificates = certificate_directory
        self._observer_for = observer_for
        self._transports: dict[RunnerCredentials, Transport] = {}
        #: Seconds; applies to transports made from now on (config-and-commands.md 1.15).
        self.connection_max_age = 900.0

    def link(self, config: RunnerConfig) -> Link:
        """Return the link of a runner."""
        credentials = RunnerCredentials.of(config)
        transport = self._transports.get(credentials)
        if transport is None:
            transport = Transport(
                credentials,
                certificate_directory=self._certificates,
                connection_max_age=self.connection_max_age,
                environment=self._environ,
                observer=self._observer_for(config.short_token) if self._observer_for else None,
            )
            self._transports[credentials] = transport
        return Link(config, transport, info_of(config))

    def keep(self, configs: list[RunnerConfig]) -> None:
        """Close the idle connections of all others; calls under way finish first."""
        kept = {RunnerCredentials.of(config) for config in configs}
        for credentials in [one for one in self._transports if one not in kept]:
            self._transports.pop(credentials).close()

    def close(self) -> None:
        """Close all idle connections."""
        for transport in self._transports.values():
            transport.close()
