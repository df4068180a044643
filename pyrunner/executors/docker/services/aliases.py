"""Who gets which host name: first come, first served (docker-executor.md 5.2)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pyrunner.errors import BuildError
from pyrunner.executors.docker.services.definitions import ServiceDefinition
from pyrunner.executors.docker.services.names import ServiceName, parse_service_name
from pyrunner.protocol.states import FailureReason
from pyrunner.system.golang import quoted


@dataclass(frozen=True)
class PlannedService:
    """One service with the host names that are left for it."""

    definition: ServiceDefinition
    name: ServiceName
    #: What it answers to besides its container id, in order; empty: it is not started at all.
    aliases: tuple[str, ...]
    #: Host names that it does not get, before and after the one at which it is started.
    taken_before: tuple[str, ...]
    taken_after: tuple[str, ...]

    @property
    def wanted(self) -> tuple[str, ...]:
        """All host names that it was to have; what a network of the job knows it by."""
        return (*self.name.aliases, *self.definition.aliases)

    def warning(self, alias: str) -> str:
        """Return what the trace says of an alias that the service does not get."""
        return (
            f"Skipping alias {quoted(alias)} for service {quoted(self.definition.image.name)} "
            f"(services[{self.definition.index}]): alias is already in use by another service."
        )

    def check(self) -> None:
        """Refuse a service that is to be started and has no readable name.

        :raises BuildError: ``invalid service image name: ...``.
        """
        if self.aliases and not self.name.service:
            raise BuildError(
                f"invalid service image name: {self.definition.image.name}", FailureReason.CONFIGURATION_ERROR
            )


def plan_services(definitions: Iterable[ServiceDefinition]) -> list[PlannedService]:
    """Share out the host names.

    A name is also taken where the service itself has it already: asking for ``postgres`` as the alias of
    ``postgres`` is answered with the warning, as by gitlab-runner.
    """
    taken: set[str] = set()
    planned: list[PlannedService] = []
    for definition in definitions:
        name = parse_service_name(definition.image.name)
        own: list[str] = []
        before: list[str] = []
        after: list[str] = []
        for alias in (*name.aliases, *definition.aliases):
            if alias not in taken:
                taken.add(alias)
                own.append(alias)
            else:
                (after if own else before).append(alias)
        planned.append(PlannedService(definition, name, tuple(own), tuple(before), tuple(after)))
    return planned
