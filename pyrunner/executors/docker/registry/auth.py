"""Credentials of one registry, as docker's config files and the engine's API hold them."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class RegistryAuth:
    """What the engine may show to a registry; never printed."""

    username: str = ""
    password: str = field(default="", repr=False)
    #: As it was given: a host, a URL or a path.
    server_address: str = ""
    identity_token: str = field(default="", repr=False)
    registry_token: str = field(default="", repr=False)
    email: str = ""

    def encoded(self) -> str:
        """Return the value of the ``X-Registry-Auth`` header."""
        values = {
            "username": self.username,
            "password": self.password,
            "email": self.email,
            "serveraddress": self.server_address,
            "identitytoken": self.identity_token,
            "registrytoken": self.registry_token,
        }
        text = json.dumps({key: one for key, one in values.items() if one})
        return base64.urlsafe_b64encode(text.encode()).decode()

    def fingerprint(self) -> str:
        """Return what tells these credentials from others and does not show them."""
        return hashlib.sha256(self.encoded().encode()).hexdigest()


def member(record: Mapping[str, Any], name: str, default: str) -> str:
    """Return a text of a JSON object by a name in any case, as Go reads JSON; ``default`` for no text."""
    value = anycase(record, name)
    return value if isinstance(value, str) else default


def anycase(record: Mapping[str, Any], name: str) -> Any:
    """Return a member of a JSON object by a name in any case; None when there is none."""
    if name in record:
        return record[name]
    return next((value for key, value in record.items() if key.lower() == name.lower()), None)
