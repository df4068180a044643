"""Makes what the containers of a job mount, and tells the engine's text for it (docker-executor.md 7)."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from pyrunner.errors import JobDirError, PyrunnerError
from pyrunner.executors.docker.engine.connection import Engine
from pyrunner.executors.docker.job import DockerJob
from pyrunner.executors.docker.labels import JOB_LABEL, volume_labels
from pyrunner.executors.docker.storage.hostdirs import make_host_folders, make_open_folder
from pyrunner.executors.docker.storage.volume_plan import Kind, Mount, is_protected, plan_volumes
from pyrunner.jobdir.engine_records import EngineRecords, Thing

#: Opens the root of a volume by a container of the helper image, given the volume's name.
OpenVolume = Callable[[str], None]

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_OPEN: Final = 0o777


class Volumes:
    """The mounts of one job.

    All calls may take as long as the engine does. Making is safe to repeat: a restarted supervisor finds the
    volumes of the former one by their names.

    :param open_volume: for volumes that cannot be opened from here.
    """

    def __init__(self, engine: Engine, job: DockerJob, open_volume: OpenVolume) -> None:
        self._engine = engine
        self._job = job
        self._open_volume = open_volume

    def plan(self) -> list[Mount]:
        """Return the mounts.

        :raises BuildError: when config ``volumes`` cannot be carried out.
        """
        local = self._engine.endpoint.local
        return plan_volumes(self._job, local=local, relabel=local and has_selinux(self._engine.info))

    def make(self) -> list[str]:
        """Make what is missing; return the binds of every container of the job.

        :raises BuildError: when config ``volumes`` cannot be carried out.
        :raises EngineError: when the engine makes no volume.
        :raises JobDirError: when a folder of this host cannot be made, or not be kept from others.
        """
        mounts = self.plan()
        if any(one.kind is Kind.FOLDER for one in mounts):
            make_host_folders(self._job.record)
        for mount in mounts:
            if mount.kind is Kind.CACHE_DIR:
                self._make_cache_dir(Path(mount.spec.source))
            elif mount.kind in (Kind.REUSABLE, Kind.TEMPORARY):
                self._make_volume(mount)
        return [one.bind for one in mounts]

    def _make_cache_dir(self, folder: Path) -> None:
        """Make a folder below ``cache_dir``; an engine elsewhere makes its own, as it always did."""
        if not self._engine.endpoint.local:
            return
        root = folder.parent.parent
        try:
            root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise JobDirError(f"cannot make {root}: {error.strerror}; see cache_dir") from error
        # The way may be a link that the host's owner has laid; what is below is ours.
        make_open_folder(root.resolve() / folder.relative_to(root), root.resolve())

    def _make_volume(self, mount: Mount) -> None:
        job, config, name = self._job, self._job.config, mount.spec.source
        reusable = mount.kind is Kind.REUSABLE
        labels = volume_labels(job, mount.destination, is_protected(job), reusable)
        records = self._records() if reusable else None
        if records is not None:
            records.using(Thing.VOLUME, name)
        volume: dict[str, Any] = self._engine.call(
            lambda api: api.create_volume(
                name,
                driver=config.volume_driver or None,
                driver_opts=dict(config.volume_driver_ops),
                labels=labels,
            ),
            "adding cache volume: creating docker volume: ",
        )
        if records is not None:
            records.made(Thing.VOLUME, name, job.record.business)
        if not reusable and (volume.get("Labels") or {}).get(JOB_LABEL) != job.marker:
            raise PyrunnerError(
                f"adding cache volume: the volume {name} is there already and is not this job's: remove it"
            )
        if not open_from_here(volume, self._engine):
            self._open_volume(name)

    def _records(self) -> EngineRecords | None:
        """Return where it is noted what jobs use; what is on another machine is no affair of this disk."""
        business = self._job.record.business
        if not (business and self._engine.endpoint.local):
            return None
        return EngineRecords(Path(business).parent, self._engine.endpoint.host)


def open_from_here(volume: Mapping[str, Any], engine: Engine) -> bool:
    """Let every user write to a volume's root without a container; tell whether that was possible.

    It is where the engine keeps the volume as a plain folder on this host and we are root. No job can put
    anything in that folder's place: only what is in it is mounted.
    """
    root = engine.info.get("DockerRootDir") or ""
    path = Path(volume.get("Mountpoint") or "/")
    plain = volume.get("Driver") == "local" and not volume.get("Options")
    expected = Path(root) / "volumes" / str(volume.get("Name")) / "_data"
    if not (engine.endpoint.local and os.geteuid() == 0 and plain and root and path == expected):
        return False
    with contextlib.suppress(OSError):
        # Not there: the engine's files are not ours to see, though its socket is.
        folder = os.open(path, _FOLDER)
        try:
            os.fchmod(folder, _OPEN)
        finally:
            os.close(folder)
        return True
    return False


def has_selinux(info: Mapping[str, Any]) -> bool:
    """Tell whether the engine's containers are confined by SELinux: their mounts need a label."""
    options = info.get("SecurityOptions") or []
    return any(str(one).split(",")[0] in ("selinux", "name=selinux") for one in options)
