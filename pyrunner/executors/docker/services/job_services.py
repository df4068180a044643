"""The services of a job: from its definitions to containers that answer (docker-executor.md 5)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pyrunner.executors.base import Report, SideOutput
from pyrunner.executors.docker.container.request import ContainerRequest
from pyrunner.executors.docker.engine.connection import Engine
from pyrunner.executors.docker.job import DockerJob
from pyrunner.executors.docker.labels import Role
from pyrunner.executors.docker.services.aliases import PlannedService, plan_services
from pyrunner.executors.docker.services.check import ContainerProbe, check_request
from pyrunner.executors.docker.services.containers import ServiceContainer, ServiceContainers
from pyrunner.executors.docker.services.definitions import AllowsImages, service_definitions
from pyrunner.executors.docker.services.health import HealthCheck
from pyrunner.executors.docker.services.output import ServiceOutput
from pyrunner.executors.docker.services.probe import HostProbe, Probe, reachable
from pyrunner.executors.docker.services.state import StartedService, service_links
from pyrunner.trace.rawlog import RawLog

#: A container has at least so many seconds to begin to run, also where no health check is wanted (5.3).
_LEAST_START_TIMEOUT = 30


class ServiceImage(Protocol):
    """A service's image as it is on the engine."""

    @property
    def reference(self) -> str:
        """What containers are created from."""

    @property
    def platform(self) -> object:
        """Its text is ``os/architecture[/variant]`` of the image."""


class ServiceImages(AllowsImages, Protocol):
    """Gets images (docker-executor.md 3)."""

    def use(
        self, name: str, platform: str = "", requested: Sequence[str] = (), key: str = ""
    ) -> ServiceImage:
        """Return an image, pulled where the policies say so; lines of the trace included.

        :param key: names this call in the journal.
        :raises PyrunnerError: when there is no such image.
        """


@dataclass(frozen=True)
class ServiceSettings:
    """What the executor has settled before there are services."""

    #: ``HostConfig.NetworkMode`` of all containers of the job; empty: the engine's bridge.
    network: str = ""
    #: As the build container has them.
    binds: Sequence[str] = ()
    mounts: Sequence[Any] = ()
    slot: int | None = None


class Services:
    """Starts services, tells how they are reached, shows what they print.

    :param create: makes the body of ``POST /containers/create`` (``create_arguments``).
    :param check_image: returns the id of an image with ``gitlab-runner-helper``; asked for only where this
        host does not reach a service.
    """

    def __init__(
        self,
        engine: Engine,
        job: DockerJob,
        report: Report,
        raw_log: RawLog,
        images: ServiceImages,
        create: Callable[[ContainerRequest], dict[str, Any]],
        check_image: Callable[[], str],
        settings: ServiceSettings,
    ) -> None:
        self._engine = engine
        self._job = job
        self._report = report
        self._images = images
        self._create = create
        self._check_image = check_image
        self._settings = settings
        self._output = ServiceOutput(job, engine.endpoint, raw_log)
        self._started: list[StartedService] = []

    def start(self) -> None:
        """Start all services and wait until they answer.

        Called again by a restarted supervisor: what is in the journal is not done again.

        :raises BuildError: for a name that cannot be read, or a request that the engine does not understand.
        :raises PyrunnerError: when a service is not allowed, cannot be pulled, or does not start.
        """
        wanted = self._wanted()
        records = self._report.once("services", lambda: self._bring_up(wanted))
        self._started = [StartedService.from_dict(one) for one in records]
        if self._job.debug_services:
            self._output.begin(self._started, self._report)
        HealthCheck(
            self._engine,
            self._report,
            self._probe,
            self._job.config.effective_wait_for_services_timeout,
            meanwhile=self._output.drain,
        ).run(self._started)

    @property
    def links(self) -> list[str]:
        """``<alias>:<ip>`` for the extra hosts of build and helper containers (5.4)."""
        return service_links(self._started)

    @property
    def output(self) -> SideOutput:
        """What services print, for whoever waits for a stage; nothing without ``CI_DEBUG_SERVICES``."""
        return self._output

    def containers(self) -> list[StartedService]:
        """Return the containers that were started, for accounting."""
        return list(self._started)

    def close(self) -> None:
        """Collect the last output; called when the containers have been stopped or removed. Safe twice."""
        self._output.close()

    def _wanted(self) -> list[ServiceContainer]:
        """Get all images and work out all containers."""
        definitions = service_definitions(self._job, self._images)
        wanted = []
        for planned in plan_services(definitions):
            for alias in planned.taken_before:
                self._report.warning(planned.warning(alias))
            # Without any host name a service is not started at all.
            if planned.aliases:
                wanted.append(self._prepare(planned))
        return wanted

    def _bring_up(self, wanted: list[ServiceContainer]) -> list[dict[str, Any]]:
        config = self._job.config
        timeout = max(config.wait_for_services_timeout, _LEAST_START_TIMEOUT)
        containers = ServiceContainers(self._engine, self._report, timeout, config.volume_keep)
        return [one.to_dict() for one in containers.bring_up(wanted)]

    def _prepare(self, planned: PlannedService) -> ServiceContainer:
        """Get the image and work out the container, in the order of gitlab-runner's lines."""
        planned.check()
        definition = planned.definition
        self._report.plain(f"Starting service {planned.name.title}...")
        image = self._images.use(
            planned.name.image,
            definition.platform,
            definition.image.pull_policy,
            key=f"service.{definition.index}",
        )
        body = self._create(self._request(planned, image))
        for alias in planned.taken_after:
            self._report.warning(planned.warning(alias))
        return ServiceContainer(
            index=definition.index,
            name=f"{self._job.name}_svc{definition.index}",
            image=definition.image.name,
            aliases=planned.aliases,
            body=body,
            platform=str(image.platform) if definition.platform else "",
        )

    def _request(self, planned: PlannedService, image: ServiceImage) -> ContainerRequest:
        definition, settings = planned.definition, self._settings
        return ContainerRequest(
            Role.SERVICE,
            image.reference,
            network=settings.network,
            definition=definition.image,
            image_name=planned.name.image,
            command=list(definition.image.command or ()),
            environment=definition.environment,
            binds=settings.binds,
            mounts=settings.mounts,
            aliases=planned.wanted,
            labels={"service": planned.name.service, "service.version": planned.name.version},
            slot=settings.slot,
        )

    def _probe(self, service: StartedService) -> Probe:
        """Return how a service is asked: from here where that is as good as from a container beside it."""
        timeout = float(self._job.config.effective_wait_for_services_timeout)
        addresses = reachable(service) if self._engine.endpoint.local else []
        if addresses:
            return HostProbe(service, addresses, timeout)

        def body() -> dict[str, Any]:
            return self._create(check_request(service, self._check_image(), self._settings.network))

        return ContainerProbe(self._engine, self._report, service, body, timeout)
