"""Caches: a tree of 60 000 files and one large file, saved changed, hardly changed, unchanged, and restored.

Info-ZIP's ``zip -5`` is the single-threaded deflate to compare with, where it is installed. With
``GITLAB_RUNNER=<binary>`` gitlab-runner does the same. ``BENCH_RUNS`` is how often each is measured (3),
``BENCH_SCALE`` makes all smaller.
"""

from __future__ import annotations

import compileall
import http.client
import importlib.util
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pyrunner
from bench.commands import Run, run
from bench.figures import Figure, median
from bench.trees import FILES, LARGE_SIZE, TREE_SIZE, Contents, change_some, grow_tree, write_large
from pyrunner.system.helper_words import helper_words

_RUNS = int(os.environ.get("BENCH_RUNS", "3"))
_SCALE = float(os.environ.get("BENCH_SCALE", "1"))
_PACKAGE = Path(pyrunner.__file__).parent
_OURS = helper_words(sys.executable, _PACKAGE)

#: MB/s of a changed save, and the other targets of issue 4.
_RATES = {"zip": 90.0, "tarzstd": 300.0}
_FASTER_THAN_DEFLATE = 3.0
_FASTER_UNCHANGED = 20.0
_MEMORY = 64.0
_NOBODY = "bench"


@dataclass
class Subject:
    """What is cached: a folder named ``tree`` in ``place``."""

    name: str
    place: Path
    size: int
    change: Callable[[], object]


@dataclass
class Times:
    """All runs of one operation."""

    runs: list[Run] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """The median."""
        return median([one.seconds for one in self.runs])

    @property
    def memory(self) -> float:
        """The most of all."""
        return max(one.memory for one in self.runs)


def cache_figures() -> list[Figure]:
    """Measure everything."""
    # As an installation does: a helper that has to compile itself first is what only a fresh checkout has.
    compileall.compile_dir(_PACKAGE, quiet=1)
    figures = []
    contents = Contents()
    with tempfile.TemporaryDirectory(prefix="pyrunner-bench-") as name:
        place = Path(name)
        for subject in _subjects(place, contents):
            deflate = _deflate(subject, place)
            if deflate is not None:
                figures.append(Figure(f"{subject.name}: zip -5", deflate, "s", note="Info-ZIP"))
            for form in _RATES:
                figures += _local(subject, place, form, deflate)
            if (binary := os.environ.get("GITLAB_RUNNER")) is not None:
                for form in _RATES:
                    figures += _other(subject, place, form, binary)
        figures += _remote(_tree_of(place, contents), place)
    return figures


def _subjects(place: Path, contents: Contents) -> Iterator[Subject]:
    (place / "many/tree").mkdir(parents=True)
    grow_tree(place / "many/tree", contents, int(FILES * _SCALE), int(TREE_SIZE * _SCALE))
    yield _tree_of(place, contents)
    (place / "one/tree").mkdir(parents=True)
    large = place / "one/tree/file"
    write_large(large, contents, int(LARGE_SIZE * _SCALE))
    size = large.stat().st_size
    yield Subject(f"{size >> 20} MiB file", place / "one", size, lambda: _overwrite(large, contents))


def _tree_of(place: Path, contents: Contents) -> Subject:
    return Subject(
        f"{int(FILES * _SCALE)} files",
        place / "many",
        int(TREE_SIZE * _SCALE),
        lambda: change_some(place / "many/tree", contents),
    )


def _overwrite(large: Path, contents: Contents) -> None:
    """Change a hundredth of a file."""
    with large.open("r+b") as file:
        file.write(contents.take(min(large.stat().st_size // 100, 32 << 20)))


def _measure(
    helper: tuple[str, ...], subject: Subject, place: Path, form: str, flags: tuple[list[str], list[str]]
) -> dict[str, Times]:
    """Measure the four operations with a helper; ``flags`` are more ones for saving and restoring."""
    times = {name: Times() for name in ("changed", "1 % changed", "unchanged", "restore")}
    archive = place / "cache/key/cache.zip"
    environment = {"CACHE_COMPRESSION_FORMAT": form}
    save = [*helper, "cache-archiver", "--file", str(archive), "--path", "tree", *flags[0]]
    restore = [*helper, "cache-extractor", "--file", str(archive), *flags[1]]
    for number in range(_RUNS):
        target = (
            place / f"target-{subject.place.name}-{form}-{Path(helper[0]).name}-{bool(flags[1])}-{number}"
        )
        shutil.rmtree(archive.parent, ignore_errors=True)
        times["changed"].runs.append(run(save, subject.place, environment))
        subject.change()
        times["1 % changed"].runs.append(run(save, subject.place, environment))
        times["unchanged"].runs.append(run(save, subject.place, environment))
        if flags[1]:
            shutil.rmtree(archive.parent)
        target.mkdir()
        times["restore"].runs.append(run(restore, target, environment))
        _empty(target)
    return times


def _empty(folder: Path) -> None:
    """Give back a tree's room, but not its files: ext4 searches long for new ones after many were removed."""
    for place, _, names in os.walk(folder):
        for name in names:
            os.truncate(os.path.join(place, name), 0)


def _local(subject: Subject, place: Path, form: str, deflate: float | None) -> list[Figure]:
    times = _measure(_OURS, subject, place, form, ([], []))
    changed, name = times["changed"].seconds, f"{subject.name}, {form}"
    size = (place / "cache/key/cache.zip").stat().st_size
    figures = [
        Figure(f"{name}: save changed", subject.size / changed / 1e6, "MB/s", _RATES[form], smaller=False,
               note=f"{changed:.2f} s, {size / subject.size:.3f} of the size"),
        Figure(f"{name}: save 1 % changed", times["1 % changed"].seconds, "s"),
        Figure(f"{name}: save unchanged", times["unchanged"].seconds * 1000, "ms"),
        Figure(f"{name}: unchanged against changed", changed / times["unchanged"].seconds, "times",
               _FASTER_UNCHANGED, smaller=False),
        Figure(f"{name}: restore", times["restore"].seconds, "s"),
        Figure(f"{name}: peak memory", max(one.memory for one in times.values()), "MiB", _MEMORY),
    ]  # fmt: skip
    if form == "zip" and deflate is not None:
        figures.append(
            Figure(f"{name}: changed against zip -5", deflate / changed, "times", _FASTER_THAN_DEFLATE,
                   smaller=False)
        )  # fmt: skip
    return figures


def _other(subject: Subject, place: Path, form: str, binary: str) -> list[Figure]:
    times = _measure((binary,), subject, place, form, ([], []))
    name = f"{subject.name}, {form}, gitlab-runner"
    memory = max(one.memory for one in times.values())
    figures = [Figure(f"{name}: {operation}", one.seconds, "s") for operation, one in times.items()]
    return [*figures, Figure(f"{name}: peak memory", memory, "MiB")]


def _deflate(subject: Subject, place: Path) -> float | None:
    """Return the seconds that a single-threaded deflate takes; None where there is none to be had."""
    if (zip_command := shutil.which("zip")) is None:
        return None
    times = Times()
    for _ in range(_RUNS):
        times.runs.append(run([zip_command, "-q", "-r", "-5", str(place / "i.zip"), "tree"], subject.place))
        (place / "i.zip").unlink()
    return times.seconds


def _remote(subject: Subject, place: Path) -> list[Figure]:
    """Measure with a bucket: versitygw where its command is there, else moto, which is Python itself."""
    if importlib.util.find_spec("botocore") is None:
        return []
    kind = "versitygw" if shutil.which("versitygw") else "moto"
    if kind == "moto" and importlib.util.find_spec("moto") is None:
        return []
    with _bucket(kind, place) as (flags, sent_alone):
        times = _measure(_OURS, subject, place, "zip", flags)
        (place / "cache/key").mkdir(exist_ok=True)
        run([*_OURS, "cache-archiver", "--file", str(place / "cache/key/cache.zip"), "--path", "tree"],
            subject.place)  # fmt: skip
        alone = median([sent_alone(place / "cache/key/cache.zip") for _ in range(_RUNS)])
    name = f"{subject.name}, zip, S3"
    figures = [Figure(f"{name}: {what}", one.seconds, "s", note=kind) for what, one in times.items()]
    note = f"{kind}: what of a save is the server's and the loopback's"
    return [*figures, Figure(f"{name}: the archive sent alone", alone, "s", note=note)]


@contextmanager
def _bucket(kind: str, place: Path) -> Iterator[tuple[tuple[list[str], list[str]], Callable[[Path], float]]]:
    """Run a server; yield the flags for saving and restoring, and what sends a file by itself."""
    from pyrunner.build.remote_cache import remote_cache
    from tests.support.object_storage import s3_server

    (place / "s3").mkdir()
    with s3_server(kind, place / "s3") as server:
        found = remote_cache(
            server.config(), short_token=_NOBODY, project_id=1, timeout=3600, hashed_keys=False,
            private=place / "private", environment=os.environ,
        )  # fmt: skip
        if found is None:
            raise RuntimeError("the bucket cannot be used")
        try:
            saving, restoring = found.upload("key", {}), found.download("key", "")
            flags = (
                [*saving.flags, *_variables(place / "saving", saving.environment)],
                [*restoring.flags, *_variables(place / "restoring", restoring.environment)],
            )
            yield flags, lambda file: _put(file, saving.environment)
        finally:
            found.close()


def _put(file: Path, variables: Mapping[str, str]) -> float:
    """Send a file to a presigned URL with nothing around it; return the seconds."""
    address = urlsplit(variables["PYRUNNER_CACHE_URL"])
    headers = json.loads(variables.get("PYRUNNER_CACHE_HEADER", "{}"))
    connection = http.client.HTTPConnection(address.netloc, blocksize=1 << 20)
    started = time.monotonic()
    with closing(connection), file.open("rb") as body:
        connection.request("PUT", f"{address.path}?{address.query}", body,
                           {**headers, "Content-Length": str(file.stat().st_size)})  # fmt: skip
        answer = connection.getresponse()
        answer.read()
    if answer.status != 200:
        raise RuntimeError(f"the bucket answers {answer.status}")
    return time.monotonic() - started


def _variables(file: Path, values: Mapping[str, str]) -> list[str]:
    """Hand variables over in a file, as stage scripts do."""
    escaped = {name: value.replace("\\", "\\\\").replace('"', '\\"') for name, value in values.items()}
    file.write_text("".join(f'{name}="{value}"\n' for name, value in escaped.items()))
    return ["--env-file", str(file)]
