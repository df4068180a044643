"""What an inspection tells of a service: addresses, ports; and its links (docker-executor.md 5.3-5.5)."""

from __future__ import annotations

from typing import Any

import pytest

from pyrunner.errors import PyrunnerError
from pyrunner.executors.docker.services.state import (
    ServiceAddress,
    StartedService,
    addresses_of,
    ports_of,
    service_links,
)


def inspection(ports: dict[str, Any] | None = None, *environment: str) -> dict[str, Any]:
    """Return what the engine tells of a container."""
    return {"Config": {"ExposedPorts": ports, "Env": list(environment)}}


def test_exposed_tcp_ports_in_order_at_most_twenty() -> None:
    """The lowest twenty TCP ports, in order of their numbers."""
    exposed: dict[str, Any] = {f"{port}/tcp": {} for port in range(9030, 9000, -1)}
    exposed.update({"53/udp": {}, "80/tcp": {}, "9/sctp": {}})
    assert ports_of(inspection(exposed)) == [80, *range(9001, 9020)]
    assert ports_of(inspection(None)) == []


@pytest.mark.parametrize("name", ["HEALTHCHECK_TCP_PORT", "healthcheck_tcp_port", "HealthCheck_TCP_port"])
def test_the_variable_wins(name: str) -> None:
    """Its name is compared without case, the first entry counts."""
    entries = ("A=b", f"{name}=5432", "HEALTHCHECK_TCP_PORT=99")
    assert ports_of(inspection({"80/tcp": {}}, *entries)) == [5432]


@pytest.mark.parametrize("value", ["", "http", "80/tcp", "0x50", "99999999999", "1_0", "8 0", "٨"])
def test_a_bad_number_is_a_plain_error(value: str) -> None:
    """It is named as it is."""
    with pytest.raises(PyrunnerError) as error:
        ports_of(inspection({}, f"HEALTHCHECK_TCP_PORT={value}"))
    assert str(error.value).endswith(f"invalid health check tcp port: {value}")


def test_addresses_of_both_families_and_all_networks() -> None:
    """Networks in the order of their names; empty addresses are none."""
    networks = {
        "b": {"IPAddress": "172.18.0.2", "Gateway": "172.18.0.1", "GlobalIPv6Address": "fd00::2"},
        "a": {"IPAddress": "172.17.0.2", "Gateway": "", "IPv6Gateway": "fd01::1"},
        "host": {"IPAddress": "", "GlobalIPv6Address": ""},
        "none": None,
    }
    assert addresses_of({"NetworkSettings": {"Networks": networks}}) == [
        ServiceAddress("172.17.0.2", ""),
        ServiceAddress("172.18.0.2", "172.18.0.1"),
        ServiceAddress("fd00::2", ""),
    ]
    assert addresses_of({"NetworkSettings": {"Networks": None}}) == []


def test_links_are_short_id_and_aliases_at_every_address() -> None:
    """A pair for every name and address, service by service; without an address there are none."""
    addresses = [ServiceAddress("172.17.0.2"), ServiceAddress("fd00::2")]
    first = StartedService(0, "0123456789abcdef", "svc0", "db", ["db", "main"], addresses)
    second = StartedService(1, "fedcba9876543210", "svc1", "web", ["web"], [])
    assert service_links([first, second]) == [
        "0123456789ab:172.17.0.2",
        "0123456789ab:fd00::2",
        "db:172.17.0.2",
        "db:fd00::2",
        "main:172.17.0.2",
        "main:fd00::2",
    ]


def test_it_survives_the_journal() -> None:
    """What was started is the same after a restart."""
    one = StartedService(3, "id", "name", "image", ["a"], [ServiceAddress("1.2.3.4", "1.2.3.1")], [80])
    assert StartedService.from_dict(one.to_dict()) == one
