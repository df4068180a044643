"""Session policies: one cache, one direction, whatever its key (job-execution.md 7.5)."""

from __future__ import annotations

import json
from typing import Any

from pyrunner.build.remote.s3_policy import session_policy


def statements(*names: str, region: str = "eu-west-1", upload: bool = False, key_id: str = "") -> Any:
    """Return the statements of a policy."""
    return json.loads(session_policy("bucket", list(names), region, upload, key_id))["Statement"]


def test_one_object_one_action() -> None:
    """Read or write, never both; the partition is the region's."""
    assert statements("a/b") == [
        {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": "arn:aws:s3:::bucket/a/b"}
    ]
    (up,) = statements("a", region="us-gov-west-1", upload=True)
    assert (up["Action"], up["Resource"]) == (["s3:PutObject"], "arn:aws-us-gov:s3:::bucket/a")
    assert statements("a", region="cn-north-1")[0]["Resource"].startswith("arn:aws-cn:")


def test_a_key_is_never_a_pattern() -> None:
    """A key ``*`` names one object, not all of the project's; quotes end nothing."""
    (only,) = statements('p/*?${aws:x}"')
    assert only["Resource"] == 'arn:aws:s3:::bucket/p/${*}${?}${$}{aws:x}"'


def test_both_schemes_are_readable() -> None:
    """As long as they fit; the first one always does."""
    assert statements("a", "b")[0]["Resource"] == ["arn:aws:s3:::bucket/a", "arn:aws:s3:::bucket/b"]
    long = "x" * 1000
    assert statements(long, "y" * 1000)[0]["Resource"] == f"arn:aws:s3:::bucket/{long}"


def test_encrypted_parts_need_the_key() -> None:
    """An upload in parts reads it back."""
    assert statements("a", upload=True, key_id="key")[1] == {
        "Effect": "Allow",
        "Action": ["kms:Decrypt", "kms:GenerateDataKey"],
        "Resource": "key",
    }
