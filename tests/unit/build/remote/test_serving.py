"""The signing process: requests in, answers out, no secret in a text (job-execution.md 7.5)."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from pyrunner.build.remote.__main__ import serve
from pyrunner.build.remote.signed import LONGEST, Opening, Request
from pyrunner.config.cache import AzureCache, CacheConfig, GCSCache, S3Cache

AZURE_KEY = "c2VjcmV0IGtleQ=="


def answers(
    config: CacheConfig, requests: Iterable[Request], timeout: float = 3600, **environment: str
) -> list[Any]:
    """Return the answers to requests."""
    lines = [json.dumps(asdict(Opening(config, timeout))), *(json.dumps(asdict(one)) for one in requests)]
    out = io.StringIO()
    serve(lines, out, environment)
    return [json.loads(line) for line in out.getvalue().splitlines()]


def query_of(url: str) -> dict[str, str]:
    """Return the query of a URL."""
    return {key: values[0] for key, values in parse_qs(urlsplit(url).query).items()}


DOWNLOAD = Request("download", "p/key", "p/other")
UPLOAD = Request("upload", "p/key", metadata={"cachekey": "key"})


class TestS3:
    """``Type = "s3"``."""

    @pytest.fixture(autouse=True)
    def _library(self) -> None:
        pytest.importorskip("botocore", reason="needs the extra s3")

    @staticmethod
    def config(**changes: Any) -> CacheConfig:
        """Return a configuration with keys of its own."""
        settings: dict[str, Any] = {
            "access_key": "AKEY",
            "secret_key": "SECRET",
            "bucket_name": "bucket",
            "bucket_location": "eu-west-1",
            "authentication_type": "access-key",
        }
        return CacheConfig(type="s3", s3=S3Cache(**{**settings, **changes}))

    def test_a_download(self) -> None:
        """GET and HEAD of both names, as long as the job may last."""
        (answer,) = answers(self.config(), [DOWNLOAD], timeout=1234)
        signed = answer["signed"]
        for url, name in (
            *((signed[one], "p/key") for one in ("url", "head_url")),
            *((signed[one], "p/other") for one in ("alternate_url", "alternate_head_url")),
        ):
            assert url.startswith(f"https://bucket.s3.dualstack.eu-west-1.amazonaws.com/{name}?")
            query = query_of(url)
            assert query["X-Amz-Expires"] == "1234"
            assert query["X-Amz-SignedHeaders"] == "host"
            assert query["X-Amz-Credential"].startswith("AKEY/")
        assert (signed["headers"], signed["environment"], answer["error"]) == ({}, {}, "")

    def test_an_upload(self) -> None:
        """Its metadata is signed, no checksum of nothing is."""
        (answer,) = answers(self.config(session_token="SESSION"), [UPLOAD])
        signed = answer["signed"]
        query = query_of(signed["url"])
        assert query["X-Amz-SignedHeaders"] == "host;x-amz-meta-cachekey"
        assert query["X-Amz-Security-Token"] == "SESSION"
        assert signed["headers"] == {"x-amz-meta-cachekey": "key"}
        assert not any("checksum" in name.lower() for name in query)
        assert signed["head_url"]

    @pytest.mark.parametrize(
        ("changes", "start"),
        [
            ({"dual_stack": False}, "https://bucket.s3.eu-west-1.amazonaws.com/p/key?"),
            ({"bucket_name": "a.b"}, "https://s3.dualstack.eu-west-1.amazonaws.com/a.b/p/key?"),
            ({"accelerate": True, "dual_stack": False}, "https://bucket.s3-accelerate.amazonaws.com/p/key?"),
            ({"accelerate": True}, "https://bucket.s3-accelerate.dualstack.amazonaws.com/p/key?"),
            ({"path_style": True}, "https://s3.dualstack.eu-west-1.amazonaws.com/bucket/p/key?"),
            ({"server_address": "minio:9000"}, "https://minio:9000/bucket/p/key?"),
            ({"server_address": "minio:9000", "insecure": True}, "http://minio:9000/bucket/p/key?"),
            ({"server_address": "minio:9000", "path_style": False}, "https://bucket.minio:9000/p/key?"),
            ({"server_address": "storage.googleapis.com"}, "https://bucket.storage.googleapis.com/p/key?"),
        ],
    )
    def test_where_the_bucket_is(self, changes: dict[str, Any], start: str) -> None:
        """Endpoint and style of addressing, by the settings."""
        (answer,) = answers(self.config(**changes), [DOWNLOAD])
        assert answer["signed"]["url"].startswith(start)

    def test_no_signature_lives_longer_than_a_week(self) -> None:
        """No server would take it."""
        (answer,) = answers(self.config(), [DOWNLOAD], timeout=30 * 24 * 3600)
        assert query_of(answer["signed"]["url"])["X-Amz-Expires"] == str(LONGEST)

    def test_unknown_encryption_is_none(self) -> None:
        """With a warning in the process log."""
        (answer,) = answers(self.config(server_side_encryption="rot13"), [UPLOAD])
        assert list(answer["signed"]["headers"]) == ["x-amz-meta-cachekey"]

    @pytest.mark.parametrize(
        ("changes", "text"),
        [
            ({"bucket_name": ""}, "config BucketName cannot be empty"),
            ({"authentication_type": "key"}, 'AuthenticationType "key"'),
            ({"secret_key": ""}, "AccessKey and SecretKey"),
            ({"server_address": "https://SECRET"}, "ServerAddress"),
            ({"authentication_type": "iam"}, "Unable to locate credentials"),
        ],
    )
    def test_settings_that_cannot_work(
        self, changes: dict[str, Any], text: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Are said for each request, without what is secret."""
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
        monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
        found = answers(self.config(**changes), [DOWNLOAD, UPLOAD])
        assert [text in one["error"] for one in found] == [True, True]
        assert not any("SECRET" in one["error"] for one in found)


@pytest.mark.parametrize(
    ("kind", "text"), [("s3", "missing S3"), ("gcsv2", "missing GCS"), ("azure", "missing Azure")]
)
def test_a_missing_table(kind: str, text: str) -> None:
    """In gitlab-runner's words."""
    (answer,) = answers(CacheConfig(type=kind), [DOWNLOAD])
    assert answer["error"] == f"cache adapter could not be initialized: {text} configuration"


class TestAzure:
    """``Type = "azure"``."""

    @pytest.fixture(autouse=True)
    def _library(self) -> None:
        pytest.importorskip("azure.storage.blob", reason="needs the extra azure")

    @staticmethod
    def config(**changes: str) -> CacheConfig:
        """Return a configuration with a key."""
        settings = {"account_name": "account", "account_key": AZURE_KEY, "container_name": "container"}
        return CacheConfig(type="azure", azure=AzureCache(**{**settings, **changes}))

    def test_a_token_for_one_direction(self) -> None:
        """Read or write, https only, good from an hour ago; the key itself is never handed over."""
        down, up = answers(self.config(storage_domain="blob.example.com"), [DOWNLOAD, UPLOAD])
        for answer, permission in ((down, "r"), (up, "w")):
            signed = answer["signed"]
            assert signed["gocloud_url"] == "azblob://container/p/key"
            environment = signed["environment"]
            assert environment["AZURE_STORAGE_ACCOUNT"] == "account"
            assert environment["AZURE_STORAGE_DOMAIN"] == "blob.example.com"
            token = query_of("?" + environment["AZURE_STORAGE_SAS_TOKEN"])
            assert (token["sp"], token["spr"], token["sr"]) == (permission, "https", "b")
            assert AZURE_KEY not in str(answer)

    @pytest.mark.parametrize(
        ("changes", "text"),
        [
            ({"account_name": ""}, "missing Azure storage account name"),
            ({"container_name": ""}, "ContainerName can't be empty"),
            ({"account_key": "no base64"}, "creating Azure SAS"),
        ],
    )
    def test_settings_that_cannot_work(self, changes: dict[str, str], text: str) -> None:
        """In gitlab-runner's words, without the key."""
        (answer,) = answers(self.config(**changes), [DOWNLOAD])
        assert text in answer["error"]
        assert "no base64" not in answer["error"]


class TestGCS:
    """``Type = "gcs"``; signing itself is in tests/integration/test_remote_cache_gcs.py."""

    @pytest.fixture(autouse=True)
    def _library(self) -> None:
        pytest.importorskip("google.cloud.storage", reason="needs the extra gcs")

    @pytest.mark.parametrize(
        ("changes", "text"),
        [
            ({"bucket_name": ""}, "config BucketName cannot be empty"),
            ({"access_id": "me"}, "AccessID and PrivateKey"),
            ({"private_key": "SECRET"}, "AccessID and PrivateKey"),
            ({"access_id": "me", "private_key": "SECRET"}, "creating storage client"),
            ({"credentials_file": "/nonexistent"}, "creating storage client"),
        ],
    )
    def test_settings_that_cannot_work(self, changes: dict[str, str], text: str) -> None:
        """Are said, without the key."""
        config = CacheConfig(type="gcs", gcs=GCSCache(**{"bucket_name": "bucket", **changes}))
        (answer,) = answers(config, [DOWNLOAD])
        assert text in answer["error"]
        assert "SECRET" not in answer["error"]
