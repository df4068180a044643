"""What a job's containers need before the first stage, in gitlab-runner's order (docker-executor.md 1.1)."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import secrets
from collections.abc import Callable
from functools import cached_property
from typing import Any, Final

from pyrunner.errors import EngineError, PyrunnerError
from pyrunner.executors.base import Report, SideOutput, StageStopped
from pyrunner.executors.docker.container.arguments import create_arguments, environment
from pyrunner.executors.docker.container.command_line import stage_command
from pyrunner.executors.docker.container.hostconfig import check_early
from pyrunner.executors.docker.container.request import ContainerRequest
from pyrunner.executors.docker.engine.background import in_background
from pyrunner.executors.docker.engine.connection import Engine
from pyrunner.executors.docker.images.helper_image import HelperImage
from pyrunner.executors.docker.images.image import Image
from pyrunner.executors.docker.images.job_images import Images
from pyrunner.executors.docker.images.owner import find_owner
from pyrunner.executors.docker.job import DockerJob, platform_option
from pyrunner.executors.docker.labels import Role
from pyrunner.executors.docker.networks import JobNetwork, make_network
from pyrunner.executors.docker.removal import remove_job
from pyrunner.executors.docker.services.job_services import Services, ServiceSettings
from pyrunner.executors.docker.stages.box import MOUNT, Box
from pyrunner.executors.docker.storage.volumes import Volumes
from pyrunner.executors.docker.workspaces.workspace import Workspace
from pyrunner.system.cgroup_path import CgroupPath
from pyrunner.trace.rawlog import RawLog

logger: Final = logging.getLogger(__name__)

_NO_UMASK: Final = "Not using umask - FF_DISABLE_UMASK_FOR_DOCKER_EXECUTOR is set!"
_KEPT_VOLUMES: Final = (
    "volume_keep is enabled: Docker volumes will not be removed after job completion "
    "and may accumulate on disk"
)
#: Where engines put containers' control groups by themselves.
_GROUPS: Final = "/docker"


class JobSetUp:
    """Images, network, mounts and services of one job, and the requests that its containers are made by.

    :param build_box: the box of the build container; None where nothing of this host can be mounted.
    :param helper_container: workspace stages run in a helper container: its image is needed in any case.
    """

    def __init__(
        self,
        job: DockerJob,
        engine: Engine,
        report: Report,
        raw_log: RawLog,
        images: Images,
        build_box: Box | None,
        helper_container: bool,
    ) -> None:
        self.job = job
        self._engine = engine
        self._report = report
        self._raw_log = raw_log
        self._images = images
        self._helper = HelperImage(engine, job, report, images)
        self._build_box = build_box
        self._helper_container = helper_container
        self._name = ""
        self._image: Image | None = None
        self._network = JobNetwork("", own=False)
        self._binds: list[str] = []
        self.services: Services | None = None
        # The same after a restart: the container's command is fixed when it is created.
        self._barrier = b"\0" + hashlib.sha256(job.marker.encode()).hexdigest()[:16].encode()

    # ---- before the first stage

    def prepare(self) -> None:
        """Make all of it; safe to repeat by a restarted supervisor.

        :raises BuildError: for what config.toml or payload cannot mean.
        :raises PyrunnerError: for all that may be tried again.
        """
        report, job, engine = self._report, self.job, self._engine
        config = job.config
        check_early(job)
        in_background(lambda: engine.info, report)
        self._name = self._images.job_image()
        report.plain(f"Using Docker executor with image {self._name} ...")
        if config.volume_keep:
            report.warning(_KEPT_VOLUMES)
        self._network = in_background(lambda: make_network(engine, job), report)
        if self._helper_container:
            self._helper.get()
        self._binds = in_background(Volumes(engine, job, self._open_volume).make, report)
        self.services = Services(
            engine,
            job,
            report,
            self._raw_log,
            self._images,
            self._create_service,
            lambda: self._helper.get().id,
            ServiceSettings(network=self._network.mode, binds=self._binds),
        )
        self.services.start()
        if self._helper_container:
            self._helper.announce("prepare")
        self._image = self._use_image("prepare")
        if job.flag("FF_DISABLE_UMASK_FOR_DOCKER_EXECUTOR"):
            report.plain(_NO_UMASK)

    def _use_image(self, occasion: str) -> Image:
        options = self.job.job.image
        if not self.job.variables.expand_value(options.name):
            self._report.info("Using default image")
        platform = self.job.variables.expand_value(platform_option(options))
        return self._images.use(self._name, platform, options.pull_policy, key=occasion)

    # ---- the build container

    @property
    def image(self) -> Image:
        """The job's image."""
        if self._image is None:
            raise RuntimeError("nothing is prepared")
        return self._image

    def announce_image(self, number: int, again: int = 0) -> None:
        """Say which image a stage runs in, and what config.toml does not let it be.

        :param again: counts the further containers that the stage needs.
        :raises PyrunnerError: when no build container can be made for this job.
        """
        self._use_image(f"stage.{number}" + (f".{again}" if again else ""))
        self._build_arguments(self._report.warning)

    def build_body(self) -> tuple[dict[str, Any], str]:
        """Return the request that creates the build container, and its platform."""
        body = self._build_arguments(lambda _: None)
        if self.build_group is not None:
            body["HostConfig"]["CgroupParent"] = self.build_group.path
        return body, str(self.image.platform) if platform_option(self.job.job.image) else ""

    def _build_arguments(self, warn: Callable[[str], None]) -> dict[str, Any]:
        boxed = self._build_box is not None
        binds = [*self._binds, *([f"{self._build_box.folder}:{MOUNT}:ro"] if self._build_box else [])]
        request = ContainerRequest(
            Role.BUILD,
            self.image.reference,
            network=self._network.mode,
            definition=self.job.job.image,
            image_name=self._name,
            command=stage_command(boxed, self.barrier),
            environment=environment(self.job.variables),
            binds=binds,
            aliases=("build", self.job.name),
            links=self._links,
            stdin=not boxed or self.has_entrypoint,
        )
        return self._create(request, warn)

    @property
    def has_entrypoint(self) -> bool:
        """The image, or the job, puts a program before our command: it may print, or read the script."""
        own = self.job.job.image.entrypoint
        if own and not self.job.config.disable_entrypoint_overwrite:
            return any(own)
        return any(self.image.entrypoint)

    @property
    def barrier(self) -> bytes:
        """What the command prints when an entrypoint hands over to it; empty where there is none."""
        return self._barrier if self._build_box is not None and self.has_entrypoint else b""

    @property
    def side_output(self) -> SideOutput | None:
        """What services print, where the job wants to see it."""
        return self.services.output if self.services is not None and self.job.debug_services else None

    @property
    def memory_limit(self) -> int:
        """Bytes that the build container may use; 0: no limit of its own."""
        return int(self.build_body()[0]["HostConfig"].get("Memory", 0))

    # ---- the helper container

    def helper_body(
        self, command: list[str], box: Box | None, binds: list[str]
    ) -> tuple[dict[str, Any], str]:
        """Return the request that creates the helper container, and its platform.

        :param binds: what only our own stages see.
        """
        image = self._helper.get()
        mounts = [*self._binds, *binds, *([f"{box.folder}:{MOUNT}:ro"] if box is not None else [])]
        request = ContainerRequest(
            Role.HELPER,
            image.reference,
            network=self._network.mode,
            image_name=image.id,
            command=command,
            environment=environment(self.job.variables),
            binds=mounts,
            aliases=("build", f"{self.job.name}_helper"),
            links=self._links,
        )
        return self._create(request), ""

    def announce_helper(self) -> None:
        """Say which image the helper container is made from, as gitlab-runner does: by its id."""
        self._helper.announce("container")
        self._images.use(self._helper.get().id, key="helper.container")

    def hand_over(self, workspace: Workspace, container: Callable[[], str]) -> None:
        """Give the sources to the user of the image, where files are not open to all (8.4).

        :param container: returns the id of the build container, created but not yet running.
        """
        if not self.job.flag("FF_DISABLE_UMASK_FOR_DOCKER_EXECUTOR") or self.image.user in ("", "root"):
            return

        def change() -> str:
            owner = find_owner(self._engine, container(), self._report)
            if owner.split(":")[0] != "0":
                for folder in (self.job.project_dir, self.job.temporary_dir):
                    self._report.plain(f'Changing ownership of files at "{folder}" to {owner}')
                try:
                    workspace.chown(owner, [self.job.project_dir, self.job.temporary_dir])
                except PyrunnerError as error:
                    logger.error("Failed to change ownership of files: %s", error)
            return owner

        self._report.once("owner", change)

    # ---- all containers

    @cached_property
    def build_group(self) -> CgroupPath | None:
        """The control group above the build container's; None where we cannot choose one."""
        return self._group("", self.job.config.cgroup_parent)

    @cached_property
    def service_group(self) -> CgroupPath | None:
        """The control group above those of the services; None where we cannot choose one."""
        return self._group("-services", self.job.config.service_cgroup_parent)

    def _group(self, suffix: str, configured: str) -> CgroupPath | None:
        engine = self._engine
        if not engine.endpoint.local or engine.info.get("CgroupDriver") != "cgroupfs" or configured:
            return None
        digest = hashlib.sha256(self.job.marker.encode()).hexdigest()[:24]
        return CgroupPath(f"{_GROUPS}/pyrunner-{digest}{suffix}")

    def _create_service(self, request: ContainerRequest) -> dict[str, Any]:
        body = self._create(request)
        if request.role is Role.SERVICE and self.service_group is not None:
            body["HostConfig"]["CgroupParent"] = self.service_group.path
        return body

    @property
    def _links(self) -> list[str]:
        return self.services.links if self.services is not None else []

    def _create(self, request: ContainerRequest, warn: Callable[[str], None] | None = None) -> dict[str, Any]:
        return create_arguments(
            self.job, request, at_least=self._engine.at_least, warn=warn or self._report.warning
        )

    def _open_volume(self, name: str) -> None:
        """Let every user write to a new volume, by a container that has it mounted."""
        image = self._helper.get()
        mount = "/gitlab-runner-cache-init"
        body = self._create(
            ContainerRequest(
                Role.PERMISSION,
                image.reference,
                command=["gitlab-runner-helper", "cache-init", mount],
                binds=[f"{name}:{mount}"],
            )
        )
        engine, title = self._engine, f"{name}-set-permission-{secrets.token_hex(8)}"
        made = engine.call(lambda api: api.create_container_from_config(body, title))  # type: ignore[no-untyped-call]
        try:
            engine.call(lambda api: api.start(made["Id"]))
            code = engine.call(lambda api: api.wait(made["Id"]))["StatusCode"]
        finally:
            engine.call(lambda api: api.remove_container(made["Id"], force=True, v=True))
        if code:
            raise PyrunnerError(f"permission container for {name}: exit code {code}")

    # ---- after the last stage

    def remove(self) -> None:
        """Remove all that was made for this job, and tell what stays."""
        keep, problems = self.job.config.volume_keep, list[str]()
        if self.services is not None and self.services.containers():
            for line in self._report.once("disconnected", self._connections):
                self._report.info(line)

        def work() -> None:
            problems.extend(remove_job(self._engine, self.job.marker, keep_volumes=keep))

        with contextlib.suppress(StageStopped):  # told only when the work is done
            in_background(work, self._report)
        for problem in problems:
            self._report.error(problem)
        if self.services is not None:
            self.services.close()

    def _connections(self) -> list[str]:
        """Return what gitlab-runner says of services that are taken off their networks while they run."""
        lines = []
        for service in self.services.containers() if self.services is not None else []:
            with contextlib.suppress(EngineError):
                found = self._engine.call(lambda api, one=service.id: api.inspect_container(one))  # type: ignore[misc]
                if found["State"]["Running"]:
                    name = found["Name"].lstrip("/")
                    networks = found["NetworkSettings"]["Networks"]
                    lines += [f"Container {name} disconnected from network {one}" for one in networks]
        return lines
