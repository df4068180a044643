"""What is mounted into all containers of a job, decided before anything is made (docker-executor.md 7).

With an engine on this host, the Tristan layout holds (tristan-layout.md 2): the build folder is mounted at
``builds_dir``, the slot's cache folder at ``/cache``, and a destination that config ``volumes`` gives wins,
except that a bare ``/cache`` there means that folder. Everything else, and everything with an engine
elsewhere, is as with gitlab-runner.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from pyrunner.config.dependency_tools import chosen_tools
from pyrunner.config.volume_spec import VolumeSpec, clean, contains, is_root, parse_volume
from pyrunner.executors.docker.container.refusal import configured, refused
from pyrunner.executors.docker.job import DockerJob
from pyrunner.executors.docker.storage.hostdirs import slot_cache
from pyrunner.executors.traits import SHARED_LIBRARIES
from pyrunner.system.golang import quoted

#: Where tools of a job keep what shall survive it.
CACHE: Final = "/cache"
_PROTECTED: Final = "-protected"
_NOT_PROTECTED: Final = "-non_protected"


class Kind(Enum):
    """What a mount's source is."""

    #: As config.toml says, nothing of ours.
    BIND = "bind"
    #: A folder of the Tristan layout.
    FOLDER = "folder"
    #: A folder below ``cache_dir`` of the engine's host.
    CACHE_DIR = "cache_dir"
    #: A docker volume that the project's next job finds again.
    REUSABLE = "reusable"
    #: A docker volume that goes with the job.
    TEMPORARY = "temporary"


@dataclass(frozen=True, slots=True)
class Mount:
    """One mount of all containers of a job."""

    kind: Kind
    spec: VolumeSpec

    @property
    def destination(self) -> str:
        """The path inside containers."""
        return self.spec.destination

    @property
    def bind(self) -> str:
        """The engine's text for it."""
        return self.spec.definition


def is_shared_builds_dir(builds_dir: str, volumes: Iterable[str], expand: Callable[[str], str]) -> bool:
    """Tell whether a bind of config ``volumes`` brings the builds directory with it (1.1 step 5).

    The entries are read up to the first such bind.

    :raises BuildError: when one cannot be read, or the builds directory is relative or the root.
    """
    if not builds_dir.startswith("/"):
        raise refused("build directory needs to be an absolute path")
    if is_root(builds_dir):
        raise refused("build directory needs to be a non-root path")
    for text in volumes:
        spec = configured(lambda one: parse_volume(one, expand), text)
        if spec.is_bind and contains(spec.destination, builds_dir):
            return True
    return False


def is_protected(job: DockerJob) -> bool:
    """Tell whether the job's volumes are apart from those of unprotected refs (7.2)."""
    keys = (one.key for one in job.job.cache)
    return job.protected or any(key.endswith(_PROTECTED) and not key.endswith(_NOT_PROTECTED) for key in keys)


def plan_volumes(job: DockerJob, *, local: bool, relabel: bool = False) -> list[Mount]:
    """Return the mounts of the job's containers, in gitlab-runner's order.

    :param local: the engine sees the files of this host.
    :param relabel: the engine's host has SELinux: our own folders get the label that all containers share.
    :raises BuildError: when config ``volumes`` cannot be carried out.
    """
    plan = _Plan(job, local, relabel)
    for text in job.config.volumes:
        plan.add(text)
    plan.add_defaults()
    return plan.mounts


class _Plan:
    """Collects the mounts of one job."""

    def __init__(self, job: DockerJob, local: bool, relabel: bool) -> None:
        self.job = job
        self.local = local
        self.label = "z" if relabel else ""
        self.suffix = _PROTECTED if is_protected(job) else ""
        self.mounts: list[Mount] = []
        self.taken: set[str] = set()

    def add(self, text: str) -> None:
        """Take up one entry of ``volumes``."""
        spec = configured(
            lambda one: parse_volume(one, self.job.variables.expand_value), text, "parse volume: "
        )
        doing, listing = (
            ("adding host volume", "volume") if spec.is_bind else ("adding cache volume", "volumes")
        )
        destination = clean(spec.destination)
        if destination == "/":
            raise refused(f"{doing}: defining absolute path: build directory needs to be a non-root path")
        if destination in self.taken:
            raise refused(
                f"{doing}: updating managed {listing} list: "
                f"volume for container path {quoted(destination)} is already defined"
            )
        if spec.is_bind:
            self._mount(Kind.BIND, spec)
        elif destination == CACHE and self._own_cache():
            self._folder(str(slot_cache(self.job.record)), spec.destination)
        else:
            self._cache_volume(spec.destination)

    def add_defaults(self) -> None:
        """Take up builds directory and cache, where the file has not spoken of them."""
        builds = self.job.builds_dir
        if clean(builds) not in self.taken and not self._covered(builds):
            if self.local:
                self._folder(self.job.record.source, builds)
            elif self.job.git_strategy == "fetch":
                self._cache_volume(builds)
            else:
                self._volume(Kind.TEMPORARY, builds)
        wanted = self.local and not self.job.config.disable_cache
        if wanted and CACHE not in self.taken and not self._covered(CACHE):
            self._folder(str(slot_cache(self.job.record)), CACHE)
        shared, tristan = self.job.record.dependency_lib_shared, self.job.runner.tristan
        if self.local and shared and chosen_tools(tristan.dependency_lib):
            self._folder(shared, SHARED_LIBRARIES, "" if self.job.protected else "ro")

    def _own_cache(self) -> bool:
        """Tell whether a bare ``/cache`` is the slot's folder: unless the file says where caches are kept."""
        config = self.job.config
        return self.local and not (config.disable_cache or config.cache_dir or config.volume_driver)

    def _covered(self, path: str) -> bool:
        """Tell whether a bind of the file brings ``path`` with it.

        Nothing is mounted into it then: a job can write there, and could put a link in its place (design R8).
        """
        return any(one.kind is Kind.BIND and contains(one.destination, path) for one in self.mounts)

    def _cache_volume(self, destination: str) -> None:
        config = self.job.config
        if config.disable_cache:
            self._volume(Kind.TEMPORARY, destination)
        elif config.cache_dir:
            folder = os.path.join(self.job.record.working_directory, config.cache_dir)
            source = posixpath.join(folder, project_name(self.job), _digest(destination) + self.suffix)
            self._mount(Kind.CACHE_DIR, VolumeSpec(posixpath.normpath(source), destination))
        else:
            self._volume(Kind.REUSABLE, destination)

    def _volume(self, kind: Kind, destination: str) -> None:
        owner = project_name(self.job) if kind is Kind.REUSABLE else temporary_name(self.job)
        name = f"{owner}-cache-{_digest(destination)}{self.suffix}"
        self._mount(kind, VolumeSpec(name, destination))

    def _folder(self, source: str, destination: str, mode: str = "") -> None:
        if ":" in source:
            raise refused(
                f"{source} cannot be mounted into a container: the engine's syntax has no way to write the "
                "colon in it; choose another `root` in [runners.tristan]"
            )
        self._mount(Kind.FOLDER, VolumeSpec(source, destination, mode=mode, label=self.label))

    def _mount(self, kind: Kind, spec: VolumeSpec) -> None:
        self.taken.add(clean(spec.destination))
        self.mounts.append(Mount(kind, spec))


def project_name(job: DockerJob) -> str:
    """Return what the names of a project's reusable volumes begin with (7.2)."""
    record = job.record
    text = (
        f"{job.runner.token}-{record.system_id}-{job.job.job_info.project_id}-{record.concurrent_project_id}"
    )
    return f"runner-{hashlib.sha256(text.encode()).hexdigest()[:32]}"


def temporary_name(job: DockerJob) -> str:
    """Return what the names of the job's temporary volumes begin with; the same after a restart of ours."""
    return f"{job.name}-{hashlib.sha256(job.marker.encode()).hexdigest()[:16]}"


def _digest(destination: str) -> str:
    """Return the hash of a destination, as it is written: gitlab-runner's volumes are found by it."""
    return hashlib.md5(destination.encode(), usedforsecurity=False).hexdigest()
