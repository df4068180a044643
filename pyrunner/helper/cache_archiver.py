"""``cache-archiver``: save paths into the local cache archive, then remotely (job-execution.md 7.3)."""

from __future__ import annotations

import json
import logging
import os
import tempfile
import time
from argparse import Namespace
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from pyrunner.errors import ArchiveError, UsageError
from pyrunner.helper import fingerprint
from pyrunner.helper.archives import archive_pieces
from pyrunner.helper.arguments import Flags
from pyrunner.helper.collect import Collection
from pyrunner.helper.expand import expand_paths
from pyrunner.helper.fingerprint import FINGERPRINT_FILE, Fingerprint, Record
from pyrunner.helper.levels import known_level
from pyrunner.helper.remote.options import add_upload_flags, read_target
from pyrunner.helper.remote.storing import write_metadata
from pyrunner.helper.remote.transfer import is_stored, upload

_log = logging.getLogger(__name__)

_TEMPORARY: Final = "archive_"
#: Seconds.
_ABANDONED: Final = 24 * 3600


def run(arguments: Sequence[str], environment: Mapping[str, str]) -> None:
    """Save a cache.

    :raises PyrunnerError: when it cannot be saved.
    """
    options = _read(arguments, environment)
    if not options.file:
        raise UsageError("Missing --file")
    target = read_target(options, environment)
    file = Path(options.file)
    _take_over_alternate(file, options.alternate_file)
    form = options.compression_format.lower()
    form = form if form in ("tarzstd", "zipzstd") else "zip"
    collection = Collection(expand_paths(options.exclude, environment))
    collection.collect(expand_paths(options.path, environment), options.untracked)
    if collection.empty:
        _log.warning("No files to cache.")
        return
    now = Fingerprint(
        collection.inventory,
        {
            "exclude": options.exclude,
            "format": form,
            "level": options.compression_level or "default",
            "path": options.path,
            "untracked": options.untracked,
        },
    )
    recorded = fingerprint.load(file)
    if not _is_outdated(file, collection, now, recorded):
        ours = recorded is not None and target is None
        if ours or options.alternate_file == options.file:
            _log.info("Archive is up to date!")
            return
        if target is not None and is_stored(target, file):
            _log.info("Primary cache already exists remotely, skipping upload")
            return
        _log.info("Primary cache does not exist remotely, uploading existing archive")
    else:
        _create(file, collection, form, options, now)
    if target is None:
        _tell_it_stays()
        return
    upload(target, file, _metadata(options.metadata))


def _read(arguments: Sequence[str], environment: Mapping[str, str]) -> Namespace:
    flags = Flags("cache-archiver", "create and upload cache artifacts (internal)", environment)
    flags.repeated("path", about="Add paths to archive")
    flags.repeated("exclude", about="Exclude paths from the archive")
    flags.switch("untracked", about="Add git untracked files")
    flags.switch("verbose", about="Detailed information")
    flags.text("file", about="The path to file")
    flags.text("alternate-file", about="Local archive to rename to --file if that does not exist")
    flags.text("metadata", default="{}", env="CACHE_METADATA", about="JSON object kept beside the archive")
    flags.text(
        "compression-level", env="CACHE_COMPRESSION_LEVEL", about="fastest, fast, default, slow, slowest"
    )
    flags.text("compression-format", env="CACHE_COMPRESSION_FORMAT", about="zip, tarzstd, zipzstd")
    add_upload_flags(flags)
    return flags.read(arguments)


def _take_over_alternate(file: Path, alternate: str) -> None:
    """Rename the archive of the other key scheme when there is none of this one (7.3 step 1)."""
    if not alternate or alternate == str(file) or file.exists() or not Path(alternate).exists():
        return
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        Path(alternate).rename(file)
        with suppress(FileNotFoundError):
            (Path(alternate).parent / FINGERPRINT_FILE).rename(file.parent / FINGERPRINT_FILE)
    except OSError as error:
        _log.warning(
            "Failed to rename alternate cache file to primary", extra={"fields": {"error": error.strerror}}
        )
        return
    _log.info("Renamed alternate cache file to primary")


def _is_outdated(file: Path, collection: Collection, now: Fingerprint, recorded: Record | None) -> bool:
    """Tell whether an archive has to be made; for one that is not ours only times count (12, 30)."""
    try:
        made = file.stat().st_mtime_ns
    except FileNotFoundError:
        return True
    except OSError as error:
        _log.warning("stat %s: %s", file, (error.strerror or "").lower())
        return True
    if recorded is None:
        return collection.inventory.newest > made
    return now.newest > made or not now.matches(recorded)


def _create(file: Path, collection: Collection, form: str, options: Namespace, now: Fingerprint) -> None:
    """Make the archive beside its place and move it there: nobody ever sees half of one."""
    level = known_level(options.compression_level)
    content = _metadata(options.metadata)
    temporary = ""
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _remove_leftovers(file.parent)
        fd, temporary = tempfile.mkstemp(prefix=_TEMPORARY, dir=file.parent)
        with os.fdopen(fd, "wb") as out:
            for piece in archive_pieces(form, collection.entries(), level):
                out.write(piece)
        Path(temporary).replace(file)
        temporary = ""
        write_metadata(file.parent, content)
        fingerprint.store(file, now.record())
    except OSError as error:
        raise ArchiveError(f"{error.filename or file}: {(error.strerror or '').lower()}") from error
    finally:
        if temporary:
            Path(temporary).unlink(missing_ok=True)


def _remove_leftovers(folder: Path) -> None:
    """Remove what archivers that were killed have left: nobody works on one archive for a day."""
    for one in folder.glob(f"{_TEMPORARY}*"):
        with suppress(OSError):
            if time.time() - one.lstat().st_mtime > _ABANDONED:
                one.unlink()


def _metadata(text: str) -> dict[str, str]:
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise ArchiveError("the metadata of the cache is not a JSON object: check CACHE_METADATA")
    return {str(key): str(one) for key, one in value.items()}


def _tell_it_stays() -> None:
    _log.info(
        "No URL provided, cache will not be uploaded to shared cache server. "
        "Cache will be stored only locally."
    )
