"""The last run of a working copy: what passed, what it left, and which commits it was for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyrunner.cli.exec.folders import ProjectFolder
from pyrunner.coordinator.records import Artifact


@dataclass(frozen=True, slots=True)
class LastRun:
    """Read from its folder."""

    folder: Path
    result: dict[str, Any]

    @classmethod
    def of(cls, project: ProjectFolder) -> LastRun | None:
        """Return the last run that has ended; None before the first."""
        found = project.last_result()
        return cls(*found) if found else None

    def _job(self, name: str) -> dict[str, Any]:
        jobs = self.result.get("jobs")
        found = jobs.get(name) if isinstance(jobs, dict) else None
        return found if isinstance(found, dict) else {}

    def had(self, name: str) -> bool:
        """Tell whether a job was part of it."""
        return bool(self._job(name))

    def passed(self, name: str) -> bool:
        """Tell whether a job passed."""
        return self._job(name).get("status") == "success"

    def artifacts(self, name: str) -> Sequence[Artifact]:
        """Return what a job left, as far as it is still there."""
        found = []
        for one in self._job(name).get("artifacts", []):
            path = self.folder / one["file"]
            if path.is_file():
                found.append(
                    Artifact(one["type"], one["format"], one["filename"], path, one["size"], one["sha256"])
                )
        return found

    def head(self, ref: str) -> str:
        """Return the commit of the last run of a ref; empty when there was none."""
        heads = self.result.get("heads")
        return str(heads.get(ref, "")) if isinstance(heads, dict) else ""

    @property
    def heads(self) -> dict[str, str]:
        """The commit of the last run of each ref."""
        heads = self.result.get("heads")
        return dict(heads) if isinstance(heads, dict) else {}
