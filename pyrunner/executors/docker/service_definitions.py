"""Which services a job gets: those of config.toml, then its own (docker-executor.md 5.1, 5.3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
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
    """One service as it is asked for; its name and aliases are expanded."""

    #: Place among all services of the job, from 0.
    index: int
    name: str
    #: Host names that were asked for.
    aliases: tuple[str, ...] = ()
    command: list[str] = field(default_factory=list)
    entrypoint: list[str] = field(default_factory=list)
    #: As the payload has it; empty: as the image has it.
    user: str = ""
    platform: str = ""
    pull_policy: list[str] = field(default_factory=list)
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
    options = options if isinstance(options, dict) else {}
    return ServiceDefinition(
        index=index,
        name=variables.expand_value(image.name),
        aliases=tuple(variables.expand_value(image.alias).replace(",", " ").split()),
        command=list(image.command or []),
        entrypoint=list(image.entrypoint or []),
        user=variables.expand_value(_text(options.get("user"))),
        platform=variables.expand_value(_text(options.get("platform"))),
        pull_policy=list(image.pull_policy),
        environment=service_environment(variables, asked.variables),
    )


def _text(value: object) -> str:
    """Return an option as text: a user may also come as a number."""
    if isinstance(value, bool) or value is None:
        return ""
    return str(value) if isinstance(value, str | int) else ""


def service_environment(job: VariableSet, own: Sequence[Variable] | VariableSet) -> list[str]:
    """Return ``KEY=VALUE`` entries: what every service may see of the job, then its own variables.

    Its own may refer to any variable of the job, also a secret one: whoever wrote ``services:variables``
    chose to. What the job has is not expanded again, which could carry a secret into a public variable.
    """
    mine = VariableSet(own)
    combined = VariableSet([*job.public_or_internal(), *mine.expanded_with(VariableSet([*job, *mine]))])
    return [f"{one.key}={combined.get(one.key) if one.file else one.value}" for one in combined]
