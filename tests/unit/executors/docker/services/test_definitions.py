"""Which services a job gets, and what they see of it (docker-executor.md 5.1, 5.3)."""

from __future__ import annotations

from typing import Any

import pytest

from pyrunner.errors import PyrunnerError
from pyrunner.executors.docker.services.definitions import service_definitions, service_environment
from pyrunner.protocol.variables import Variable, VariableSet
from tests.support.docker_jobs import docker_job


class AllowList:
    """Allows what it is told to, and keeps what it was asked."""

    def __init__(self, *refused: str) -> None:
        self.refused = refused
        self.asked: list[tuple[str, str]] = []

    def allow(self, name: str, kind: str) -> None:
        """Refuse some."""
        self.asked.append((name, kind))
        if name in self.refused:
            raise PyrunnerError("disallowed image")


def services(*payload: dict[str, Any], **docker: Any) -> Any:
    """Return a docker job with these services of its own."""
    return docker_job(
        docker=docker,
        job={"services": list(payload)},
        variables={"VERSION": "16", "WHAT": "postgres", "NAME": "db"},
    )


def test_services_of_config_come_first_and_all_are_numbered() -> None:
    """Config services, then payload services; the index counts through both."""
    job = services({"name": "redis:7"}, services=[{"name": "$WHAT:$VERSION", "alias": "$NAME,main"}])
    found = service_definitions(job, AllowList())
    assert [(one.index, one.image.name, one.aliases) for one in found] == [
        (0, "postgres:16", ("db", "main")),
        (1, "redis:7", ()),
    ]


def test_name_alias_and_platform_are_expanded_command_and_entrypoint_are_not() -> None:
    """Variables are replaced in names, aliases and options, never in command lines."""
    job = services(
        {
            "name": "$WHAT:$VERSION",
            "alias": "$NAME  second, third",
            "command": ["run", "$NAME"],
            "entrypoint": ["$NAME"],
            "pull_policy": ["never"],
            "executor_opts": {"docker": {"platform": "linux/$NAME", "user": "$NAME"}},
        }
    )
    (found,) = service_definitions(job, AllowList())
    assert found.image.name == "postgres:16"
    assert found.aliases == ("db", "second", "third")
    assert found.platform == "linux/db"
    assert (found.image.command, found.image.entrypoint) == (["run", "$NAME"], ["$NAME"])
    assert found.image.pull_policy == ["never"]


def test_only_services_of_the_payload_are_checked() -> None:
    """Names of config services are the owner's own; those of the pipeline are checked, expanded."""
    allowed = AllowList()
    service_definitions(services({"name": "$WHAT"}, services=[{"name": "redis"}]), allowed)
    assert allowed.asked == [("postgres", "services")]


def test_a_service_that_is_not_allowed_ends_the_preparation() -> None:
    """The error of the allow list is the error of the preparation."""
    with pytest.raises(PyrunnerError, match="disallowed image"):
        service_definitions(services({"name": "redis"}), AllowList("redis"))


@pytest.mark.parametrize(("limit", "refused"), [(None, False), (-1, False), (0, True), (1, True), (2, False)])
def test_the_limit_counts_both_kinds(limit: int | None, refused: bool) -> None:
    """``services_limit`` from 0 on is a limit of config and payload services together."""
    job = services({"name": "a"}, services=[{"name": "b"}], services_limit=limit)
    if not refused:
        assert len(service_definitions(job, AllowList())) == 2
        return
    with pytest.raises(PyrunnerError) as error:
        service_definitions(job, AllowList())
    assert str(error.value) == f"too many services requested: 2, only {limit} allowed"


def test_what_is_not_allowed_is_told_before_the_limit() -> None:
    """The allow list is asked first."""
    with pytest.raises(PyrunnerError, match="disallowed"):
        service_definitions(services({"name": "a"}, services_limit=0), AllowList("a"))


def test_a_service_sees_no_secret_that_it_was_not_given() -> None:
    """Public and internal variables, as the job has them, then its own, which may refer to all."""
    job = VariableSet(
        [
            Variable("SECRET", "s3cret", masked=True),
            Variable("PUBLIC", "yes", public=True),
            Variable("CI_INTERNAL", "in", internal=True),
            # Resolved by the job already: what is left as a reference is meant.
            Variable("LITERAL", "$SECRET", public=True, raw=True),
        ]
    )
    own = [Variable("OWN", "pw=$SECRET and $LATER"), Variable("LATER", "x"), Variable("RAW", "$X", raw=True)]
    assert service_environment(job, own) == [
        "PUBLIC=yes",
        "CI_INTERNAL=in",
        "LITERAL=$SECRET",
        "OWN=pw=s3cret and x",
        "LATER=x",
        "RAW=$X",
    ]


def test_a_file_variable_is_its_path() -> None:
    """The container gets the path that the job's scripts have, not the content."""
    job = VariableSet(
        [
            Variable("RUNNER_TEMP_PROJECT_DIR", "/builds/app.tmp", internal=True),
            Variable("KUBECONFIG", "content", public=True, file=True),
        ]
    )
    assert service_environment(job, [])[1] == "KUBECONFIG=/builds/app.tmp/KUBECONFIG"


def test_environment_of_a_config_service() -> None:
    """``KEY=VALUE`` entries are expanded; what has no ``=`` is left out, as by gitlab-runner."""
    job = services(services=[{"name": "redis", "environment": ["A=$NAME", "broken", "B=x=y"]}])
    (found,) = service_definitions(job, AllowList())
    assert found.environment[-2:] == ["A=db", "B=x=y"]
