"""Where an S3 bucket is and how it is addressed (config-and-commands.md 1.6)."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

from pyrunner.config.cache import S3Cache
from pyrunner.errors import RemoteCacheError

#: The provider's own endpoint: named or not, its regional ones are used.
_AWS: Final = "https://s3.amazonaws.com"
_PORTS: Final = {"https": "443", "http": "80"}

#: Hosts that know a bucket by the name in front of theirs.
_VIRTUAL_HOSTS: Final = (
    re.compile(r"s3(-external-1)?\.amazonaws\.com\Z"),
    re.compile(r"s3[-.].+\.amazonaws\.com(\.cn)?\Z"),
    re.compile(r"s3express-(control|[a-z0-9]{3,7}-az[1-6])\.[a-z0-9-]+\.amazonaws\.com\Z"),
    re.compile(r"(bucket|accesspoint)\.vpce-.+\.s3\..+\.vpce\.amazonaws\.com\Z"),
    re.compile(r"storage\.googleapis\.com\Z"),
    re.compile(r".*aliyuncs\.com\Z"),
)
#: Load balancers of users look alike.
_BALANCER: Final = re.compile(r"elb.*\.amazonaws\.com(\.cn)?\Z")


def endpoint_url(config: S3Cache) -> str:
    """Return the URL of the server; empty: the provider's own, by region.

    :raises RemoteCacheError: when ``ServerAddress`` is not ``host[:port]``.
    """
    address = config.server_address
    if not address:
        return ""
    scheme = "http" if config.insecure else "https"
    try:
        parts = urlsplit(f"{scheme}://{address}")
        port = str(parts.port) if parts.port is not None else ""
    except ValueError:
        parts, port = None, ""
    if parts is None or not parts.hostname or parts.path or "//" in address or "@" in address:
        raise RemoteCacheError(
            "ServerAddress of [runners.cache.s3] has to be host[:port] without scheme and path "
            "(Insecure = true stands for http)"
        )
    host = f"[{parts.hostname}]" if ":" in parts.hostname else address.partition(":")[0]
    url = f"{scheme}://{host}" if port in ("", _PORTS[scheme]) else f"{scheme}://{host}:{port}"
    return "" if url == _AWS else url


def uses_path_style(config: S3Cache) -> bool:
    """Tell whether the bucket is a folder of the path rather than a part of the host name."""
    if config.path_style is not None:
        return config.path_style
    if not config.server_address:
        return False
    host = config.server_address.partition(":")[0].lower()
    # A certificate for *.host covers one label only.
    if "." in config.bucket_name and not config.insecure:
        return True
    known = any(one.match(host) for one in _VIRTUAL_HOSTS)
    return not known or _BALANCER.search(host) is not None


def uses_dual_stack(config: S3Cache) -> bool:
    """Tell whether IPv6 is wanted; it is the provider's own endpoints' to offer."""
    return config.dual_stack is not False


def encryption_type(config: S3Cache) -> str:
    """Return the value of ``x-amz-server-side-encryption``; empty for none.

    :raises ValueError: for a word that is none of the known ones, in capitals.
    """
    word = config.server_side_encryption.upper()
    known = {
        "": "",
        "S3": "AES256",
        "AES256": "AES256",
        "KMS": "aws:kms",
        "AWS:KMS": "aws:kms",
        "DSSE-KMS": "aws:kms:dsse",
        "AWS:KMS:DSSE": "aws:kms:dsse",
    }
    if word not in known:
        raise ValueError(word)
    return known[word]
