"""Images and volumes that an engine on this host keeps for jobs of a business, and their removal.

Only what :mod:`pyrunner.jobdir.engine_records` has as brought by a pull of ours, or what has our label, and
of that nothing that a container uses (the engine itself refuses) or that was asked for since the oldest
running job began.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from pyrunner.errors import EngineError
from pyrunner.executors.docker.engine.connection import Engine
from pyrunner.executors.docker.job import business_label
from pyrunner.executors.docker.labels import BUSINESS_LABEL, JOB_LABEL
from pyrunner.jobdir.engine_records import EngineRecord, EngineRecords, Thing

_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StoredThing:
    """One image or volume that could be done without."""

    thing: Thing
    name: str
    #: What the engine removes: a reference, the id of an image that a newer one took the name of, a volume.
    target: str
    #: Bytes that its removal makes free, as far as the engine knows.
    size: int
    #: Seconds since the epoch.
    used_at: float
    #: A job or container may need it.
    held: bool
    record: EngineRecord | None = None


class Stored:
    """What one engine keeps for one business.

    :param business: its folder.
    :param needed_since: when the oldest job that has not ended came, over all businesses of the root.
    """

    def __init__(
        self,
        engine: Engine,
        records: EngineRecords,
        business: str,
        needed_since: Callable[[], float | None],
    ) -> None:
        self._engine = engine
        self._records = records
        self._business = business
        self._needed_since = needed_since

    def find(self) -> list[StoredThing]:
        """Return what could be done without; takes as long as the engine measures its volumes.

        :raises EngineError: when it does not answer.
        """
        usage = self._engine.call(lambda api: api.df())
        return [*self._images(usage.get("Images") or []), *self._volumes(usage.get("Volumes") or [])]

    def is_on(self, device: int) -> bool:
        """Tell whether the engine's folder is on the file system with this device number."""
        try:
            return os.stat(str(self._engine.info.get("DockerRootDir") or "")).st_dev == device
        except (OSError, EngineError):
            return False

    def remove(self, one: StoredThing) -> str:
        """Remove something; return why it is kept, empty when it is gone."""
        with self._records.removing() as alone:
            if not alone:
                return "a job is asking for something"
            used = self._records.used_at(one.thing, one.name)
            if used is not None and used > one.used_at:
                return "a job has asked for it meanwhile"
            try:
                self._remove(one)
            except EngineError as error:
                return "a container uses it" if error.status == 409 else str(error)
            if one.record is not None and one.target == one.name:
                self._records.forget(one.record)
        return ""

    def _remove(self, one: StoredThing) -> None:
        try:
            if one.thing is Thing.VOLUME:
                self._engine.call(lambda api: api.remove_volume(one.target))
                return
            found = self._engine.call(lambda api: api.inspect_image(one.target))  # type: ignore[no-untyped-call]
            if one.record is None or found["Id"] not in one.record.ids:
                raise EngineError("the name is somebody else's image now")
            self._engine.call(lambda api: api.remove_image(one.target))
        except EngineError as error:
            if not error.not_found:
                raise

    def _held(self, used_at: float) -> bool:
        since = self._needed_since()
        return since is not None and used_at >= since

    def _images(self, usage: list[dict[str, Any]]) -> Iterator[StoredThing]:
        sizes = {one["Id"]: _own_size(one) for one in usage}
        tagged = {one["Id"] for one in usage if _tags(one)}
        for record, used_at in self._records.find(Thing.IMAGE):
            if record.business != self._business:
                continue
            current = self._id_of(record.name)
            held = self._held(used_at)
            if current in record.ids:
                yield StoredThing(
                    Thing.IMAGE, record.name, record.name, sizes.get(current, 0), used_at, held, record
                )
            for old in record.ids:
                if old != current and old in sizes and old not in tagged:
                    yield StoredThing(Thing.IMAGE, record.name, old, sizes[old], used_at, held, record)

    def _id_of(self, name: str) -> str:
        try:
            return str(self._engine.call(lambda api: api.inspect_image(name))["Id"])  # type: ignore[no-untyped-call]
        except EngineError as error:
            if not error.not_found:
                _log.warning("%s", error)
            return ""

    def _volumes(self, usage: list[dict[str, Any]]) -> Iterator[StoredThing]:
        label = business_label(self._business)
        for one in usage:
            labels = one.get("Labels") or {}
            # One with the job's label goes with the job.
            if labels.get(BUSINESS_LABEL) != label or JOB_LABEL in labels:
                continue
            name, data = str(one["Name"]), one.get("UsageData") or {}
            used_at = self._records.used_at(Thing.VOLUME, name) or _moment(one.get("CreatedAt"))
            held = bool(data.get("RefCount", 0)) or self._held(used_at)
            record = next((two for two, _ in self._records.find(Thing.VOLUME) if two.name == name), None)
            yield StoredThing(Thing.VOLUME, name, name, max(0, data.get("Size", 0)), used_at, held, record)


def _own_size(image: Mapping[str, Any]) -> int:
    """Return the bytes that no other image has, where the engine tells."""
    size, shared = int(image.get("Size") or 0), int(image.get("SharedSize") or 0)
    return max(0, size - shared) if shared > 0 else size


def _tags(image: Mapping[str, Any]) -> list[str]:
    return [one for one in image.get("RepoTags") or [] if one != "<none>:<none>"]


def _moment(text: object) -> float:
    try:
        return datetime.fromisoformat(str(text)).timestamp()
    except ValueError:
        return 0.0
