"""Remote caches on a real S3 server: saved here, found there (job-execution.md 7.2, 7.3, 7.5)."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyrunner.config.cache import CacheConfig
from pyrunner.coordinator.server import EmbeddedCoordinator
from pyrunner.errors import RemoteCacheError
from tests.support.object_storage import BUCKET, SECRET_KEY, CacheHost, S3Server, s3_server
from tests.support.runner import RunnerProcess

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]

OBJECT = "some/prefix/runner/t1_abcdef/project/10/"
ROLE = "arn:aws:iam::123456789012:role/cache"


@pytest.fixture(scope="module", params=["moto", "versitygw"])
def any_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[S3Server]:
    """Each kind of server in turn."""
    with s3_server(request.param, tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture(scope="module")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A server that knows roles, regions and encryption."""
    with s3_server("moto", tmp_path_factory.mktemp("s3")) as server:
        yield server


def test_a_cache_is_found_on_another_host(any_server: S3Server, tmp_path: Path) -> None:
    """Any key, its metadata with it, under gitlab-runner's name; nothing that is a secret is shown."""
    key = "build cache/ä+k%20 $x"
    log = CacheHost(tmp_path / "one", any_server.config()).save(key, "content")
    assert "Using presigned URL for cache upload" in log
    assert f"Uploading cache.zip to {any_server.url}/{BUCKET}/{OBJECT}build%20cache/" in log
    other = CacheHost(tmp_path / "two", any_server.config())
    more = other.restore(key)
    assert other.content == "content"
    assert "Downloading cache from" in more
    assert "etag" in more
    assert "X-Amz" not in log + more
    assert OBJECT + key in any_server.names()
    assert '"cachekey"' in (other.archive.parent / "metadata.json").read_text()


def test_what_this_host_has_stored_is_not_fetched_again(any_server: S3Server, tmp_path: Path) -> None:
    """The object is known by its ETag, although its time is later than the archive's."""
    host = CacheHost(tmp_path, any_server.config())
    host.save("known", "content")
    os.utime(host.archive, (time.time() - 100, host.archive.stat().st_mtime - 100))
    assert "is up to date" not in host.restore("known")  # its record is for another archive
    host.save("known", "changed")
    assert "cache.zip is up to date" in host.restore("known")


def test_an_unchanged_cache_is_not_sent_again(any_server: S3Server, tmp_path: Path) -> None:
    """Neither by the host that made it nor by the one that has fetched it."""
    host, other = (CacheHost(tmp_path / name, any_server.config()) for name in ("one", "two"))
    host.save("unchanged", "content")
    assert "Primary cache already exists remotely, skipping upload" in host.save("unchanged")
    other.restore("unchanged")
    assert "Primary cache already exists remotely, skipping upload" in other.save("unchanged")


def test_an_archive_whose_upload_failed_is_sent_later(any_server: S3Server, tmp_path: Path) -> None:
    """An older object in its place does not count as it."""
    host = CacheHost(tmp_path, any_server.config())
    host.save("late", "old")
    (host.archive.parent / "remote.json").unlink()
    os.utime(host.archive, (time.time(), time.time() + 3600))
    log = host.save("late")
    assert "uploading existing archive" in log
    assert "Uploading cache.zip to" in log


def test_a_missing_object_is_a_warning(any_server: S3Server, tmp_path: Path) -> None:
    """Exit code 1, and a local archive is not tried (7.2)."""
    host = CacheHost(tmp_path, any_server.config())
    host.save("there", "content")
    log = host.restore("not there", status=1)
    assert "WARNING: file does not exist" in log


def test_the_newer_of_two_schemes_counts(any_server: S3Server, tmp_path: Path) -> None:
    """The alternate is taken when only it is there, or when it is newer."""
    digest = "ab" * 32
    host = CacheHost(tmp_path, any_server.config())
    host.save(digest, "hashed", hashed=True)
    assert f"{OBJECT}ab/{digest}" in any_server.names()
    host.forget()
    log = host.restore("plain", digest)
    assert "Selecting alternate cache URL: primary not available" in log
    assert host.content == "hashed"
    time.sleep(1.1)  # servers keep whole seconds
    host.save("plain", "newer")
    host.forget()
    assert "Selecting primary cache URL" in host.restore("plain", digest)
    assert host.content == "newer"
    host.forget()
    assert "Selecting alternate cache URL: newer timestamp" in host.restore(digest, "plain", hashed=True)
    assert host.content == "newer"


def test_a_large_archive_stays_here(any_server: S3Server, tmp_path: Path) -> None:
    """Beyond MaxUploadedArchiveSize it is kept locally only, and that is no failure."""
    host = CacheHost(tmp_path, any_server.config(limit=10))
    log = host.save("limited", "content")
    assert "is too big (Limit is set to 10). Cache will be stored only locally." in log
    assert OBJECT + "limited" not in any_server.names()


def test_the_servers_reason_is_told(any_server: S3Server, tmp_path: Path) -> None:
    """What the server says in XML is in the log; the job's helper fails, the archive stays."""
    host = CacheHost(tmp_path, any_server.config(bucket_name="no-such-bucket"))
    log = host.save("key", "content", status=1)
    assert "FATAL: received: 404 " in log
    assert "Request failed with code: NoSuchBucket, message: " in log
    assert host.archive.exists()


def test_ranges_in_parallel(any_server: S3Server, tmp_path: Path) -> None:
    """FF_USE_PARALLEL_CACHE_TRANSFER: the same bytes, with progress if wanted."""
    text = "".join(str(number) for number in range(200_000))
    tuning = {
        "FF_USE_PARALLEL_CACHE_TRANSFER": "true",
        "CACHE_CHUNK_SIZE": "65536",
        "CACHE_CONCURRENCY": "4",
        "TRANSFER_METER_FREQUENCY": "1s",
    }
    host = CacheHost(tmp_path, any_server.config())
    log = host.save("parallel", text, environment=tuning)
    assert "\rUploading cache " in log
    made = host.archive.read_bytes()
    host.forget()
    log = host.restore("parallel", environment=tuning)
    assert "(parallel)" in log
    assert "\rDownloading cache " in log
    assert (host.content, host.archive.read_bytes()) == (text, made)
    assert "cache.zip is up to date" in host.restore("parallel", environment=tuning)


@pytest.mark.parametrize("kind", ["S3", "kms", "aws:kms:dsse"])
def test_server_side_encryption(moto: S3Server, tmp_path: Path, kind: str) -> None:
    """Its headers are signed and sent."""
    key_id = "" if kind == "S3" else "arn:aws:kms:us-east-1:123456789012:key/1234"
    config = moto.config(server_side_encryption=kind, server_side_encryption_key_id=key_id)
    CacheHost(tmp_path, config).save("encrypted", "content")
    head = moto.client().head_object(Bucket=BUCKET, Key=OBJECT + "encrypted")
    expected = {"S3": "AES256", "kms": "aws:kms", "aws:kms:dsse": "aws:kms:dsse"}
    assert head["ServerSideEncryption"] == expected[kind]
    if kind == "kms":  # the server does not tell it for the others
        assert head["SSEKMSKeyId"] == key_id


@pytest.mark.parametrize("parallel", ["false", "true"])
def test_an_assumed_role_transfers_in_parts(moto: S3Server, tmp_path: Path, parallel: str) -> None:
    """With RoleARN the helper gets scoped credentials, and sends parts: no limit of 5 GiB."""
    endpoint = {"AWS_ENDPOINT_URL_STS": moto.url, "FF_USE_PARALLEL_CACHE_TRANSFER": parallel}
    config = moto.config(role_arn=ROLE, server_side_encryption="S3")
    host = CacheHost(tmp_path / "one", config, CACHE_CHUNK_SIZE=str(5 * 1024 * 1024), **endpoint)
    (host.tree / "lib" / "noise").write_bytes(os.urandom(11 * 1024 * 1024))
    log = host.save("role", "content")
    assert "Using GoCloud URL for cache upload" in log
    head = moto.client().head_object(Bucket=BUCKET, Key=OBJECT + "role")
    assert head["ETag"].endswith('-3"')  # so many parts
    assert (head["Metadata"], head["ServerSideEncryption"]) == ({"cachekey": "role"}, "AES256")
    assert "cache.zip is up to date" in host.restore("role")
    other = CacheHost(tmp_path / "two", config, **endpoint)
    assert "Using GoCloud URL for cache download" in other.restore("role", "cd" * 32)
    assert other.content == "content"
    assert (other.archive.parent / "metadata.json").read_text() == '{"cachekey":"role"}'


def test_role_credentials_are_shared_by_jobs(moto: S3Server, tmp_path: Path) -> None:
    """One call to the token service an hour for one cache and direction; they are nobody else's to read."""
    host = CacheHost(tmp_path, moto.config(role_arn=ROLE), AWS_ENDPOINT_URL_STS=moto.url)
    handovers = []
    for _ in range(2):
        with host.remote() as remote:
            handovers.append(remote.upload("shared", {}).environment)
    assert handovers[0] == handovers[1]
    assert handovers[0]["AWS_PROFILE"] == ""
    (kept,) = host.private.glob("*.json")
    assert (kept.stat().st_mode & 0o777, host.private.stat().st_mode & 0o777) == (0o600, 0o700)
    with host.remote() as remote:
        assert remote.download("shared").environment != handovers[0]


def test_only_uploads_use_the_upload_role(moto: S3Server, tmp_path: Path) -> None:
    """UploadRoleARN leaves downloads presigned."""
    host = CacheHost(tmp_path, moto.config(upload_role_arn=ROLE), AWS_ENDPOINT_URL_STS=moto.url)
    assert "Using GoCloud URL" in host.save("half", "content")
    host.forget()
    assert "Using presigned URL for cache download" in host.restore("half")


def test_the_token_services_refusal_is_told(moto: S3Server, tmp_path: Path) -> None:
    """An error of the service ends the signing, not the job."""
    host = CacheHost(tmp_path, moto.config(role_arn="none"), AWS_ENDPOINT_URL_STS=moto.url)
    with (
        host.remote() as remote,
        pytest.raises(RemoteCacheError, match=r"failed to assume role \(took .*s\)"),
    ):
        remote.upload("key", {})


def test_the_buckets_region_is_found(moto: S3Server, tmp_path: Path) -> None:
    """An empty BucketLocation is asked for; signatures name what the server says."""
    client = moto.client()
    client.create_bucket(Bucket="in-europe", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    host = CacheHost(tmp_path, moto.config(bucket_name="in-europe", bucket_location=""))
    with host.remote() as remote:
        assert "%2Feu-central-1%2Fs3%2F" in remote.download("key").environment["PYRUNNER_CACHE_URL"]


def test_credentials_of_the_machine(moto: S3Server, tmp_path: Path) -> None:
    """With iam the provider's own chain is asked, of the manager's environment."""
    config = moto.config(access_key="", secret_key="", authentication_type="IAM")
    host = CacheHost(
        tmp_path, config, AWS_ACCESS_KEY_ID="machine", AWS_SECRET_ACCESS_KEY="x", AWS_SESSION_TOKEN="session"
    )
    with host.remote() as remote:
        url = remote.download("key").environment["PYRUNNER_CACHE_URL"]
    assert "X-Amz-Credential=machine%2F" in url
    assert "X-Amz-Security-Token=session" in url


def test_a_missing_library_is_named(tmp_path: Path) -> None:
    """The text says what to install."""
    (tmp_path / "botocore").mkdir()
    (tmp_path / "botocore" / "__init__.py").write_text("raise ModuleNotFoundError(name='botocore')")
    checkout = Path(__file__).resolve().parents[2]
    host = CacheHost(
        tmp_path / "host", S3Server(1, "none").config(), PYTHONPATH=f"{tmp_path}{os.pathsep}{checkout}"
    )
    with host.remote() as remote, pytest.raises(RemoteCacheError, match=r"run pip install 'pyrunner\[s3\]'"):
        remote.download("key")


def settings_of(config: CacheConfig) -> dict[str, dict[str, object]]:
    """Return ``[runners.cache]`` and ``[runners.cache.s3]`` for config.toml."""
    s3 = config.s3
    assert s3 is not None
    return {
        "cache": {"Type": config.type, "Path": config.path, "Shared": config.shared},
        "cache.s3": {
            "ServerAddress": s3.server_address,
            "Insecure": s3.insecure,
            "AccessKey": s3.access_key,
            "SecretKey": s3.secret_key,
            "BucketName": s3.bucket_name,
            "BucketLocation": s3.bucket_location,
        },
    }


def test_two_runners_share_a_bucket(
    any_server: S3Server, coordinator: EmbeddedCoordinator, tmp_path: Path
) -> None:
    """What a job of one runner saved, a job of another one finds; no secret is in any log."""
    tables = settings_of(any_server.config(shared=True))
    cache = {"key": "shared by two", "paths": ["lib/"]}
    traces = []
    for name, script in (("one", "mkdir -p lib; echo bytes of one > lib/f"), ("two", "cat lib/f")):
        with RunnerProcess(tmp_path / name, coordinator.url, coordinator.add_runner(), **tables):
            job = coordinator.enqueue(script=[script], cache=[cache])
            coordinator.wait_for(job, "success")
            traces.append(coordinator.trace(job).decode())
    assert "Using presigned URL for cache upload" in traces[0]
    assert "Successfully extracted cache" in traces[1]
    assert "bytes of one" in traces[1]
    assert "some/prefix/project/1/shared by two" in any_server.names()
    logs = [(tmp_path / name / "manager.log").read_text() for name in ("one", "two")]
    for text in (*traces, *logs):
        assert SECRET_KEY not in text
        assert "X-Amz-Signature" not in text
    assert coordinator.violations == []


def test_a_job_goes_on_without_its_remote_cache(coordinator: EmbeddedCoordinator, tmp_path: Path) -> None:
    """Settings that cannot work are said in the trace; the local cache serves."""
    tables: dict[str, dict[str, object]] = {"cache": {"Type": "s3"}, "cache.s3": {"BucketLocation": "x"}}
    cache = {"key": "local", "paths": ["lib/"]}
    with RunnerProcess(tmp_path, coordinator.url, coordinator.add_runner(), **tables):
        job = coordinator.enqueue(script=["mkdir -p lib; echo x > lib/f"], cache=[cache])
        coordinator.wait_for(job, "success")
        trace = coordinator.trace(job).decode()
    assert "Failed to obtain environment for cache local: config BucketName cannot be empty" in trace
    assert "Unable to generate cache upload environment: config BucketName cannot be empty" in trace
    assert "Created cache" in trace
