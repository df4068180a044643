"""The helper commands in the process: flags, lines, exit codes (job-execution.md 5.8, 7, 8)."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pyrunner.helper.artifacts_uploader import file_name
from pyrunner.helper.commands import COMMANDS, run_command

NO_UPLOAD = (
    "No URL provided, cache will not be uploaded to shared cache server. Cache will be stored only locally."
)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Path:
    """A work tree as working directory, all lines captured."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "lib").mkdir()
    (folder / "lib/one").write_text("one")
    monkeypatch.chdir(folder)
    caplog.set_level("INFO")
    return folder


def archive(*more: str, **environment: str) -> int:
    """Save ``lib``."""
    return run_command(
        "cache-archiver", ["--file", "../cache/key/cache.zip", "--path", "lib", *more], environment
    )


def test_a_cache_goes_and_comes_back(project: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Saved, then restored where it is missing; beside the archive lies its metadata (7.3)."""
    assert archive() == 0
    assert caplog.messages == ["lib: found 2 matching artifact files and directories", NO_UPLOAD]
    assert sorted(os.listdir("../cache/key")) == ["cache.zip", "fingerprint.txt", "metadata.json"]
    assert Path("../cache/key/metadata.json").read_text() == "{}"
    (project / "lib/one").unlink()
    assert run_command("cache-extractor", ["--file", "../cache/key/cache.zip"], {}) == 0
    assert (project / "lib/one").read_text() == "one"


def test_an_unchanged_cache_is_not_made_again(project: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The tree is the one the archive was made from, by its fingerprint: nothing is written."""
    archive()
    before = os.stat("../cache/key/cache.zip")
    caplog.clear()
    assert archive("--alternate-file", "../cache/other/cache.zip") == 0
    assert caplog.messages[-1] == "Archive is up to date!"
    assert os.stat("../cache/key/cache.zip").st_ino == before.st_ino


def test_somebody_elses_archive_goes_by_times(project: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Without a fingerprint gitlab-runner's rule and words hold: no file newer, no archive (7.3 step 3)."""
    archive()
    Path("../cache/key/fingerprint.txt").unlink()
    before = os.stat("../cache/key/cache.zip")
    assert archive("--alternate-file", "../cache/key/cache.zip") == 0
    assert caplog.messages[-1] == "Archive is up to date!"
    assert archive() == 0
    assert caplog.messages[-2:] == [
        "Primary cache does not exist remotely, uploading existing archive",
        NO_UPLOAD,
    ]
    assert os.stat("../cache/key/cache.zip").st_ino == before.st_ino
    later = before.st_mtime_ns + 10**9
    os.utime("lib/one", ns=(later, later))
    assert archive() == 0
    assert os.stat("../cache/key/cache.zip").st_ino != before.st_ino


@pytest.mark.parametrize(
    "change",
    [
        lambda: Path("lib/two").unlink(),
        lambda: Path("lib/old").touch(),
        lambda: os.truncate("lib/one", 2),
        lambda: os.chmod("lib/one", 0o755),
        lambda: os.utime("lib/one", ns=(5, 5)),
        lambda: os.rename("lib/other", "lib/link"),
        lambda: Path("lib/folder").mkdir(),
    ],
    ids=["deleted", "added", "size", "mode", "time", "target", "folder"],
)
def test_every_change_makes_a_new_archive(project: Path, change: Callable[[], object]) -> None:
    """Also those that gitlab-runner misses, as nothing is newer than the archive."""
    Path("lib/two").write_text("two")
    Path("lib/link").symlink_to("one")
    Path("lib/other").symlink_to("two")
    archive()
    before = os.stat("../cache/key/cache.zip").st_ino
    change()
    for one in ("lib", *(f"lib/{name}" for name in os.listdir("lib"))):
        if os.lstat(one).st_mtime_ns > 10**18 and not os.path.islink(one):
            os.utime(one, ns=(10**18, 10**18))
    assert archive() == 0
    assert os.stat("../cache/key/cache.zip").st_ino != before


@pytest.mark.parametrize(
    ("more", "environment"),
    [
        (("--path", "lib/*"), {}),
        (("--exclude", "nothing"), {}),
        ((), {"CACHE_COMPRESSION_FORMAT": "zipzstd"}),
        ((), {"CACHE_COMPRESSION_LEVEL": "fastest"}),
    ],
)
def test_other_options_make_a_new_archive(
    project: Path, more: tuple[str, ...], environment: dict[str, str]
) -> None:
    """What the archive was made with is part of its fingerprint."""
    archive()
    before = os.stat("../cache/key/cache.zip").st_ino
    assert archive(*more, **environment) == 0
    assert os.stat("../cache/key/cache.zip").st_ino != before


@pytest.mark.parametrize("form", ["zip", "zipzstd", "tarzstd"])
def test_a_restored_tree_is_unchanged(project: Path, caplog: pytest.LogCaptureFixture, form: str) -> None:
    """Times may have lost their fractions in the archive, and folders have new ones."""
    Path("lib/link").symlink_to("one")
    archive(CACHE_COMPRESSION_FORMAT=form)
    shutil.rmtree("lib")
    assert run_command("cache-extractor", ["--file", "../cache/key/cache.zip"], {}) == 0
    Path("lib/temporary").touch()
    Path("lib/temporary").unlink()
    assert archive(CACHE_COMPRESSION_FORMAT=form) == 0
    assert caplog.messages[-1] == "Archive is up to date!"


def test_a_restore_counts_as_use(project: Path) -> None:
    """Room is made by removing what was used longest ago; the archive's age stays what it is."""
    archive()
    os.utime("../cache/key/cache.zip", ns=(1, 10**18))
    assert run_command("cache-extractor", ["--file", "../cache/key/cache.zip"], {}) == 0
    status = os.stat("../cache/key/cache.zip")
    assert status.st_atime_ns > 10**18
    assert status.st_mtime_ns == 10**18


def test_leftovers_of_killed_archivers_go(project: Path) -> None:
    """After a day; a younger one may be at work."""
    archive()
    old, young = Path("../cache/key/archive_old"), Path("../cache/key/archive_young")
    old.touch()
    young.touch()
    os.utime(old, (1, 1))
    os.truncate("lib/one", 1)
    assert archive() == 0
    assert (old.exists(), young.exists()) == (False, True)


def test_the_archive_of_the_other_key_is_taken_over(project: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Changing FF_HASH_CACHE_KEYS loses no cache (7.3 step 1)."""
    archive()
    assert (
        run_command(
            "cache-archiver",
            [
                "--file",
                "../cache/new/cache.zip",
                "--alternate-file",
                "../cache/key/cache.zip",
                "--path",
                "lib",
            ],
            {},
        )
        == 0
    )
    assert "Renamed alternate cache file to primary" in caplog.messages
    assert Path("../cache/new/cache.zip").exists()
    assert not Path("../cache/key/cache.zip").exists()


def test_a_failed_archive_leaves_the_former_one(project: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Readers see the whole former archive or the whole new one, and no temporary file stays."""
    archive()
    content = Path("../cache/key/cache.zip").read_bytes()
    later = os.stat("../cache/key/cache.zip").st_mtime_ns + 10**9
    os.utime("lib/one", ns=(later, later))
    assert archive(CACHE_METADATA="no json") == 1
    assert "CACHE_METADATA" in caplog.messages[-1]
    assert Path("../cache/key/cache.zip").read_bytes() == content
    assert sorted(os.listdir("../cache/key")) == ["cache.zip", "fingerprint.txt", "metadata.json"]


def test_formats_and_levels_come_from_the_environment(
    project: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The file keeps its name whatever it is; an unknown level warns (7.4)."""
    assert archive(CACHE_COMPRESSION_FORMAT="tarzstd", CACHE_COMPRESSION_LEVEL="warp") == 0
    assert 'compression level "warp" is invalid, falling back to default' in caplog.messages
    assert Path("../cache/key/cache.zip").read_bytes()[:4] == b"\x28\xb5\x2f\xfd"


def test_nothing_to_cache_is_success(project: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A cache without files fails nothing."""
    assert run_command("cache-archiver", ["--file", "../cache.zip", "--path", "$UNSET"], {}) == 0
    assert caplog.messages == ["No matching files. Path is empty.", "No files to cache."]
    assert not Path("../cache.zip").exists()


def test_a_missing_cache_is_a_warning(project: Path, caplog: pytest.LogCaptureFixture) -> None:
    """No archive yet: exit code 1 and no FATAL line (7.2)."""
    assert run_command("cache-extractor", ["--file", "../nothing.zip"], {}) == 1
    assert caplog.messages[-1] == "Cache file does not exist"
    assert caplog.records[-1].levelname == "WARNING"


def test_a_broken_cache_is_fatal(project: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What is no archive is said to be none."""
    Path("../broken.zip").write_bytes(b"junk")
    assert run_command("cache-extractor", ["--file", "../broken.zip"], {}) == 1
    assert caplog.messages[-1] == "zip: not a valid zip file"


@pytest.mark.parametrize("command", ["artifacts-uploader", "artifacts-downloader"])
def test_incomplete_flags_are_fatal(project: Path, caplog: pytest.LogCaptureFixture, command: str) -> None:
    """Without coordinator, token and id there is nothing to do."""
    assert run_command(command, ["--url", "http://127.0.0.1:1"], {}) == 1
    assert caplog.messages[-1] in ("Missing runner credentials", "Incomplete arguments")


def test_no_artifacts_is_no_failure(project: Path, caplog: pytest.LogCaptureFixture) -> None:
    """An error line, and the job goes on (8.2)."""
    environment = {"CI_JOB_ID": "7", "CI_JOB_TOKEN": "t", "CI_SERVER_URL": "http://127.0.0.1:1"}
    assert run_command("artifacts-uploader", ["--path", "nope"], environment) == 0
    assert caplog.messages[-1] == "No files to upload"


@pytest.mark.parametrize(
    ("name", "form", "expected"),
    [
        ("artifacts", "zip", "artifacts.zip"),
        ("a/b", "zipzstd", "b.zip"),
        ("", "gzip", "default.gz"),
        (".", "tarzstd", "default.tar.zst"),
        ("report/", "raw", "report"),
    ],
)
def test_names_of_artifacts(name: str, form: str, expected: str) -> None:
    """The last element and the format's ending; empty is ``default`` (8.2)."""
    assert file_name(name, form) == expected


@pytest.mark.parametrize("command", COMMANDS)
def test_unknown_flags_are_fatal(project: Path, caplog: pytest.LogCaptureFixture, command: str) -> None:
    """A flag that is none is not passed over."""
    assert run_command(command, ["--no-such-flag"], {}) == 1
    assert f"{command} --help" in caplog.messages[-1]
