"""S3 with credentials of an assumed role, in parts: archives beyond 5 GiB (job-execution.md 7.5)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from pyrunner.helper.remote.failures import RetriableError, TransferError
from pyrunner.helper.remote.gocloud import ObjectMissing, Place
from pyrunner.helper.remote.object_metadata import decoded, encoded
from pyrunner.helper.remote.options import Tuning
from pyrunner.helper.remote.storing import Attributes
from pyrunner.system.extras import load_extra

_CONNECT: Final = 30
_SILENCE: Final = 30
#: S3 takes no smaller part.
_SMALLEST_PART: Final = 5 * 1024 * 1024
_BUFFER: Final = 256 * 1024


class S3Objects:
    """One bucket, by boto3."""

    def __init__(self, place: Place, environment: Mapping[str, str], tuning: Tuning) -> None:
        # A job's own profile would win over the credentials, or be missing.
        for name in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE"):
            os.environ.pop(name, None)
        boto3 = load_extra("boto3", "s3")
        self._config = load_extra("botocore.config", "s3").Config
        self._failures = load_extra("botocore.exceptions", "s3")
        self._transfer = load_extra("boto3.s3.transfer", "s3")
        self._bucket = place.bucket
        self._query = place.query
        self._tuning = tuning
        with self._named("open"):
            self._client = boto3.client(
                "s3",
                region_name=place.query.get("region") or None,
                endpoint_url=place.query.get("endpoint") or None,
                aws_access_key_id=environment.get("AWS_ACCESS_KEY_ID"),
                aws_secret_access_key=environment.get("AWS_SECRET_ACCESS_KEY"),
                aws_session_token=environment.get("AWS_SESSION_TOKEN"),
                config=self._settings(),
            )

    def attributes(self, name: str) -> Attributes:
        """Return size, time and metadata."""
        with self._named("head", name):
            head = self._client.head_object(Bucket=self._bucket, Key=name)
        return Attributes(
            head["ContentLength"],
            head["LastModified"].timestamp(),
            head.get("ETag", ""),
            decoded(head.get("Metadata", {})),
        )

    def read(self, name: str, offset: int, length: int, etag: str) -> Iterator[bytes]:
        """Yield a range."""
        options = {"Range": f"bytes={offset}-{offset + length - 1}"} | ({"IfMatch": etag} if etag else {})
        with self._named("get", name):
            body = self._client.get_object(Bucket=self._bucket, Key=name, **options)["Body"]
            size = min(self._tuning.buffer, _BUFFER) if self._tuning.parallel else self._tuning.buffer
            yield from body.iter_chunks(size)

    def write(self, name: str, file: Path, metadata: Mapping[str, str], count: Callable[[int], None]) -> str:
        """Store a file, in parts beyond the size of one."""
        options: dict[str, Any] = {"Metadata": encoded(metadata)} if metadata else {}
        if encryption := self._query.get("ssetype"):
            options["ServerSideEncryption"] = encryption
            if key_id := self._query.get("kmskeyid"):
                options["SSEKMSKeyId"] = key_id
        chunk = max(self._tuning.chunk, _SMALLEST_PART)
        transfer = self._transfer.TransferConfig(
            multipart_threshold=chunk,
            multipart_chunksize=chunk,  # made larger by the library where there would be too many parts
            max_concurrency=max(self._tuning.concurrency, 1),
            use_threads=self._tuning.parallel and self._tuning.concurrency > 1,
        )
        with self._named("put", name), self._last_etag() as etag:
            self._client.upload_file(
                str(file), self._bucket, name, ExtraArgs=options, Callback=count, Config=transfer
            )
        return etag[-1] if etag else ""

    @contextmanager
    def _last_etag(self) -> Iterator[list[str]]:
        """Collect the ETags of what is stored: the library's answer has none, a role may not ask for it."""
        found: list[str] = []

        def keep(parsed: Mapping[str, Any], **_others: object) -> None:
            found.append(parsed.get("ETag", ""))

        events = self._client.meta.events
        for operation in ("PutObject", "CompleteMultipartUpload"):
            events.register(f"after-call.s3.{operation}", keep)
        try:
            yield found
        finally:
            for operation in ("PutObject", "CompleteMultipartUpload"):
                events.unregister(f"after-call.s3.{operation}", keep)

    def _settings(self) -> Any:
        endpoint = self._query.get("endpoint", "")
        path_style = self._query.get("use_path_style") == "true"
        s3: dict[str, Any] = {
            "addressing_style": "path" if path_style else ("virtual" if endpoint else "auto"),
        }
        settings: dict[str, Any] = {
            "signature_version": "s3v4",
            "connect_timeout": _CONNECT,
            "read_timeout": _SILENCE,
            "retries": {"total_max_attempts": self._tuning.retries + 1, "mode": "standard"},
            "max_pool_connections": max(self._tuning.concurrency, 1),
            "ignore_configured_endpoint_urls": True,
            "s3": s3,
        }
        if endpoint:  # servers of others need not know the provider's checksums
            settings["request_checksum_calculation"] = "when_required"
            settings["response_checksum_validation"] = "when_required"
        else:
            settings["use_dualstack_endpoint"] = self._query.get("dualstack") == "true"
            s3["use_accelerate_endpoint"] = self._query.get("accelerate") == "true"
        return self._config(**settings)

    @contextmanager
    def _named(self, what: str, name: str = "") -> Iterator[None]:
        """Turn what the library raises into ours."""
        try:
            yield
        except self._failures.ClientError as error:
            raise _answered(error.response, f"{what} s3://{self._bucket}/{name}") from error
        except (self._failures.BotoCoreError, *self._transfer_failures()) as error:
            raise RetriableError(f"{what} s3://{self._bucket}/{name}: {error}") from error
        except ValueError as error:
            raise TransferError(f"{what} s3://{self._bucket}/{name}: {error}") from error

    def _transfer_failures(self) -> tuple[type[Exception], ...]:
        failures = load_extra("boto3.exceptions", "s3")
        return (failures.S3UploadFailedError,)


def _answered(response: Mapping[str, Any], what: str) -> TransferError:
    """Return the error for an answer that is no success."""
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    error = response.get("Error", {})
    text = f"{what}: received: {status}. Request failed with code: {error.get('Code', '')}"
    if message := error.get("Message"):
        text = f"{text}, message: {message}"
    if status == 404:
        return ObjectMissing(text)
    if status == 403 and what.startswith("head"):
        text = (
            f"{text}: this 403 is expected if the file does not exist, as HeadObject answers without "
            "the permission s3:ListBucket"
        )
    return RetriableError(text) if status // 100 == 5 else TransferError(text)
