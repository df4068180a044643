"""A business with things in it that could be done without, for tests of what removes them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pyrunner.jobdir.control import ControlDir
from pyrunner.jobdir.index import add_pending, mark_done
from pyrunner.jobdir.journal import JobResult, JobStateRecord, Journal
from pyrunner.jobdir.layout import Business
from pyrunner.jobdir.record import JobRecord
from pyrunner.manager.clean_up import CleanUp, CleanUpResult
from pyrunner.manager.engine_things import EngineThings
from pyrunner.manager.retention import DAY, RetentionRules

NOW = 1_700_000_000.0
#: Bytes of what :class:`Place` makes.
SIZE = 100_000


def apparent_size(folder: Path) -> int:
    """Return the bytes of all files in a tree, without a process."""
    if not folder.is_dir() or folder.is_symlink():
        return folder.lstat().st_size
    return sum(one.lstat().st_size for one in folder.rglob("*") if not one.is_dir() or one.is_symlink())


class Place:
    """A business with slot 1 and a project in it."""

    def __init__(self, folder: Path, free: int = 10**12) -> None:
        self.business = Business(folder, "1")
        self.project = self.add_project("group/app", 7)
        self.caches = self.business.cache / "projects" / "git.example.com" / "7"
        self.free = free
        self.measured: list[Path] = []

    def add_project(self, path: str, number: int, slot: int = 1) -> Path:
        project = self.business.slot(slot) / "git.example.com" / path
        project.mkdir(parents=True)
        (project / ".project").write_text(f'{{"host": "git.example.com", "project_id": {number}}}')
        return project

    def branch(self, name: str, days_ago: float, kind: str = "branches", project: Path | None = None) -> Path:
        ref = (project or self.project) / kind / name
        self.fill(ref / "source" / "app")
        (ref / "build").mkdir()
        self.age(days_ago, ref / "source", ref / "build", ref)
        return ref

    def cache(self, key: str, days_ago: float, kind: str = "unprotected", file: str = "cache.zip") -> Path:
        folder = self.caches / kind / key
        self.fill(folder, file)
        self.age(days_ago, folder / file, folder)
        self.age(days_ago, self.caches / kind, self.caches)
        return folder

    def libraries(self, days_ago: float, protected: bool = False) -> Path:
        base = self.project / "cache" / "protected" if protected else self.project / "cache"
        self.fill(base / "dependency_lib" / "java")
        self.age(days_ago, base)
        return base / "dependency_lib"

    def job(
        self,
        ref: Path,
        job_id: int,
        *,
        finished: bool = False,
        acknowledged: bool = False,
        received_at: float = NOW,
        **record: Any,
    ) -> ControlDir:
        """Put a job into the index as the manager does."""
        control = ControlDir(ref / "build" / str(job_id))
        control.create()
        self.fill(control.path, "trace.log")
        JobRecord(cache=str(self.caches / "unprotected"), received_at=received_at, **record).store(
            control.job
        )
        if finished:
            state = JobStateRecord(phase="finished", result=JobResult("success"))
            Journal(control.state, state).store()
        add_pending(self.business, job_id, control)
        if acknowledged:
            mark_done(self.business, job_id)
        return control

    @staticmethod
    def fill(folder: Path, name: str = "file") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x" * SIZE)

    @staticmethod
    def age(days_ago: float, *paths: Path) -> None:
        moment = NOW - days_ago * DAY
        for path in paths:
            os.utime(path, (moment, moment), follow_symlinks=False)

    def measure(self, folder: Path) -> int:
        self.measured.append(folder)
        return apparent_size(folder)

    def clean_up(
        self, *, dry_run: bool = False, engine: EngineThings | None = None, **rules: int | None
    ) -> CleanUpResult:
        """Do a round."""
        clean_up = CleanUp(
            self.business,
            engine,
            dry_run=dry_run,
            measure=self.measure,
            free=lambda _: self.free,
            now=lambda: NOW,
        )
        return clean_up.run(RetentionRules(**{"keep_days": 1000, "keep_branches": 1000, **rules}))  # type: ignore[arg-type]

    def names(self, result: CleanUpResult) -> list[str]:
        """Return what went, the folder of the project left out."""
        prefix = str(self.project.relative_to(self.business.path)) + "/"
        return [one.name.removeprefix(prefix) for one in result.removed]


def all_exist(paths: Iterable[Path]) -> list[bool]:
    """Tell of each path whether it is there."""
    return [path.exists() for path in paths]
