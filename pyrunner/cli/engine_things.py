"""Images and volumes of a business's container engine, as the clean-up takes them.

The engine's library is imported when there is an engine on this host to ask.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pyrunner.config.docker import DockerConfig
from pyrunner.errors import EngineError
from pyrunner.jobdir.engine_records import EngineRecords
from pyrunner.jobdir.layout import Business
from pyrunner.manager.clean_up_order import CleanUpOrder
from pyrunner.manager.engine_things import EngineThings
from pyrunner.manager.in_use import InUse
from pyrunner.manager.reclaimable import Kind, Reclaimable
from pyrunner.manager.run_folders import subfolders
from pyrunner.protocol.decode import decode

if TYPE_CHECKING:
    from pyrunner.executors.docker.storage.stored import Stored, StoredThing

_log: Final = logging.getLogger(__name__)


@contextmanager
def engine_things(order: CleanUpOrder, environ: Mapping[str, str]) -> Iterator[EngineThings | None]:
    """Yield what the engine of a business keeps; None where there is no engine on this host, or no rule.

    An engine elsewhere fills another disk.
    """
    if order.docker is None or not (order.rules.disk_budget or order.rules.min_free):
        yield None
        return
    from pyrunner.executors.docker.engine.connection import Endpoint, Engine
    from pyrunner.executors.docker.storage.stored import Stored

    endpoint = Endpoint.of(decode(DockerConfig, order.docker), environ)
    if not endpoint.local:
        yield None
        return
    root = Path(order.root)
    engine = Engine(endpoint)
    try:
        records = EngineRecords(root, endpoint.host)
        yield _Adapted(Stored(engine, records, str(order.business.path), lambda: _oldest_job(root)))
    finally:
        engine.close()


class _Adapted:
    """See :class:`pyrunner.manager.engine_things.EngineThings`."""

    def __init__(self, stored: Stored) -> None:
        self._stored = stored
        self._found: dict[Reclaimable, StoredThing] = {}

    def find(self) -> Sequence[Reclaimable]:
        try:
            found = self._stored.find()
        except EngineError as error:
            _log.warning("images and volumes are left out: %s", str(error))
            return []
        for one in found:
            name = one.name if one.target == one.name else f"{one.name} ({one.target})"
            self._found[
                Reclaimable(Kind(one.thing.value), name, one.used_at, Path(), size=one.size, held=one.held)
            ] = one
        return list(self._found)

    def is_on(self, device: int) -> bool:
        return self._stored.is_on(device)

    def remove(self, one: Reclaimable) -> str:
        return self._stored.remove(self._found[one])


def _oldest_job(root: Path) -> float | None:
    """Return when the oldest job that has not ended came, over all businesses of a root."""
    times = [InUse.of(Business(root, folder.name)).since for folder in subfolders(root)]
    return min((one for one in times if one is not None), default=None)
