"""The image of the helper container: its name, and where it comes from (docker-executor.md 8.1, 8.2)."""

from __future__ import annotations

import lzma
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import zstandard

from pyrunner import COMPATIBLE_VERSION
from pyrunner.errors import EngineError
from pyrunner.executors.base import Report
from pyrunner.executors.docker.engine.background import in_background
from pyrunner.executors.docker.engine.connection import Engine
from pyrunner.executors.docker.images.image import Image, inspect_image
from pyrunner.executors.docker.images.job_images import Images
from pyrunner.executors.docker.job import DockerJob

_REPOSITORY: Final = "registry.gitlab.com/gitlab-org/gitlab-runner/gitlab-runner-helper"
_DEFAULT_FLAVOR: Final = "alpine"
_ARCHITECTURES: Final = {"amd64": "x86_64", "aarch64": "arm64", "armv6l": "arm", "armv7l": "arm"}
#: What images that were exported without their settings are started by.
_ENTRYPOINT: Final = 'ENTRYPOINT ["/usr/bin/dumb-init", "/entrypoint"]'
#: Where gitlab-runner's packages put the images that it needs no registry for.
PACKAGED: Final = (
    Path("/usr/lib/gitlab-runner/helper-images"),
    Path("/usr/local/lib/gitlab-runner/helper-images"),
)
_PIECE: Final = 1 << 20


class HelperImage:
    """Gets the helper image, once a job.

    :param folders: where packaged images are looked for.
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
        self._image: Image | None = None
        #: ``helper_image``, and the line about it; empty where config.toml names none.
        self._chosen = self._choice = ""

    def get(self) -> Image:
        """Return the image; the trace has gitlab-runner's lines the first time.

        :raises PyrunnerError: when it is not to be had.
        """
        if self._image is None:
            self._image = self._find()
        return self._image

    @property
    def _flavor(self) -> str:
        return self._job.variables.expand_value(self._job.config.helper_image_flavor) or _DEFAULT_FLAVOR

    def announce(self, occasion: str) -> None:
        """Say again which image was chosen, as gitlab-runner does whenever it asks for it."""
        self.get()
        if self._chosen:
            self._report.plain(self._choice)
            self._images.use(self._chosen, key=f"helper.{occasion}")

    def _find(self) -> Image:
        default = default_name(self._engine.info, self._flavor)
        chosen = self._job.variables.expand_value(self._job.config.helper_image)
        if chosen:
            self._chosen = chosen
            self._choice = f"Using helper image:  {chosen}  (overridden, default would be  {default} )"
            self._report.plain(self._choice)
            return self._images.use(chosen, key="helper")
        present = self._report.once("helper.present", lambda: self._present(default))
        if present is not None:
            return Image.from_dict(present)
        self._report.plain(f"Using helper image:  {default}")
        return self._images.use(default, key="helper")

    def _present(self, name: str) -> dict[str, Any] | None:
        """Return the image where no registry is needed for it, loaded now if need be."""
        found = self._inspect(name)
        if found is None and self._load(name):
            found = self._inspect(name)
        return found.to_dict() if found is not None else None

    def _inspect(self, name: str) -> Image | None:
        try:
            return in_background(lambda: inspect_image(self._engine, name), self._report)
        except EngineError as error:
            if error.not_found:
                return None
            raise

    def _load(self, name: str) -> bool:
        """Load a packaged image; False when there is none that can be loaded.

        A broken archive is no worse than none: the registry has the image, too (8.2).
        """
        stem = f"prebuilt-{self._flavor}-{_architecture(self._engine.info)}"
        for folder in self._folders:
            for suffix, load in ((".docker.tar.zst", self._load_saved), (".tar.xz", self._load_exported)):
                archive = folder / f"{stem}{suffix}"
                if archive.is_file():
                    try:
                        in_background(lambda load=load, archive=archive: load(archive, name), self._report)  # type: ignore[misc]
                    except (OSError, EOFError, EngineError, lzma.LZMAError, zstandard.ZstdError):
                        continue
                    return True
        return False

    def _load_saved(self, archive: Path, name: str) -> None:
        repository, _, tag = name.rpartition(":")

        def load(api: Any) -> None:
            with archive.open("rb") as file:
                pieces = iter(zstandard.ZstdDecompressor().read_to_iter(file, _PIECE))
                for answer in api.load_image(pieces):
                    text = str(answer.get("stream", "")).strip()
                    if text.startswith("Loaded image"):
                        api.tag(text.rpartition(" ")[2], repository, tag, force=True)

        self._engine.call(load)

    def _load_exported(self, archive: Path, name: str) -> None:
        repository, _, tag = name.rpartition(":")
        with lzma.open(archive) as file:
            self._engine.call(
                lambda api: api.import_image_from_data(
                    _pieces(file), repository=repository, tag=tag, changes=[_ENTRYPOINT]
                )
            )


def default_name(info: Mapping[str, Any], flavor: str) -> str:
    """Return the name of the image that gitlab-runner of our version uses on this engine."""
    prefix = "" if flavor in ("", _DEFAULT_FLAVOR) else f"{flavor}-"
    return f"{_REPOSITORY}:{prefix}{_architecture(info)}-v{COMPATIBLE_VERSION}"


def _architecture(info: Mapping[str, Any]) -> str:
    name = str(info.get("Architecture", ""))
    return _ARCHITECTURES.get(name, name)


def _pieces(file: Any) -> Iterator[bytes]:
    while piece := file.read(_PIECE):
        yield piece
