"""Real object storage servers on loopback: S3 by moto or versitygw, Azure by azurite, GCS by fake-gcs-server.

moto comes with the development dependencies. The others are used where their commands are on the PATH:
versitygw, unlike moto, checks signatures.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from pyrunner.build.remote_cache import RemoteCache, remote_cache
from pyrunner.config.cache import CacheConfig, S3Cache

BUCKET: Final = "caches"
ACCESS_KEY: Final = "test-access-key"
SECRET_KEY: Final = "test-secret-key/+"

_CHECKOUT: Final = Path(__file__).resolve().parents[2]
_PATIENCE: Final = 60.0
_MOTO: Final = """
import sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer("127.0.0.1", int(sys.argv[1]), verbose=False)
server.start()
sys.stdin.read()
"""


@dataclass(frozen=True)
class S3Server:
    """A server with a bucket."""

    port: int
    #: ``moto`` or ``versitygw``.
    kind: str

    @property
    def url(self) -> str:
        """The endpoint."""
        return f"http://127.0.0.1:{self.port}"

    def client(self) -> Any:
        """Return a client with all rights."""
        return self._session().create_client(
            "s3",
            endpoint_url=self.url,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            region_name="us-east-1",
        )

    def config(self, *, shared: bool = False, limit: int = 0, **changes: Any) -> CacheConfig:
        """Return a cache configuration for the bucket; ``changes`` are keys of ``[runners.cache.s3]``."""
        settings: dict[str, Any] = {
            "server_address": f"127.0.0.1:{self.port}",
            "insecure": True,
            "access_key": ACCESS_KEY,
            "secret_key": SECRET_KEY,
            "bucket_name": BUCKET,
            "bucket_location": "us-east-1",
        }
        return CacheConfig(
            type="s3",
            path="some/prefix",
            shared=shared,
            max_uploaded_archive_size=limit,
            s3=S3Cache(**settings | changes),
        )

    def names(self) -> list[str]:
        """Return the names of all objects in the bucket."""
        listing = self.client().list_objects_v2(Bucket=BUCKET)
        return [one["Key"] for one in listing.get("Contents", [])]

    @staticmethod
    def _session() -> Any:
        return importlib.import_module("botocore.session").get_session()


@contextmanager
def s3_server(kind: str, folder: Path) -> Iterator[S3Server]:
    """Run a server of one kind with an empty bucket; skips where it cannot be had."""
    if importlib.util.find_spec("botocore") is None:
        pytest.skip("needs the extra s3: pip install 'pyrunner[s3]'")
    port = free_port()
    if kind == "moto":
        if importlib.util.find_spec("moto") is None:
            pytest.skip("needs moto: pip install 'moto[server]'")
        command = [sys.executable, "-W", "ignore", "-c", _MOTO, str(port)]
    else:
        command = [
            *(needed_command("versitygw"), "--port", f"127.0.0.1:{port}", "--quiet"),
            *("--access", ACCESS_KEY, "--secret", SECRET_KEY, "posix", str(folder)),
        ]
    with serving(command, port, folder.parent / f"{kind}.log"):
        server = S3Server(port, kind)
        server.client().create_bucket(Bucket=BUCKET)
        yield server


def needed_command(name: str) -> str:
    """Return the path of a command; skips where it is not installed."""
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"needs the command {name}")
    return path


def free_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def serving(
    command: list[str], port: int, log: Path, environment: Mapping[str, str] | None = None
) -> Iterator[None]:
    """Run a server as long as the block; it listens when the block begins."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            cwd=log.parent,
            env={**os.environ, **(environment or {})},
        )
    try:
        deadline = time.monotonic() + _PATIENCE
        while not _listens(port):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        yield
    finally:
        process.kill()
        process.wait()
        assert process.stdin is not None
        process.stdin.close()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class CacheHost:
    """One host: a work tree, a local archive, and the helper's commands on both.

    :param config: of the remote cache.
    :param environment: for the signing process and the helper.
    """

    def __init__(self, folder: Path, config: CacheConfig, **environment: str) -> None:
        self.tree = folder / "tree"
        self.archive = folder / "cache" / "cache.zip"
        self.private = folder / "private"
        self.environment = {**os.environ, "PYTHONPATH": str(_CHECKOUT), "LANG": "C.UTF-8", **environment}
        self._config = config
        self._variables = folder / "variables"
        (self.tree / "lib").mkdir(parents=True)

    def save(
        self,
        key: str,
        content: str = "",
        hashed: bool = False,
        environment: Mapping[str, str] | None = None,
        status: int = 0,
    ) -> str:
        """Save the cache with ``content`` in it; returns the log."""
        if content:
            (self.tree / "lib" / "file").write_text(content)
        with self.remote(hashed) as remote:
            handover = remote.upload(key, {"cachekey": key})
        limit = self._config.max_uploaded_archive_size
        arguments = ["cache-archiver", "--path", "lib", "--alternate-file", "../cache/other/cache.zip"]
        if limit:
            arguments += ["--max-uploaded-archive-size", str(limit)]
        metadata = {"CACHE_METADATA": f'{{"cachekey":"{key}"}}'}
        variables = {**metadata, **(environment or {})}
        return self.run([*arguments, *handover.flags], handover.environment, variables, status)

    def restore(
        self,
        key: str,
        alternate: str = "",
        hashed: bool = False,
        environment: Mapping[str, str] | None = None,
        status: int = 0,
    ) -> str:
        """Restore the cache; returns the log."""
        with self.remote(hashed) as remote:
            handover = remote.download(key, alternate)
        arguments = ["cache-extractor", *handover.flags]
        return self.run(arguments, handover.environment, environment, status)

    @property
    def content(self) -> str:
        """What is in the work tree's cache."""
        return (self.tree / "lib" / "file").read_text()

    def forget(self) -> None:
        """Lose what is on this host."""
        shutil.rmtree(self.archive.parent, ignore_errors=True)
        shutil.rmtree(self.tree / "lib", ignore_errors=True)

    @contextmanager
    def remote(self, hashed: bool = False) -> Iterator[RemoteCache]:
        """Yield the remote cache of one stage."""
        found = remote_cache(
            self._config,
            short_token="t1_abcdef",
            project_id=10,
            timeout=3600,
            hashed_keys=hashed,
            private=self.private,
            environment=self.environment,
        )
        assert found is not None
        try:
            yield found
        finally:
            found.close()

    def run(
        self,
        arguments: list[str],
        variables: Mapping[str, str],
        environment: Mapping[str, str] | None = None,
        status: int = 0,
    ) -> str:
        """Run a command of the helper; returns its log.

        :param variables: what is handed over in a file.
        """
        lines = [f'{name}="{_escaped(value)}"\n' for name, value in variables.items()]
        self._variables.write_text("".join(lines))
        process = subprocess.run(
            [
                *(sys.executable, "-m", "pyrunner.helper", *arguments),
                *("--file", "../cache/cache.zip", "--env-file", str(self._variables)),
            ],
            cwd=self.tree,
            env={**self.environment, **(environment or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        log = process.stdout.decode()  # carriage returns and all
        assert process.returncode == status, log
        return log


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$").replace("`", "\\`")
