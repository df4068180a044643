"""What container engines on this host keep because of our jobs: one small file an image or volume.

``<root>/.engine/<digest>.json`` says what it is; the file's time stamp when a job asked for it last. An image
is in here only when a job's pull brought it: what was there before is somebody else's. Supervisors write,
whoever makes room reads and removes; a lock keeps a removal and a use apart, so that no image goes between
a job's look at it and its container.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Final

from pyrunner.errors import JobDirError, PayloadError
from pyrunner.protocol.decode import decode
from pyrunner.system.files import make_private, read_json, write_json
from pyrunner.system.lock import OpenFileLock

_log: Final = logging.getLogger(__name__)

FOLDER: Final = ".engine"
#: Seconds between two looks whether a removal has ended, and until it is not waited for any more.
_LOOK: Final = 0.05
_PATIENCE: Final = 60.0


class Thing(StrEnum):
    """What an engine keeps."""

    IMAGE = "image"
    VOLUME = "volume"


@dataclass(frozen=True, slots=True)
class EngineRecord:
    """One image or volume."""

    thing: str = ""
    #: The engine's address.
    endpoint: str = ""
    #: As jobs name it.
    name: str = ""
    #: Ids that the image had, the newest last; empty for volumes.
    ids: list[str] = field(default_factory=list)
    #: Folder of the business whose job brought it first.
    business: str = ""


class EngineRecords:
    """The records of one executor root and engine.

    :param pause: sleeps, and raises when the job is stopped.
    """

    def __init__(self, root: Path, endpoint: str, pause: Callable[[float], None] = time.sleep) -> None:
        self._root = root
        self._folder = root / FOLDER
        self._endpoint = endpoint
        self._pause = pause

    def using(self, thing: Thing, name: str) -> None:
        """A job is about to look for something: from now on it is not removed while the job runs."""
        path = self._path(thing, name)
        if not path.exists():
            return
        with self._locked():
            self._touch(path)

    def made(
        self, thing: Thing, name: str, business: str, item_id: str = "", *, was_there: bool = False
    ) -> None:
        """A job has brought something to the engine, or has it anew.

        :param was_there: there was something of that name before; unless that was ours, it is not ours now.
        """
        path = self._path(thing, name)
        if not self._root.is_dir():  # a job is never without: then this is none
            return
        with self._locked():
            known = self._read(path)
            if known is None and was_there:
                return
            record = known or EngineRecord(thing, self._endpoint, name, [], business)
            if item_id and item_id not in record.ids:
                record = replace(record, ids=[*record.ids, item_id])
            try:
                make_private(self._folder)
                write_json(path, asdict(record), durable=False)
            except (OSError, JobDirError) as error:
                # It then stays on the engine for ever, which is no reason for a job to fail.
                _log.warning("%s cannot be written: %s", path, error)

    def find(self, thing: Thing) -> list[tuple[EngineRecord, float]]:
        """Return what is recorded, with the time of its last use in seconds since the epoch."""
        found = []
        for path in self._folder.glob("*.json"):
            record = self._read(path)
            if record is not None and (record.thing, record.endpoint) == (thing, self._endpoint):
                try:
                    found.append((record, path.stat().st_mtime))
                except FileNotFoundError:
                    continue
        return found

    def used_at(self, thing: Thing, name: str) -> float | None:
        """Return when something was asked for last; None when it is not recorded."""
        try:
            return self._path(thing, name).stat().st_mtime
        except FileNotFoundError:
            return None

    @contextmanager
    def removing(self) -> Iterator[bool]:
        """Keep jobs from asking for anything; False when that cannot be: then nothing may be removed."""
        lock = self._take()
        try:
            yield lock is not None
        finally:
            if lock is not None:
                lock.close()

    def forget(self, record: EngineRecord) -> None:
        """Drop a record; within :meth:`removing`."""
        self._path(record.thing, record.name).unlink(missing_ok=True)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        ends = time.monotonic() + _PATIENCE
        lock = self._take()
        while lock is None and time.monotonic() < ends:
            self._pause(_LOOK)
            lock = self._take()
        try:
            yield
        finally:
            if lock is not None:
                lock.close()

    def _take(self) -> OpenFileLock | None:
        try:
            make_private(self._folder)
            return OpenFileLock.take(self._folder / "lock")
        except (OSError, JobDirError) as error:
            _log.warning("%s cannot be locked: %s", self._folder, error)
            return None

    @staticmethod
    def _touch(path: Path) -> None:
        try:
            path.touch()
        except OSError as error:
            _log.warning("%s: its last use cannot be noted: %s", path, error)

    @staticmethod
    def _read(path: Path) -> EngineRecord | None:
        try:
            return decode(EngineRecord, read_json(path))
        except (OSError, JobDirError, PayloadError):
            return None

    def _path(self, thing: str, name: str) -> Path:
        text = json.dumps([thing, self._endpoint, name])
        digest = hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:40]
        return self._folder / f"{digest}.json"
