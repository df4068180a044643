"""``cache-archiver``: save paths into the local cache archive, then remotely (job-execution.md 7.3)."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final

from pyrunner.errors import ArchiveError, UsageError
from pyrunner.helper import fingerprint
from pyrunner.helper.arguments import Flags, Options
from pyrunner.helper.collect import Collection
from pyrunner.helper.expand import expand_paths
from pyrunner.helper.fingerprint import Fingerprint, Record
from pyrunner.helper.remote.options import Target, add_upload_flags, read_target

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
    file: str = options.file
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
        if target is not None and _is_stored(target, file):
            _log.info("Primary cache already exists remotely, skipping upload")
            return
        _log.info("Primary cache does not exist remotely, uploading existing archive")
    else:
        _create(file, collection, form, options, now)
    if target is None:
        _tell_it_stays()
        return
    from pathlib import Path

    from pyrunner.helper.remote.transfer import upload

    upload(target, Path(file), _metadata(options.metadata))


def _read(arguments: Sequence[str], environment: Mapping[str, str]) -> Options:
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


def _take_over_alternate(file: str, alternate: str) -> None:
    """Rename the archive of the other key scheme when there is none of this one (7.3 step 1)."""
    if not alternate or alternate == file or os.path.exists(file) or not os.path.exists(alternate):
        return
    try:
        os.makedirs(os.path.dirname(file) or ".", mode=0o700, exist_ok=True)
        os.rename(alternate, file)
        with suppress(FileNotFoundError):
            os.rename(fingerprint.beside(alternate), fingerprint.beside(file))
    except OSError as error:
        _log.warning(
            "Failed to rename alternate cache file to primary", extra={"fields": {"error": error.strerror}}
        )
        return
    _log.info("Renamed alternate cache file to primary")


def _is_stored(target: Target, file: str) -> bool:
    from pathlib import Path

    from pyrunner.helper.remote.transfer import is_stored

    return is_stored(target, Path(file))


def _is_outdated(file: str, collection: Collection, now: Fingerprint, recorded: Record | None) -> bool:
    """Tell whether an archive has to be made; for one that is not ours only times count (12, 30)."""
    try:
        made = os.stat(file).st_mtime_ns
    except FileNotFoundError:
        return True
    except OSError as error:
        _log.warning("stat %s: %s", file, (error.strerror or "").lower())
        return True
    if recorded is None:
        return collection.inventory.newest > made
    return now.newest > made or not now.matches(recorded)


def _create(file: str, collection: Collection, form: str, options: Options, now: Fingerprint) -> None:
    """Make the archive beside its place and move it there: nobody ever sees half of one."""
    # All this takes time to import, and most caches have not changed.
    import tempfile

    from pyrunner.helper.archives import archive_pieces
    from pyrunner.helper.levels import known_level
    from pyrunner.helper.remote.storing import write_metadata

    level = known_level(options.compression_level)
    content = _metadata(options.metadata)
    folder = os.path.dirname(file) or "."
    temporary = ""
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        _remove_leftovers(folder)
        fd, temporary = tempfile.mkstemp(prefix=_TEMPORARY, dir=folder)
        with os.fdopen(fd, "wb") as out:
            for piece in archive_pieces(form, collection.entries(), level):
                out.write(piece)
            out.flush()
            made = os.fstat(fd)
        os.replace(temporary, file)
        temporary = ""
        write_metadata(folder, content)
        fingerprint.store(file, made, now.record())
    except OSError as error:
        raise ArchiveError(f"{error.filename or file}: {(error.strerror or '').lower()}") from error
    finally:
        if temporary:
            with suppress(FileNotFoundError):
                os.unlink(temporary)


def _remove_leftovers(folder: str) -> None:
    """Remove what archivers that were killed have left: nobody works on one archive for a day."""
    with os.scandir(folder) as found:
        for one in found:
            with suppress(OSError):
                if one.name.startswith(_TEMPORARY) and (
                    time.time() - one.stat(follow_symlinks=False).st_mtime > _ABANDONED
                ):
                    os.unlink(one.path)


def _metadata(text: str) -> dict[str, str]:
    import json  # only where there is something to save

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
