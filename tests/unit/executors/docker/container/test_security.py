"""Users, entrypoints and security options of containers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pyrunner.errors import BuildError, PyrunnerError
from pyrunner.executors.docker.container.request import ContainerRequest
from pyrunner.executors.docker.container.security import container_user, entrypoint, security_options
from pyrunner.executors.docker.labels import Role
from pyrunner.protocol.job import Image
from tests.support.docker_jobs import docker_job


def _request(role: Role, user: Any = None, **image: Any) -> ContainerRequest:
    options = {} if user is None else {"docker": {"user": user}}
    return ContainerRequest(role, "image", definition=Image(executor_opts=options, **image))


@pytest.mark.parametrize(
    ("role", "docker", "asked", "expected"),
    [
        (Role.BUILD, {}, None, ""),
        (Role.BUILD, {}, "app", "app"),
        (Role.BUILD, {}, 1000, "1000"),
        (Role.BUILD, {}, "$WHO:1", "expanded:1"),
        (Role.BUILD, {"user": "ci"}, None, "ci"),
        (Role.BUILD, {"user": "ci"}, "app", "ci"),
        (Role.BUILD, {"allowed_users": ["app"]}, "app", "app"),
        (Role.BUILD, {"allowed_users": ["app"]}, None, ""),
        (Role.BUILD, {"allowed_users": ["expanded"]}, "$WHO", "expanded"),
        (Role.BUILD, {"user": "ci", "allowed_users": ["ci", "app"]}, "app", "ci"),
        (Role.HELPER, {"user": "ci"}, "app", ""),
        (Role.SERVICE, {"user": "ci", "allowed_users": ["ci"]}, "app", "app"),
        (Role.SERVICE, {"user": "ci"}, None, ""),
    ],
)
def test_users(role: Role, docker: dict[str, Any], asked: Any, expected: str) -> None:
    """The file wins over the job; only the build container is checked, the helper has its image's user."""
    job = docker_job(docker=docker, variables={"WHO": "expanded"})
    assert container_user(job, _request(role, asked)) == expected


@pytest.mark.parametrize(
    ("docker", "asked", "words"),
    [
        ({"allowed_users": ["a", "b"]}, "root", 'user "root" is not an allowed user: [a b]'),
        ({"user": "ci", "allowed_users": ["app"]}, None, 'user "ci" is not an allowed user: [app]'),
    ],
)
def test_refused_users(docker: dict[str, Any], asked: Any, words: str) -> None:
    """A plain error: the job is prepared again, as with gitlab-runner (3.5)."""
    with pytest.raises(PyrunnerError) as caught:
        container_user(docker_job(docker=docker), _request(Role.BUILD, asked))
    assert str(caught.value) == f"failed to create container configuration: {words}"
    assert not isinstance(caught.value, BuildError)


@pytest.mark.parametrize(
    ("role", "asked", "disabled", "expected", "warned"),
    [
        (Role.BUILD, ["/bin/sh", "$A"], False, ["/bin/sh", "$A"], False),
        (Role.BUILD, [""], False, [""], False),
        (Role.BUILD, [], False, None, False),
        (Role.BUILD, None, True, None, False),
        (Role.BUILD, ["x"], True, None, True),
        (Role.SERVICE, ["x"], False, ["x"], False),
        (Role.SERVICE, ["x"], True, None, True),
        (Role.HELPER, ["x"], False, None, False),
    ],
)
def test_entrypoints(
    role: Role, asked: list[str] | None, disabled: bool, expected: list[str] | None, warned: bool
) -> None:
    """``[""]`` clears the image's; nothing is expanded; the file can forbid it, and the job is told."""
    warnings: list[str] = []
    config = docker_job(docker={"disable_entrypoint_overwrite": disabled}).config
    assert entrypoint(config, _request(role, entrypoint=asked), warnings.append) == expected
    assert warnings == (["Entrypoint override disabled"] if warned else [])


def test_seccomp_profiles_are_read_here(tmp_path: Path) -> None:
    """A path becomes its content, absolute or from the manager's folder; all else passes as it is."""
    (tmp_path / "profile.json").write_text('{"defaultAction": "SCMP_ACT_ALLOW"}')
    inline = 'seccomp={"defaultAction": "SCMP_ACT_ALLOW"}'
    passed = [
        "seccomp=unconfined",
        "seccomp=builtin",
        inline,
        "apparmor=x",
        "no-new-privileges",
        "label=user:x",
    ]
    given = [f"seccomp={tmp_path}/profile.json", "seccomp=profile.json", *passed]
    assert security_options(given, str(tmp_path), "security") == [inline, inline, *passed]


def test_profiles_that_cannot_be_used(tmp_path: Path) -> None:
    """A missing file and one that is not JSON fail the job as a configuration error."""
    (tmp_path / "bad.json").write_text("{")
    for kind, name, words in (
        (
            "security",
            "none.json",
            "failed to read seccomp profile from none.json: open none.json: no such file",
        ),
        ("services security", "bad.json", "seccomp profile bad.json is not valid JSON"),
    ):
        with pytest.raises(BuildError) as caught:
            security_options([f"seccomp={name}"], str(tmp_path), kind)
        assert str(caught.value).startswith(f"processing {kind} options: {words}")
        assert caught.value.failure_reason == "runner_configuration_error"
