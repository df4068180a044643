"""Host names are first come, first served (docker-executor.md 5.2, 13 #16)."""

from __future__ import annotations

import pytest

from pyrunner.errors import BuildError
from pyrunner.executors.docker.services.aliases import PlannedService, plan_services
from pyrunner.executors.docker.services.definitions import ServiceDefinition
from pyrunner.protocol.job import Image
from pyrunner.protocol.states import FailureReason


def plan(*wanted: tuple[str, str]) -> list[PlannedService]:
    """Plan services of (name, aliases)."""
    return plan_services(
        ServiceDefinition(index, Image(name=name), tuple(aliases.split()))
        for index, (name, aliases) in enumerate(wanted)
    )


def test_explicit_aliases_come_after_the_automatic_ones() -> None:
    """All of them are the service's when nobody has them."""
    (one,) = plan(("group/svc:1", "db main"))
    assert one.aliases == one.wanted == ("group__svc", "group-svc", "db", "main")


def test_the_second_of_one_image_is_not_started() -> None:
    """Without a free host name there is only the warning."""
    first, second = plan(("redis:6", ""), ("redis:7", ""))
    assert first.aliases == ("redis",)
    assert second.aliases == ()
    assert [second.warning(one) for one in second.taken_before] == [
        'Skipping alias "redis" for service "redis:7" (services[1]): '
        "alias is already in use by another service."
    ]


def test_the_second_with_an_alias_of_its_own_is_started_at_that() -> None:
    """What is taken is skipped before, and after, the name at which it is started."""
    _, second = plan(("redis", "cache"), ("redis", "queue cache"))
    assert second.aliases == ("queue",)
    assert (second.taken_before, second.taken_after) == (("redis",), ("cache",))
    assert second.wanted == ("redis", "queue", "cache")


def test_an_alias_that_the_service_has_by_itself_is_taken() -> None:
    """gitlab-runner warns of ``name: postgres, alias: postgres``, and so do we."""
    (one,) = plan(("postgres", "postgres"))
    assert (one.aliases, one.taken_after) == (("postgres",), ("postgres",))


def test_a_name_that_cannot_be_read() -> None:
    """With an explicit alias it is a configuration error; without one it is left out without a word."""
    silent, loud = plan(("NO GOOD", ""), ("NO GOOD", "db"))
    silent.check()
    assert not silent.aliases
    with pytest.raises(BuildError) as error:
        loud.check()
    assert str(error.value) == "invalid service image name: NO GOOD"
    assert error.value.failure_reason == FailureReason.CONFIGURATION_ERROR


def test_an_unreadable_name_without_a_free_alias_is_left_out() -> None:
    """What would not be started anyway is not refused."""
    _, second = plan(("redis", "db"), ("NO GOOD", "db"))
    second.check()
    assert second.taken_before == ("db",)
