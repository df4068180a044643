"""Endpoint, addressing and encryption of an S3 bucket (config-and-commands.md 1.6)."""

from __future__ import annotations

from typing import Any

import pytest

from pyrunner.build.remote.s3_endpoint import (
    encryption_type,
    endpoint_url,
    uses_dual_stack,
    uses_path_style,
)
from pyrunner.config.cache import S3Cache
from pyrunner.errors import RemoteCacheError


@pytest.mark.parametrize(
    ("address", "insecure", "expected"),
    [
        ("", False, ""),
        ("s3.amazonaws.com", False, ""),
        ("s3.amazonaws.com:443", False, ""),
        ("s3.amazonaws.com", True, "http://s3.amazonaws.com"),
        ("minio.example.com:9000", False, "https://minio.example.com:9000"),
        ("minio.example.com:443", False, "https://minio.example.com"),
        ("minio.example.com:443", True, "http://minio.example.com:443"),
        ("minio.example.com:80", True, "http://minio.example.com"),
        ("[::1]:9000", True, "http://[::1]:9000"),
        ("storage.googleapis.com", False, "https://storage.googleapis.com"),
    ],
)
def test_endpoints(address: str, insecure: bool, expected: str) -> None:
    """Ports that the scheme implies are dropped; the provider's own name means its regional endpoints."""
    assert endpoint_url(S3Cache(server_address=address, insecure=insecure)) == expected


@pytest.mark.parametrize("address", ["https://minio:9000", "minio:port", "minio/path", "user@minio", ":9000"])
def test_addresses_that_are_none(address: str) -> None:
    """Said with the form that is expected."""
    with pytest.raises(RemoteCacheError, match=r"has to be host\[:port\]"):
        endpoint_url(S3Cache(server_address=address))


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, False),
        ({"server_address": "s3.amazonaws.com"}, False),
        ({"server_address": "s3.eu-west-1.amazonaws.com"}, False),
        ({"server_address": "s3-eu-west-1.amazonaws.com:443"}, False),
        ({"server_address": "s3.dualstack.eu-west-1.amazonaws.com"}, False),
        ({"server_address": "s3.cn-north-1.amazonaws.com.cn"}, False),
        ({"server_address": "storage.googleapis.com"}, False),
        ({"server_address": "oss-cn-hangzhou.aliyuncs.com"}, False),
        ({"server_address": "s3.eu-west-1.amazonaws.com", "bucket_name": "a.b"}, True),
        ({"server_address": "my-elb-1.eu-west-1.elb.amazonaws.com"}, True),
        ({"server_address": "minio:9000"}, True),
        ({"server_address": "minio:9000", "path_style": False}, False),
        ({"path_style": True}, True),
    ],
)
def test_path_style(settings: dict[str, Any], expected: bool) -> None:
    """Set, or found out by whether the server knows buckets by host names."""
    assert uses_path_style(S3Cache(**settings)) is expected


def test_dual_stack_is_the_default() -> None:
    """Only false turns it off."""
    assert [uses_dual_stack(S3Cache(dual_stack=one)) for one in (None, True, False)] == [True, True, False]


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("", ""),
        ("s3", "AES256"),
        ("aes256", "AES256"),
        ("Kms", "aws:kms"),
        ("aws:kms", "aws:kms"),
        ("dsse-kms", "aws:kms:dsse"),
        ("AWS:KMS:DSSE", "aws:kms:dsse"),
    ],
)
def test_encryption(word: str, expected: str) -> None:
    """Both spellings, in any case."""
    assert encryption_type(S3Cache(server_side_encryption=word)) == expected


def test_unknown_encryption() -> None:
    """The caller warns with the word in capitals."""
    with pytest.raises(ValueError, match="ROT13"):
        encryption_type(S3Cache(server_side_encryption="rot13"))
