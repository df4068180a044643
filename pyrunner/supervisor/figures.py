"""What else of an ended job is counted in stats.json: its caches, and what its inputs were put into.

What became of a cache is known to the stage's script alone, which says it in the job log: the stages of
caches print nothing but our own words and those of the host's login shell.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any, Final

from pyrunner.errors import JobDirError
from pyrunner.jobdir.control import ControlDir
from pyrunner.protocol.job import Job
from pyrunner.trace.rawreader import RawReader

logger = logging.getLogger(__name__)

#: Bytes of a stage that are looked through.
_MOST: Final = 1024 * 1024
_HIT: Final = b"Successfully extracted cache"
_MISS: Final = b"Failed to extract cache"
_SAVED: Final = b"Created cache"
_UNCHANGED: Final = b"Archive is up to date!"
_NOT_SAVED: Final = b"Failed to create cache"
_EXPRESSION: Final = "${{"


def cache_figures(control: ControlDir, stages: Sequence[str]) -> dict[str, int]:
    """Return how often caches were ``hit``, a ``miss``, ``created``, ``unchanged``, ``failed``.

    :param stages: names of the job's stages in order; the first is number 1 in the raw log.
    """
    restoring = {number for number, name in enumerate(stages, 1) if name == "restore_cache"}
    saving = {number for number, name in enumerate(stages, 1) if name.startswith("archive_cache")}
    if not restoring and not saving:
        return {}
    try:
        texts = _output(control, restoring | saving)
    except JobDirError as error:
        logger.warning("what became of the caches is not counted: %s", error)
        return {}

    def count(numbers: set[int], words: bytes) -> int:
        return sum(texts.get(number, b"").count(words) for number in numbers)

    unchanged = count(saving, _UNCHANGED)
    found = {
        "hit": count(restoring, _HIT),
        "miss": count(restoring, _MISS),
        "created": max(0, count(saving, _SAVED) - unchanged),
        "unchanged": unchanged,
        "failed": count(saving, _NOT_SAVED),
    }
    return {result: number for result, number in found.items() if number}


def _output(control: ControlDir, stages: set[int]) -> dict[int, bytes]:
    """Return what stages have printed, stream after stream, by their number.

    :raises JobDirError: when the raw log cannot be read.
    """
    parts: dict[tuple[int, int], bytearray] = {}
    reader = RawReader(control.raw_log, control.raw_index)
    try:
        start = 0
        for batch in reader.records(0):
            until = batch[-1].end
            for record in batch:
                if record.stage in stages:
                    part = parts.setdefault((record.stage, record.stream), bytearray())
                    end = min(record.end, start + _MOST - len(part))
                    at = start
                    while at < end and (data := reader.read(at, end, until)):
                        part += data[: end - at]
                        at += len(data)
                start = record.end
    finally:
        reader.close()
    texts: dict[int, bytes] = {}
    for stage, stream in sorted(parts):
        texts[stage] = texts.get(stage, b"") + bytes(parts[stage, stream]) + b"\n"
    return texts


def interpolations(job: Job) -> int:
    """Return how many texts of a job its inputs were put into (:mod:`pyrunner.build.inputs`)."""
    if not job.inputs:
        return 0
    steps = [one for one in job.steps if one.name in ("script", "after_script")]
    things: list[Any] = [*steps, job.image, *job.services, *job.artifacts, *job.cache]
    return sum(_EXPRESSION in text for thing in things for text in _texts(asdict(thing)))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)
