"""Which folder belongs to which ``[[runners]]`` entry (tristan-layout.md 2: executor root, business id)."""

from __future__ import annotations

import hashlib
import logging
import os
import stat
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from pyrunner.config.model import RunnerConfig
from pyrunner.errors import JobDirError, PyrunnerError
from pyrunner.jobdir.layout import Business
from pyrunner.protocol.decode import decode
from pyrunner.system.files import make_passable, make_private, read_json, write_json
from pyrunner.system.lock import OpenFileLock

_log: Final = logging.getLogger(__name__)

#: Executors whose ``builds_dir`` is a folder of this host.
_ON_HOST: Final = frozenset(("shell", "custom"))
_MEMORY: Final = "businesses.json"
_MEMORY_LOCK: Final = ".businesses.lock"
#: Longest wait for another manager that works on the same memory, seconds.
_LOCK_PATIENCE: Final = 10.0


@dataclass(frozen=True)
class Remembered:
    """A business id once given, and to whom. The token is kept as a hash only."""

    business_id: str = ""
    url: str = ""
    name: str = ""
    token_hash: str = ""
    #: Counts entries that are equal in everything else.
    position: int = 0


@dataclass(frozen=True)
class _Memory:
    businesses: list[Remembered] = field(default_factory=list)


def executor_root(config: RunnerConfig, environ: Mapping[str, str], uid: int) -> Path:
    """Return where the folders of this runner are; relative to the working folder where configured so."""
    if config.tristan.root:
        return Path(os.path.abspath(config.tristan.root))
    default = _default_root(environ, uid)
    if not config.builds_dir or config.executor not in _ON_HOST:
        return default
    folder = Path(os.path.abspath(config.builds_dir))
    owner = _owner(folder)
    if owner not in (None, uid, 0):
        # With --user, gitlab-runner leaves this folder to the jobs' user, who could replace ours in it.
        _log.warning(
            "builds_dir %s belongs to user id %s; jobs run below %s instead (or set [runners.tristan] root)",
            folder,
            owner,
            default,
            extra={"fields": {"runner": config.short_token, "runner_name": config.name}},
        )
        return default
    return folder


def _default_root(environ: Mapping[str, str], uid: int) -> Path:
    if uid == 0:
        return Path("/data/tristan")
    data = environ.get("XDG_DATA_HOME", "")
    folder = Path(data) if data.startswith("/") else Path(environ.get("HOME") or "/") / ".local" / "share"
    return folder / "pyrunner"


def _owner(folder: Path) -> int | None:
    try:
        return folder.stat().st_uid
    except OSError:
        return None


def assign_businesses(
    configs: Sequence[RunnerConfig], environ: Mapping[str, str], uid: int
) -> list[Business]:
    """Return the business of each entry, in order; ids once given are remembered in their root.

    :raises JobDirError: when a root cannot be made, trusted or read.
    """
    roots = [executor_root(config, environ, uid) for config in configs]
    ids: dict[int, str] = {}
    for root in dict.fromkeys(roots):
        prepare_root(root, uid)
        members = [index for index, one in enumerate(roots) if one == root]
        with _memory(root) as remembered:
            chosen = _choose([configs[index] for index in members], remembered)
        ids.update(zip(members, chosen, strict=True))
    return [Business(root, ids[index]) for index, root in enumerate(roots)]


def remember_token(business: Business, config: RunnerConfig, token: str) -> None:
    """Let a business keep its id although its runner gets a new token.

    :raises JobDirError: when the memory cannot be read or written.
    """
    with _memory(business.root) as remembered:
        for index, one in enumerate(remembered):
            if one.business_id == business.business_id and one.token_hash == _hash(config.token):
                remembered[index] = Remembered(one.business_id, one.url, one.name, _hash(token), one.position)


def prepare_root(root: Path, uid: int) -> None:
    """Make a root, and refuse one in whose parents somebody else could put another in its place (R8).

    :raises JobDirError: saying which folder to change.
    """
    # What leads to the root belongs to nobody in particular: `/data` of `/data/tristan`.
    make_passable(root.parent)
    make_private(root)
    for folder in (root, *root.parents):
        status = folder.stat()
        if status.st_mode & stat.S_IWOTH and not status.st_mode & stat.S_ISVTX:
            raise JobDirError(
                f"{folder} is writable by everybody, so {root} is not safe there; "
                f"run 'chmod o-w {folder}' or set [runners.tristan] root"
            )
    owner = root.stat().st_uid
    if owner not in (uid, 0):
        raise JobDirError(
            f"{root} belongs to user id {owner}, not to this process ({uid}); set [runners.tristan] root"
        )


def _choose(configs: Sequence[RunnerConfig], remembered: list[Remembered]) -> list[str]:
    """Return the ids of the entries of one root; ``remembered`` is brought up to date."""
    keys = list(_keys(configs))
    chosen: dict[int, str] = {
        index: str(config.tristan.business_id)
        for index, config in enumerate(configs)
        if config.tristan.business_id
    }
    taken = {one.casefold() for one in chosen.values()}

    def take(index: int, found: Remembered) -> None:
        chosen[index] = found.business_id
        taken.add(found.business_id.casefold())

    for index, key in enumerate(keys):
        found = next((one for one in remembered if _same(one, key)), None)
        if index not in chosen and found and found.business_id.casefold() not in taken:
            take(index, found)
    # A name that was changed, or a token that was exchanged while no manager ran: the same runner as
    # far as can be told.
    for index, key in enumerate(keys):
        for one in [] if index in chosen else remembered:
            if one.business_id.casefold() not in taken and _became(one, key, keys):
                take(index, one)
                remembered.remove(one)
                break
    used = taken | {one.business_id.casefold() for one in remembered}
    ids = Counter(config.id for config in configs)
    for index, key in enumerate(keys):
        if index not in chosen:
            number = configs[index].id
            plain = str(number)
            alone = number > 0 and ids[number] == 1 and plain not in used
            chosen[index] = plain if alone else f"{number}-{_digest(key)}"
            used.add(chosen[index].casefold())
    for index, key in enumerate(keys):
        if not configs[index].tristan.business_id:
            remembered[:] = [one for one in remembered if not _same(one, key)]
            remembered.append(Remembered(chosen[index], key.url, key.name, key.token_hash, key.position))
    return [chosen[index] for index in range(len(configs))]


def _keys(configs: Iterable[RunnerConfig]) -> Iterator[Remembered]:
    equals: Counter[tuple[str, str, str]] = Counter()
    for config in configs:
        same = (config.url, config.name, _hash(config.token))
        yield Remembered("", config.url, config.name, _hash(config.token), equals[same])
        equals[same] += 1


def _same(one: Remembered, other: Remembered) -> bool:
    return (one.url, one.name, one.token_hash, one.position) == (
        other.url,
        other.name,
        other.token_hash,
        other.position,
    )


def _became(one: Remembered, key: Remembered, keys: Iterable[Remembered]) -> bool:
    """Tell whether ``key`` is what ``one``, which no entry is any more, was: renamed, or with a new token."""
    if one.url != key.url or any(_same(one, other) for other in keys):
        return False
    if one.token_hash == key.token_hash:
        return True
    current = {other.token_hash for other in keys}
    return (one.name, one.position) == (key.name, key.position) and one.token_hash not in current


def _digest(key: Remembered) -> str:
    return _hash("\0".join((key.url, key.token_hash, key.name, str(key.position))))[:8]


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


@contextmanager
def _memory(root: Path) -> Iterator[list[Remembered]]:
    """Yield what a root remembers, for changes; nobody else changes it meanwhile."""
    lock = _locked(root / _MEMORY_LOCK)
    try:
        path = root / _MEMORY
        try:
            before = decode(_Memory, read_json(path)).businesses
        except FileNotFoundError:
            before = []
        except PyrunnerError as error:
            raise JobDirError(f"{path}: {error}; restore it from a backup, or remove it") from None
        after = list(before)
        yield after
        if after != before:
            write_json(path, asdict(_Memory(after)))
    except OSError as error:
        raise JobDirError(f"cannot keep {root / _MEMORY}: {error.strerror}") from error
    finally:
        lock.close()


def _locked(path: Path) -> OpenFileLock:
    ends = time.monotonic() + _LOCK_PATIENCE
    while True:
        try:
            lock = OpenFileLock.take(path)
        except OSError as error:
            raise JobDirError(f"cannot lock {path}: {error.strerror}") from error
        if lock is not None:
            return lock
        if time.monotonic() > ends:
            raise JobDirError(f"another process holds {path}; end it and start again")
        time.sleep(0.02)
