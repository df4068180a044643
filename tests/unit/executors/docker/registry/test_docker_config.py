"""Docker's config file format (docker-executor.md 4)."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from pyrunner.executors.docker.registry.auth import RegistryAuth
from pyrunner.executors.docker.registry.credential_stores import CredentialHelper, PathTraversal
from pyrunner.executors.docker.registry.docker_config import DockerConfigError, read_docker_config


def packed(text: str) -> str:
    """Return an ``auth`` value."""
    return base64.b64encode(text.encode()).decode()


def no_helper(name: str) -> CredentialHelper:
    """Fail: nothing may be started."""
    raise AssertionError(name)


def read(value: object) -> list[RegistryAuth]:
    """Read a config without helpers."""
    return read_docker_config(json.dumps(value), no_helper)


def test_auths_in_the_order_of_their_addresses() -> None:
    """User and password come from ``auth``, which wins over plain ones; tokens stay."""
    found = read(
        {
            "auths": {
                "b.tld": {"auth": packed("user:pass:word"), "username": "other"},
                "a.tld": {"username": "plain", "password": "p", "identitytoken": "t", "email": "e"},
                "c.tld": None,
            },
            "HttpHeaders": {"x": "y"},
        }
    )
    assert found == [
        RegistryAuth("plain", "p", "a.tld", identity_token="t", email="e"),
        RegistryAuth("user", "pass:word", "b.tld"),
        RegistryAuth(server_address="c.tld"),
    ]


def test_names_in_any_case() -> None:
    """As Go reads JSON."""
    assert read({"Auths": {"a.tld": {"Auth": packed("u:p")}}}) == [RegistryAuth("u", "p", "a.tld")]


@pytest.mark.parametrize("text", ["", "  ", "{}", "null", '{"HttpHeaders": {}}', '{"auths": null}'])
def test_a_config_without_credentials_gives_none(text: str) -> None:
    """Also an empty one."""
    assert read_docker_config(text, no_helper) == []


def test_stores_and_helpers_override_in_order(tmp_path: Path) -> None:
    """All that the store lists beats ``auths``, each helper's entry beats both."""
    for name in ("store", "helper"):
        path = tmp_path / f"docker-credential-{name}"
        path.write_text(
            '#!/bin/sh\ncase $1 in list) echo \'{"b.tld": "u", "c.tld": "u"}\';; '
            f'get) echo \'{{"Username": "{name}", "Secret": "s"}}\';; esac\n'
        )
        path.chmod(0o755)
    config = {
        "auths": {one: {"auth": packed("auths:p")} for one in ("a.tld", "b.tld", "c.tld")},
        "credsStore": "store",
        "credHelpers": {"c.tld": "helper"},
    }
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    found = read_docker_config(json.dumps(config), lambda name: CredentialHelper(name, environment))
    assert [(one.server_address, one.username) for one in found] == [
        ("a.tld", "auths"),
        ("b.tld", "store"),
        ("c.tld", "helper"),
    ]


@pytest.mark.parametrize(
    "config",
    [
        {"credsStore": "../x"},
        {"credHelpers": {"a.tld": "/bin/x"}},
        {"credsStore": "good", "credHelpers": {"a.tld": "good", "b.tld": "../x"}},
    ],
)
def test_a_path_in_a_name_stops_before_anything_is_started(config: object) -> None:
    """Even where a good helper comes first."""
    with pytest.raises(PathTraversal):
        read(config)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "invalid JSON: Expecting property name enclosed in double quotes (line 1)"),
        ("[]", "invalid JSON: not an object"),
        ('{"auths": []}', "auths is not an object"),
        ('{"auths": {"a": "hunter2"}}', "auths holds something that is not an object"),
        ('{"auths": {"a": {"auth": "hunter2!"}}}', "illegal base64 data in auth"),
        ('{"auths": {"a": {"auth": "aHVudGVyMg=="}}}', "invalid auth configuration file"),
        ('{"credHelpers": {"a": 1}}', "credHelpers holds something that is not text"),
        ("[" * 100_000, "invalid JSON: too deep"),
    ],
)
def test_what_cannot_be_read_is_told_without_its_content(text: str, words: str) -> None:
    """The text is a secret: a message says what is wrong and where, never what is there."""
    with pytest.raises(DockerConfigError) as raised:
        read_docker_config(text, no_helper)
    assert str(raised.value) == words


def test_what_follows_the_object_is_not_looked_at() -> None:
    """As with gitlab-runner, where a stray end of a here-document is no fault."""
    assert read_docker_config('{"auths": {"a.tld": {}}}\nEOF', no_helper)
