"""Images and volumes that a container engine keeps for our jobs, as the clean-up sees them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from pyrunner.manager.reclaimable import Reclaimable


class EngineThings(Protocol):
    """What an engine on this host keeps for jobs of one business; see the docker executor's ``stored``."""

    def find(self) -> Sequence[Reclaimable]:
        """Return what could be done without, sizes included; nothing where the engine does not answer."""

    def is_on(self, device: int) -> bool:
        """Tell whether the engine keeps its things on the file system with this device number."""

    def remove(self, one: Reclaimable) -> str:
        """Remove something; return why it is kept, empty when it is gone."""
