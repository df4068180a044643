"""What credentials of an assumed role are good for: one cache, one direction (job-execution.md 7.5)."""

from __future__ import annotations

import json
from typing import Any, Final

#: Characters that a session policy may have.
_LONGEST: Final = 2048
#: What an object name must not mean in a policy: a key ``*`` would open every cache of the project.
_LITERAL: Final = str.maketrans({"*": "${*}", "?": "${?}", "$": "${$}"})


def session_policy(bucket: str, names: list[str], region: str, upload: bool, key_id: str) -> str:
    """Return the policy for the objects ``names``; the first one alone where more do not fit.

    :param key_id: of the KMS key that encrypts the objects; empty: none.
    """
    while True:
        policy = _policy(bucket, names, region, upload, key_id)
        if len(policy) <= _LONGEST or len(names) == 1:
            return policy
        names = names[:1]


def _policy(bucket: str, names: list[str], region: str, upload: bool, key_id: str) -> str:
    partition = "aws"
    if region.startswith("us-gov-"):
        partition = "aws-us-gov"
    elif region.startswith("cn-"):
        partition = "aws-cn"
    objects = [f"arn:{partition}:s3:::{bucket}/{name.translate(_LITERAL)}" for name in names]
    statements: list[dict[str, Any]] = [
        {
            "Effect": "Allow",
            "Action": ["s3:PutObject" if upload else "s3:GetObject"],
            "Resource": objects[0] if len(objects) == 1 else objects,
        }
    ]
    if key_id:
        # An upload in parts reads the key back.
        statements.append(
            {"Effect": "Allow", "Action": ["kms:Decrypt", "kms:GenerateDataKey"], "Resource": key_id}
        )
    return json.dumps({"Version": "2012-10-17", "Statement": statements}, separators=(",", ":"))
