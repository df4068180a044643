"""Credentials as the engine takes them (docker-executor.md 4)."""

from __future__ import annotations

import base64
import json

from pyrunner.executors.docker.registry.auth import RegistryAuth

AUTH = RegistryAuth("user", "hunter2", "reg.tld", "token", "other", "e@x")


def test_the_header_holds_what_there_is() -> None:
    """URL-safe base64 of JSON, empty members left out."""
    assert json.loads(base64.urlsafe_b64decode(RegistryAuth("u", "p>?é").encoded())) == {
        "username": "u",
        "password": "p>?é",
    }
    assert set(json.loads(base64.urlsafe_b64decode(AUTH.encoded()))) == {
        "username",
        "password",
        "serveraddress",
        "identitytoken",
        "registrytoken",
        "email",
    }


def test_secrets_are_not_printed() -> None:
    """A log of the object shows no password and no token."""
    shown = repr(AUTH)
    assert "hunter2" not in shown
    assert "token" not in shown.replace("_token", "")


def test_fingerprints_tell_credentials_apart() -> None:
    """Same credentials, same print; another password, another one; the password is not in it."""
    assert RegistryAuth("u", "p").fingerprint() == RegistryAuth("u", "p").fingerprint()
    assert RegistryAuth("u", "p").fingerprint() != RegistryAuth("u", "q").fingerprint()
    assert "hunter2" not in AUTH.fingerprint()
