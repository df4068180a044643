"""What stays of a run: logs, archives and reports of its jobs, in folders that people find."""

from __future__ import annotations

import gzip
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from pyrunner.cli.exec.joblog import JobLog, plain
from pyrunner.coordinator.pipelines.views import JobView
from pyrunner.coordinator.records import Artifact, JobRecord
from pyrunner.errors import ArchiveError
from pyrunner.jobdir.names import safe_name
from pyrunner.system.files import make_private

#: Bytes of a report that is unpacked.
_LARGEST_REPORT: Final = 64 << 20


def keep_logs(run: Path, jobs: Iterable[JobView], records: dict[int, JobRecord]) -> dict[int, Path]:
    """Write each job's log as plain text and return where, by job id."""
    folder = run / "logs"
    make_private(folder)
    kept: dict[int, Path] = {}
    for job in jobs:
        record = records.get(job.id)
        if record is None or not record.trace.size:
            continue
        log = JobLog()
        lines = [*log.feed(record.trace.read()), *log.close()]
        suffix = f".{job.attempt}" if job.attempt > 1 else ""
        path = _free(folder / f"{safe_name(job.name)}{suffix}.log")
        path.write_text("".join(plain(one.text) + "\n" for one in lines), encoding="utf-8")
        kept[job.id] = path
    return kept


def keep_artifacts(
    run: Path, jobs: Iterable[JobView], records: dict[int, JobRecord], targets: Iterable[Path]
) -> tuple[dict[str, list[dict[str, Any]]], list[str]]:
    """Keep what the jobs uploaded, and unpack it below each of ``targets``, a folder a job.

    :returns: what to remember of each job's files, by name; and what could not be unpacked.
    """
    archives = run / "archives"
    make_private(archives)
    remembered: dict[str, list[dict[str, Any]]] = {}
    complaints: list[str] = []
    for job in jobs:
        record = records.get(job.id)
        if record is None or job.retried:
            continue
        for artifact in record.artifacts.values():
            kept = archives / f"{job.id}.{artifact.artifact_type}"
            _link(artifact.path, kept)
            remembered.setdefault(job.name, []).append(
                {
                    "type": artifact.artifact_type,
                    "format": artifact.artifact_format,
                    "filename": artifact.filename,
                    "file": str(kept.relative_to(run)),
                    "size": artifact.size,
                    "sha256": artifact.sha256,
                }
            )
            for target in targets:
                try:
                    _unpack(artifact, kept, target / safe_name(job.name))
                except (ArchiveError, OSError) as error:
                    complaints.append(f"{job.name}: {artifact.filename}: {error}")
    return remembered, complaints


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _unpack(artifact: Artifact, file: Path, folder: Path) -> None:
    """Unpack one file; what a job has made is hostile, so nothing is written outside the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    if folder.is_symlink():  # in a working copy from somewhere, a folder of that name may lead anywhere
        raise ArchiveError(f"{folder} is a link")
    if artifact.artifact_type == "archive":
        from pyrunner.helper.archives import extract_archive

        extract_archive(str(file), str(folder))
        return
    name = artifact.filename.removesuffix(".gz").replace("/", "-")
    target = _free(folder / (name if name.strip(".") else "report"))
    if artifact.artifact_format != "gzip":
        shutil.copyfile(file, target)
        return
    with gzip.open(file) as packed, target.open("wb") as out:
        left = _LARGEST_REPORT
        while left > 0 and (piece := packed.read(min(left, 1 << 20))):
            out.write(piece)
            left -= len(piece)


def _free(path: Path) -> Path:
    """Return a name that nothing has yet: a link of a job's would be followed."""
    number = 2
    found = path
    while found.exists() or found.is_symlink():
        found = path.with_name(f"{path.stem}-{number}{path.suffix}")
        number += 1
    return found
