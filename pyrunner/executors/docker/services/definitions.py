"""Which services a job gets: those of config.toml, then its own (docker-executor.md 5.1, 5.3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from pyrunner.config.docker import DockerService
from pyrunner.errors import PyrunnerError
from pyrunner.executors.docker.job import DockerJob
from pyrunner.protocol.job import Image
from pyrunner.protocol.variables import Variable, VariableSet


class AllowsImages(Protocol):
    """The allow lists (docker-executor.md 3.1)."""

    def allow(self, name: str, kind: str) -> None:
        """Return when ``name`` may be used as one of ``kind`` (``services``).

        :raises PyrunnerError: ``disallowed image``; the trace says why.
        """


@dataclass(frozen=True)
class ServiceDefinition:
    """One service as it is asked for."""

    #: Place among all services of the job, from 0.
    index: int
    #: As the payload or config.toml has it, the name expanded.
    image: Image
    #: Host names that were asked for.
    aliases: tuple[str, ...] = ()
    platform: str = ""
    #: ``KEY=VALUE`` of the service container.
    environment: list[str] = field(default_factory=list)


def service_definitions(job: DockerJob, images: AllowsImages) -> list[ServiceDefinition]:
    """Return all services of a job, in the order in which they are started.

    :raises PyrunnerError: when one is not allowed, or there are too many.
    """
    asked = [_from_config(one, job.variables) for one in job.config.services]
    for service in job.job.services:
        # Names of config.toml are the runner owner's own; only what the pipeline brings is checked.
        images.allow(job.variables.expand_value(service.name), "services")
        asked.append(_from_payload(service))
    limit = job.config.effective_services_limit
    if limit is not None and len(asked) > limit:
        raise PyrunnerError(f"too many services requested: {len(asked)}, only {limit} allowed")
    return [_defined(index, one, job.variables) for index, one in enumerate(asked)]


@dataclass(frozen=True)
class _Asked:
    image: Image
    variables: VariableSet


def _from_config(service: DockerService, variables: VariableSet) -> _Asked:
    own = (entry.partition("=") for entry in service.environment if "=" in entry)
    image = Image(
        name=service.name,
        alias=service.alias,
        command=service.command,
        entrypoint=service.entrypoint,
    )
    return _Asked(image, VariableSet(Variable(key, value, internal=True) for key, _, value in own))


def _from_payload(service: Image) -> _Asked:
    return _Asked(service, VariableSet(Variable.from_payload(one) for one in service.variables))


def _defined(index: int, asked: _Asked, variables: VariableSet) -> ServiceDefinition:
    image = asked.image
    options = image.executor_opts.get("docker")
    platform = options.get("platform") if isinstance(options, dict) else None
    return ServiceDefinition(
        index=index,
        image=replace(image, name=variables.expand_value(image.name)),
        aliases=tuple(variables.expand_value(image.alias).replace(",", " ").split()),
        platform=variables.expand_value(platform) if isinstance(platform, str) else "",
        environment=service_environment(variables, asked.variables),
    )


def service_environment(job: VariableSet, own: Sequence[Variable] | VariableSet) -> list[str]:
    """Return ``KEY=VALUE`` entries: what every service may see of the job, then its own variables.

    Its own may refer to any variable of the job, also a secret one: whoever wrote ``services:variables``
    chose to. What the job has is not expanded again, which could carry a secret into a public variable.
    """
    mine = VariableSet(own)
    combined = VariableSet([*job.public_or_internal(), *mine.expanded_with(VariableSet([*job, *mine]))])
    return [f"{one.key}={combined.get(one.key) if one.file else one.value}" for one in combined]
