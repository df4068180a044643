"""The search for credentials (docker-executor.md 4)."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from pyrunner.executors.docker.registry.credential_stores import PathTraversal
from pyrunner.executors.docker.registry.credentials import CredentialSearch, FoundCredentials
from pyrunner.protocol.job import Credentials

PAYLOAD = "job payload (GitLab Registry)"
VARIABLE = "$DOCKER_AUTH_CONFIG"


def config(**users: str) -> str:
    """Return a config with a user for each registry; ``_`` stands for ``.`` and ``__`` for ``/``."""
    auths = {
        address.replace("__", "/").replace("_", "."): {
            "auth": base64.b64encode(f"{user}:secret".encode()).decode()
        }
        for address, user in users.items()
    }
    return json.dumps({"auths": auths})


def sent(url: str, user: str = "payload", kind: str = "registry") -> Credentials:
    """Return credentials of a payload."""
    return Credentials(kind, url, user, "secret")


def search(
    image: str,
    variable: str = "",
    home: Path | None = None,
    payload: tuple[Credentials, ...] = (),
    path: str = "",
) -> FoundCredentials:
    """Look for credentials."""
    return CredentialSearch(variable, home, payload, {"PATH": path}).find(image)


def user_and_source(found: FoundCredentials) -> tuple[str, str]:
    """Return what the tests compare."""
    return found.auth.username if found.auth else "", found.source


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("registry.local/foo/image:3", ("one", VARIABLE)),
        ("registry.local/ns/image:5", ("two", VARIABLE)),
        ("registry.local/ns/some/image:l", ("three", VARIABLE)),
        ("registry.local/ns/some/image@sha256:" + "a" * 64, ("two", VARIABLE)),
        ("REGISTRY.local/ns/x", ("two", VARIABLE)),
        ("registry.local/nsx/image", ("one", VARIABLE)),
        ("no-auth/image:l", ("", "")),
        ("ruby", ("", "")),
    ],
)
def test_the_longest_path_wins(image: str, expected: tuple[str, str]) -> None:
    """Full path first, then each parent up to the host; a digest matches by its parents only."""
    variable = config(registry_local="one", registry_local__ns="two", registry_local__ns__some__image="three")
    assert user_and_source(search(image, variable)) == expected


def test_docker_io_by_any_of_its_names() -> None:
    """An image without host belongs to docker.io, whose credentials go by its index's URL."""
    variable = json.dumps({"auths": {"https://index.docker.io/v1/": {"username": "hub"}}})
    for image in ("ruby", "user/ruby", "docker.io/ruby", "index.docker.io/ruby:3"):
        assert user_and_source(search(image, variable)) == ("hub", VARIABLE)


def test_sources_in_their_order(tmp_path: Path) -> None:
    """For the same path: the variable, then the home folder's file, then the payload."""
    file = tmp_path / ".dockercfg"
    file.write_text(config(a_tld="file", b_tld="file"))
    payload = (sent("a.tld"), sent("b.tld"), sent("c.tld"))
    found = {
        host: user_and_source(search(f"{host}/image", config(a_tld="variable"), tmp_path, payload))
        for host in ("a.tld", "b.tld", "c.tld")
    }
    assert found == {
        "a.tld": ("variable", VARIABLE),
        "b.tld": ("file", str(file)),
        "c.tld": ("payload", PAYLOAD),
    }


def test_a_longer_path_beats_the_order_of_sources() -> None:
    """The payload's more specific credentials are taken."""
    found = search(
        "reg.tld/ns/blipp/image", config(reg_tld__ns="variable"), payload=(sent("reg.tld/ns/blipp"),)
    )
    assert user_and_source(found) == ("payload", PAYLOAD)


def test_config_json_hides_dockercfg(tmp_path: Path) -> None:
    """``~/.docker/config.json``, else ``~/.dockercfg``."""
    (tmp_path / ".dockercfg").write_text(config(a_tld="old"))
    (tmp_path / ".docker").mkdir()
    file = tmp_path / ".docker/config.json"
    file.write_text(config(b_tld="new"))
    assert user_and_source(search("a.tld/x", home=tmp_path)) == ("", "")
    assert user_and_source(search("b.tld/x", home=tmp_path)) == ("new", str(file))


def test_only_registry_credentials_of_the_payload_count() -> None:
    """Others are for other tools."""
    assert search("a.tld/x", payload=(sent("a.tld", kind="other"),)).auth is None


@pytest.mark.parametrize(
    ("variable", "why"),
    [
        ("{", "invalid JSON: Expecting property name enclosed in double quotes (line 1)"),
        (
            '{"credsStore": "none"}',
            'error listing credentials - err: exec: "docker-credential-none": '
            "executable file not found in $PATH, out: ``",
        ),
    ],
)
def test_an_unusable_variable_is_told_and_left_out(variable: str, why: str) -> None:
    """The other sources still count."""
    found = search("a.tld/x", variable, payload=(sent("a.tld"),))
    assert found.warnings == (
        f"Failed to resolve credentials from {VARIABLE}: {why}. "
        "Credentials from this source will not be used.",
    )
    assert user_and_source(found) == ("payload", PAYLOAD)


@pytest.mark.parametrize("content", ["{", '{"credsStore": "none"}', '{"auths": {"a.tld": {"auth": "%"}}}'])
def test_an_unusable_file_is_dropped_silently(tmp_path: Path, content: str) -> None:
    """The administrator's file is not the job's affair."""
    (tmp_path / ".dockercfg").write_text(content)
    found = search("a.tld/x", home=tmp_path, payload=(sent("a.tld"),))
    assert (user_and_source(found), found.warnings) == (("payload", PAYLOAD), ())


def test_a_helper_named_by_a_path_ends_the_search(tmp_path: Path) -> None:
    """From the variable as from the file, even where credentials are known already."""
    bad = '{"credHelpers": {"a.tld": "../../usr/bin/sudo"}}'
    with pytest.raises(PathTraversal):
        search("a.tld/x", bad)
    (tmp_path / ".dockercfg").write_text(bad)
    with pytest.raises(PathTraversal):
        search("a.tld/x", config(a_tld="variable"), tmp_path)


def test_helpers_of_the_variable_are_started(tmp_path: Path) -> None:
    """A helper's address may have a path and a tag."""
    path = tmp_path / "docker-credential-shop"
    path.write_text('#!/bin/sh\necho \'{"Username": "shop", "Secret": "s"}\'\n')
    path.chmod(0o755)
    variable = '{"credHelpers": {"reg.tld:5005/image/name:version": "shop"}}'
    found = search("reg.tld:5005/image/name:other", variable, path=f"{tmp_path}:/usr/bin:/bin")
    assert user_and_source(found) == ("shop", VARIABLE)


def test_a_stopped_search_starts_no_helper(tmp_path: Path) -> None:
    """What was stopped before it began ends at once."""
    path = tmp_path / "docker-credential-shop"
    path.write_text("#!/bin/sh\nexec sleep 600\n")
    path.chmod(0o755)
    one = CredentialSearch('{"credsStore": "shop"}', None, (), {"PATH": f"{tmp_path}:/usr/bin:/bin"})
    one.stop()
    assert one.find("a.tld/x").warnings
