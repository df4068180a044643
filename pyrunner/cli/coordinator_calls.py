"""What the commands ask of a coordinator, each for one ``[[runners]]`` entry (runner-api.md 1.1-1.6).

Importing this module brings the HTTP client in: commands that answer from files alone never do.
Each call logs its outcome itself.
"""

from __future__ import annotations

from collections.abc import Mapping

from pyrunner.config.locations import certificate_folder
from pyrunner.config.model import RunnerConfig
from pyrunner.gitlab import runners
from pyrunner.gitlab.credentials import RunnerCredentials
from pyrunner.gitlab.runners import RegisterParameters, RunnerResult
from pyrunner.gitlab.transport import Transport
from pyrunner.manager.link import info_of
from pyrunner.protocol.runner import runner_info

__all__ = ["CoordinatorCalls", "RegisterParameters", "RunnerResult"]


class CoordinatorCalls:
    """Calls about runners from this machine.

    :param system_id: tells this machine's manager of a runner from others.
    :param environ: where proxies and the home folder come from.
    """

    def __init__(self, system_id: str, environ: Mapping[str, str]) -> None:
        self._system_id = system_id
        self._environ = environ

    def register(self, runner: RunnerConfig, parameters: RegisterParameters) -> RunnerResult:
        """Register a new runner; ``runner.token`` is a registration token."""
        return runners.register(self._transport(runner), parameters, runner_info())

    def verify(self, runner: RunnerConfig) -> RunnerResult:
        """Ask whether the runner exists; only "forbidden" means that it does not."""
        return runners.verify(self._transport(runner), self._system_id, info_of(runner))

    def unregister(self, runner: RunnerConfig) -> RunnerResult:
        """Remove the runner; of a ``glrt-`` runner only this machine's manager."""
        transport = self._transport(runner)
        if transport.credentials.is_created_runner:
            return runners.unregister_manager(transport, self._system_id)
        return runners.unregister(transport)

    def reset_token(self, runner: RunnerConfig, pat: str = "") -> RunnerResult:
        """Get the runner a new token, by right of its own or of a personal access token."""
        transport = self._transport(runner)
        if pat:
            return runners.reset_token_with_pat(transport, runner.id, pat)
        return runners.reset_token(transport)

    def _transport(self, runner: RunnerConfig) -> Transport:
        return Transport(
            RunnerCredentials.of(runner),
            certificate_directory=certificate_folder(self._environ),
            environment=self._environ,
        )
