"""Docker's config file format: where credentials are (docker-executor.md 4).

Within one file: ``auths``, overridden by all that ``credsStore`` lists, then by each of ``credHelpers``.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from typing import Any

from pyrunner.errors import PyrunnerError
from pyrunner.executors.docker.registry.auth import RegistryAuth, anycase, member
from pyrunner.executors.docker.registry.credential_stores import CredentialHelper, check_helper_name

#: Makes the helper of that name.
Helpers = Callable[[str], CredentialHelper]


class DockerConfigError(PyrunnerError):
    """The text is no docker config file."""


def read_docker_config(text: str, helpers: Helpers) -> list[RegistryAuth]:
    """Return the credentials of a config file, in the order of their addresses.

    :param helpers: called for each store or helper that the file names.
    :raises DockerConfigError: for a file that cannot be read; it never repeats the file's content.
    :raises PathTraversal: for a store or helper with a path.
    :raises CredentialHelperError: when a helper fails.
    """
    config = _decoded(text)
    auths = {address: _auth(address, one) for address, one in _table(config, "auths").items()}
    store = member(config, "credsStore", "")
    named = {address: _text(one) for address, one in _table(config, "credHelpers").items()}
    for one in ([store] if store else []) + list(named.values()):
        check_helper_name(one)
    if store:
        auths.update(helpers(store).everything())
    for address, name in named.items():
        auths[address] = helpers(name).get(address)
    return [auths[address] for address in sorted(auths)]


def _decoded(text: str) -> Mapping[str, Any]:
    if not text.strip():
        return {}
    try:
        # what follows the object is not looked at, as with gitlab-runner
        value, _ = json.JSONDecoder().raw_decode(text.lstrip())
    except json.JSONDecodeError as error:
        raise DockerConfigError(f"invalid JSON: {error.msg} (line {error.lineno})") from None
    except RecursionError:
        raise DockerConfigError("invalid JSON: too deep") from None
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise DockerConfigError("invalid JSON: not an object")
    return value


def _table(config: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = anycase(config, name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise DockerConfigError(f"{name} is not an object")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise DockerConfigError("credHelpers holds something that is not text")
    return value


def _auth(address: str, entry: object) -> RegistryAuth:
    if entry is None:
        return RegistryAuth(server_address=address)
    if not isinstance(entry, dict):
        raise DockerConfigError("auths holds something that is not an object")
    user, password = member(entry, "username", ""), member(entry, "password", "")
    if packed := member(entry, "auth", ""):
        user, password = _unpacked(packed)
    return RegistryAuth(
        user,
        password,
        address,
        member(entry, "identitytoken", ""),
        member(entry, "registrytoken", ""),
        member(entry, "email", ""),
    )


def _unpacked(packed: str) -> tuple[str, str]:
    """Return user and password of an ``auth`` value: base64 of ``user:password``."""
    try:
        text = base64.b64decode("".join(packed.split()), validate=True).decode(errors="replace")
    except (binascii.Error, ValueError):
        raise DockerConfigError("illegal base64 data in auth") from None
    user, colon, password = text.partition(":")
    if not colon or not user:
        raise DockerConfigError("invalid auth configuration file")
    return user, password.strip("\0")
