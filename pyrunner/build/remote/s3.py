"""Signs for S3: presigned URLs, or credentials of an assumed role (job-execution.md 7.5)."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode

from pyrunner.build.remote.metadata import header_values, metadata_headers
from pyrunner.build.remote.role_credentials import RoleCredentials
from pyrunner.build.remote.s3_endpoint import (
    encryption_type,
    endpoint_url,
    uses_dual_stack,
    uses_path_style,
)
from pyrunner.build.remote.s3_policy import session_policy
from pyrunner.build.remote.signed import Opening, Signed
from pyrunner.config.cache import S3Cache
from pyrunner.errors import RemoteCacheError
from pyrunner.system.extras import load_extra

_FALLBACK_REGION: Final = "us-east-1"
_HOST_LABEL: Final = re.compile(r"[a-z0-9][a-z0-9-]+[a-z0-9]\Z")
_SECONDS_TO_CONNECT: Final = 5
_SECONDS_TO_ANSWER: Final = 10

_log = logging.getLogger(__name__)


class S3Backend:
    """Signs for one bucket.

    :param environment: the variables ``AWS_*_CHECKSUM_*`` of users count for their own servers.
    :raises RemoteCacheError: for settings that cannot work, and without the library.
    """

    def __init__(self, opening: Opening, environment: Mapping[str, str]) -> None:
        if opening.config.s3 is None:
            raise RemoteCacheError("cache adapter could not be initialized: missing S3 configuration")
        self._config = _usable(opening.config.s3)
        self._botocore = load_extra("botocore.session", "s3")
        self._exceptions = load_extra("botocore.exceptions", "s3")
        self._lifetime = opening.lifetime
        self._endpoint = endpoint_url(self._config)
        self._path_style = uses_path_style(self._config)
        self._encryption = _known_encryption(self._config)
        self._private = Path(opening.private) if opening.private else None
        self._session = self._botocore.get_session()
        self._region = self._config.bucket_location or self._detected_region()
        self._s3 = self._client("s3", self._region)
        self._roles: RoleCredentials | None = None

    def download(self, name: str, alternate: str) -> Signed:
        """Sign fetching ``name``."""
        names = [one.lstrip("/") for one in (name, alternate) if one]
        if role := self._config.role_arn:
            environment = self._roles_of(role, names, upload=False)
            urls = [self._gocloud_url(one) for one in names]
            return Signed(
                gocloud_url=urls[0],
                alternate_gocloud_url=urls[1] if alternate else "",
                environment=environment,
            )
        got = [self._presigned("get_object", one) for one in names]
        heads = [self._presigned("head_object", one) for one in names]
        return Signed(
            url=got[0],
            head_url=heads[0],
            alternate_url=got[1] if alternate else "",
            alternate_head_url=heads[1] if alternate else "",
        )

    def upload(self, name: str, metadata: Mapping[str, str]) -> Signed:
        """Sign storing ``name``."""
        name = name.lstrip("/")
        if role := self._config.role_arn or self._config.upload_role_arn:
            environment = self._roles_of(role, [name], upload=True)
            return Signed(gocloud_url=self._gocloud_url(name), environment=environment)
        parameters: dict[str, Any] = {"Metadata": header_values(metadata)} if metadata else {}
        headers = metadata_headers("x-amz-meta-", metadata)
        if self._encryption:
            parameters["ServerSideEncryption"] = self._encryption
            headers["x-amz-server-side-encryption"] = self._encryption
        if self._key_id:
            parameters["SSEKMSKeyId"] = self._key_id
            headers["x-amz-server-side-encryption-aws-kms-key-id"] = self._key_id
        return Signed(
            url=self._presigned("put_object", name, **parameters),
            head_url=self._presigned("head_object", name),
            headers=headers,
        )

    @property
    def _key_id(self) -> str:
        return self._config.server_side_encryption_key_id if self._encryption.startswith("aws:kms") else ""

    def _presigned(self, operation: str, name: str, **parameters: object) -> str:
        values = {"Bucket": self._config.bucket_name, "Key": name, **parameters}
        try:
            url = self._s3.generate_presigned_url(operation, Params=values, ExpiresIn=self._lifetime)
        except self._exceptions.BotoCoreError as error:
            raise RemoteCacheError(f"error while generating S3 pre-signed URL: {error}") from error
        return str(url)

    def _gocloud_url(self, name: str) -> str:
        """Return the URL by which the helper finds an object; its query is that of Go's ``gocloud.dev``."""
        query = {"awssdk": "v2", "region": self._region}
        if self._endpoint:
            query["endpoint"] = self._endpoint
            if self._path_style:
                query["hostname_immutable"] = "true"
        if self._path_style:
            query["use_path_style"] = "true"
        if uses_dual_stack(self._config):
            query["dualstack"] = "true"
        if self._config.accelerate:
            query["accelerate"] = "true"
        if self._encryption:
            query["ssetype"] = self._encryption
        if self._config.server_side_encryption_key_id:
            query["kmskeyid"] = self._config.server_side_encryption_key_id
        path = quote(name, safe="/$&+,:;=@")
        return f"s3://{self._config.bucket_name}/{path}?{urlencode(sorted(query.items()))}"

    def _roles_of(self, role: str, names: list[str], upload: bool) -> dict[str, str]:
        if self._roles is None:
            self._roles = RoleCredentials(
                self._assume,
                self._private,
                concurrency=self._config.assume_role_max_concurrency,
                kept=not self._config.disable_assume_role_credentials_caching,
            )
        key_id = self._key_id
        policy = session_policy(self._config.bucket_name, names, self._region, upload, key_id)
        return self._roles.fetch(role, policy, self._config.access_key, self._lifetime)

    def _assume(self, role: str, session_name: str, policy: str, seconds: int) -> Mapping[str, Any]:
        client = self._client("sts", self._region)
        try:
            answer = client.assume_role(
                RoleArn=role, RoleSessionName=session_name, Policy=policy, DurationSeconds=seconds
            )
        except (self._exceptions.BotoCoreError, self._exceptions.ClientError) as error:
            raise RemoteCacheError(str(error)) from error
        credentials: Mapping[str, Any] = answer["Credentials"]
        return credentials

    def _detected_region(self) -> str:
        """Ask where the bucket is; a wrong guess shows in what the server answers to the transfer."""
        fields: dict[str, object] = {
            "endpoint": self._endpoint or "https://s3.amazonaws.com",
            "bucket": self._config.bucket_name,
        }
        try:
            answer = self._client("s3", _FALLBACK_REGION).get_bucket_location(Bucket=self._config.bucket_name)
        except (self._exceptions.BotoCoreError, self._exceptions.ClientError) as error:
            _log.warning(
                "Failed to detect S3 bucket location, falling back to default region",
                extra={"fields": {**fields, "error": str(error)}},
            )
            return _FALLBACK_REGION
        location = answer.get("LocationConstraint") or _FALLBACK_REGION
        return "eu-west-1" if location == "EU" else str(location)

    def _client(self, service: str, region: str) -> Any:
        options: dict[str, Any] = {"region_name": region}
        config = self._config
        if config.effective_authentication_type == "access-key":
            options["aws_access_key_id"] = config.access_key
            options["aws_secret_access_key"] = config.secret_key
            options["aws_session_token"] = config.session_token or None
        settings: dict[str, Any] = {
            "connect_timeout": _SECONDS_TO_CONNECT,
            "read_timeout": _SECONDS_TO_ANSWER,
            "retries": {"total_max_attempts": 2, "mode": "standard"},
        }
        if service == "s3":
            settings |= self._s3_settings()
            options["endpoint_url"] = self._endpoint or None
        module = load_extra("botocore.config", "s3")
        try:
            return self._session.create_client(service, config=module.Config(**settings), **options)
        except (self._exceptions.BotoCoreError, ValueError) as error:
            raise RemoteCacheError(f"error while creating S3 cache storage client: {error}") from error

    def _s3_settings(self) -> dict[str, Any]:
        # Not "auto": presigned URLs would then be of one global host, which redirects what it should take.
        by_path = self._path_style or not (self._endpoint or _HOST_LABEL.match(self._config.bucket_name))
        s3: dict[str, Any] = {"addressing_style": "path" if by_path else "virtual"}
        settings: dict[str, Any] = {
            "signature_version": "s3v4",
            # A checksum of an empty body would be signed: whoever has the URL sends another one.
            "request_checksum_calculation": "when_required",
            "response_checksum_validation": "when_required",
            "s3": s3,
        }
        if not self._endpoint:  # both are of the provider's own endpoints
            s3["use_accelerate_endpoint"] = self._config.accelerate
            settings["use_dualstack_endpoint"] = uses_dual_stack(self._config)
        return settings


def _usable(config: S3Cache) -> S3Cache:
    """Return ``config`` when it can work."""
    if not config.bucket_name:
        raise RemoteCacheError("config BucketName cannot be empty: set it in [runners.cache.s3]")
    kind = config.effective_authentication_type
    if kind not in ("iam", "access-key"):
        raise RemoteCacheError(
            f'AuthenticationType "{config.authentication_type}" of [runners.cache.s3] is not usable: '
            'write "access-key" or "iam"'
        )
    if kind == "access-key" and not (config.access_key and config.secret_key):
        raise RemoteCacheError(
            "AccessKey and SecretKey of [runners.cache.s3] are both needed: "
            'set them, or AuthenticationType = "iam"'
        )
    return config


def _known_encryption(config: S3Cache) -> str:
    try:
        return encryption_type(config)
    except ValueError as error:
        _log.warning("unknown ServerSideEncryption value: %s", error)
        return ""
