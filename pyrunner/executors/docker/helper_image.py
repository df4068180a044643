"""The helper image, for workspace stages that run in a container (docker-executor.md 8.1, 8.2)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from pyrunner import COMPATIBLE_VERSION
from pyrunner.errors import EngineError
from pyrunner.executors.base import Report
from pyrunner.executors.docker.background import in_background
from pyrunner.executors.docker.engine import Engine
from pyrunner.executors.docker.helper_archives import HelperArchives
from pyrunner.executors.docker.image import Image, inspect_image
from pyrunner.executors.docker.images import Images
from pyrunner.executors.docker.job import DockerJob

_REPOSITORY: Final = "registry.gitlab.com/gitlab-org/gitlab-runner/gitlab-runner-helper"
_DEFAULT_FLAVOR: Final = "alpine"
_ARCHITECTURES: Final = {"amd64": "x86_64", "armv6l": "arm", "armv7l": "arm", "aarch64": "arm64"}
_POWERSHELL: Final = "pwsh"
#: Where gitlab-runner's packages put the archives.
PACKAGED: Final = (Path("/usr/lib/gitlab-runner/helper-images"),)


class HelperImage:
    """Finds the helper image of one job.

    :param folders: where packaged archives may be.
    """

    def __init__(
        self,
        engine: Engine,
        job: DockerJob,
        report: Report,
        images: Images,
        folders: Sequence[Path] = PACKAGED,
    ) -> None:
        self._engine = engine
        self._job = job
        self._report = report
        self._images = images
        self._folders = folders

    def use(self, key: str = "") -> Image:
        """Return the image: configured, here already, from a packaged archive, or pulled; in this order.

        :param key: see :meth:`Images.use`.
        :raises BuildError: when it cannot be pulled.
        :raises EngineError: when the engine does not answer.
        """
        flavor = self._job.variables.expand_value(self._job.config.helper_image_flavor) or _DEFAULT_FLAVOR
        architecture = self._engine.info.get("Architecture", "")
        name, archive = helper_image_name(architecture, flavor, self._job.runner.shell)
        configured = self._job.variables.expand_value(self._job.config.helper_image)
        if configured:
            self._report.plain(f"Using helper image:  {configured}  (overridden, default would be  {name} )")
            return self._images.use(configured, key=key)
        found: dict[str, Any] = self._report.once(
            f"helper-image.{key}", lambda: self._without_registry(name, archive)
        )
        if found["image"]:
            return Image.from_dict(found["image"])
        self._report.plain(f"Using helper image:  {name}")
        return self._images.use(name, key=key)

    def _without_registry(self, name: str, archive: str) -> dict[str, Any]:
        image = self._inspect(name)
        if image is None:
            archives = HelperArchives(self._engine, self._folders)
            if in_background(lambda: archives.load(archive, name), self._report, archives.stop):
                image = self._inspect(name)
        return {"image": None if image is None else image.to_dict()}

    def _inspect(self, name: str) -> Image | None:
        try:
            return in_background(lambda: inspect_image(self._engine, name), self._report)
        except EngineError as error:
            if error.not_found:
                return None
            raise


def helper_image_name(architecture: str, flavor: str, shell: str = "") -> tuple[str, str]:
    """Return name and tag of the default helper image, and how its packaged archive is called.

    :param architecture: as the engine's info has it.
    """
    architecture = _ARCHITECTURES.get(architecture, architecture)
    suffix = f"-{_POWERSHELL}" if shell == _POWERSHELL else ""
    prefix = "" if flavor == _DEFAULT_FLAVOR else f"{flavor}-"
    tag = f"{prefix}{architecture}-{_version()}{suffix}"
    return f"{_REPOSITORY}:{tag}", f"prebuilt-{flavor}-{architecture}{suffix}"


def _version() -> str:
    match = re.match(r"\d+\.\d+\.\d+", COMPATIBLE_VERSION)
    return f"v{match[0]}" if match else "latest"
