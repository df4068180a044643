"""The helper packs and unpacks in the workspace sandbox as outside: its libraries, its processes (R8)."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import pytest

from pyrunner.executors.sandbox.interpreter import Interpreter
from tests.support.archive_trees import describe
from tests.support.sandbox import Site, need_sandbox

pytestmark = pytest.mark.integration

FILES = 700


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A job's folders, with a tree worth several processes in its sources."""
    need_sandbox()
    site = Site(tmp_path)
    for number in range(FILES):
        folder = site.source / f"lib/part{number // 50}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"file{number}").write_bytes(b"some text %d\n" % number * 800)
    (site.source / "lib/link").symlink_to("part0/file1")
    return site


@pytest.mark.parametrize("form", ["zip", "tarzstd", "zipzstd"])
def test_a_cache_goes_and_comes_back(site: Site, form: str) -> None:
    """With the fast codecs, by forked processes, within the sandbox's system calls and capabilities."""
    helper = shlex.join(Interpreter.current().helper_command)
    isolated = shlex.join([*Interpreter.current().helper_command[:1], "-I", "-c"])
    probe = "import isal.isal_zlib, zstandard"
    os.chown(site.source / "lib/part3/file150", 1000, 1000)  # a container's user has made it
    before = describe(site.source, fractions=form == "tarzstd")
    script = "\n".join(
        (
            "set -e",
            f"export CACHE_COMPRESSION_FORMAT={form}",
            f"cd /builds; {helper} cache-archiver --file /cache/key/cache.zip --path lib",
            "rm -r lib",
            f"{helper} cache-extractor --file /cache/key/cache.zip",
            f"{isolated} '{probe}' && echo codecs are there",
        )
    )
    record, output = site.run(script, mounts=((site.cache, "/cache", True),))
    assert record["exit_code"] == 0, output
    assert f"lib: found {FILES + FILES // 50 + 2} matching" in output
    assert "codecs are there" in output
    os.chown(site.source / "lib/part3/file150", 1000, 1000)  # what the sandbox may not
    assert describe(site.source, fractions=form == "tarzstd") == before
