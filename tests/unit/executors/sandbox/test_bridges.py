"""Which networks of the host are other containers'."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path

import pytest

from pyrunner.executors.sandbox.bridges import Neighbours
from pyrunner.executors.sandbox.netlink import HostAddress

_HEADER = "Iface\tDestination\tGateway\n"


def neighbours(tmp_path: Path, leads_out: str = "eth0") -> Neighbours:
    """Return a host with docker0, another bridge and a card."""
    for name in ("docker0", "br-1", "lo"):
        (tmp_path / name).mkdir(exist_ok=True)
    for name in ("docker0", "br-1"):
        (tmp_path / name / "bridge").mkdir()
        (tmp_path / name / "brif").mkdir()
    (tmp_path / "route").write_text(f"{_HEADER}{leads_out}\t00000000\t0102A8C0\n")
    return Neighbours(interfaces=tmp_path, routes=tmp_path / "route")


def member(tmp_path: Path, name: str, kind: str) -> None:
    """Put an interface into br-1."""
    (tmp_path / name).mkdir()
    (tmp_path / "br-1" / "brif" / name).mkdir()
    if kind == "card":
        (tmp_path / name / "device").mkdir()
    elif kind == "bond":
        (tmp_path / name / "bonding").mkdir()
    (tmp_path / name / "uevent").write_text(f"DEVTYPE={kind}\n")


def test_the_default_bridge_is_a_containers_own(tmp_path: Path) -> None:
    """Others are not, nor is what is no bridge."""
    found = neighbours(tmp_path)
    assert [name for name in ("docker0", "br-1", "lo", "gone") if found.is_refused(name)] == ["br-1"]
    assert Neighbours(frozenset(), tmp_path, tmp_path / "route").is_refused("docker0")


@pytest.mark.parametrize(
    ("kind", "refused"), [("card", False), ("bond", False), ("vlan", False), ("veth", True)]
)
def test_the_machines_own_network_may_be_a_bridge(tmp_path: Path, kind: str, refused: bool) -> None:
    """With a card in it, it leads out of the machine."""
    found = neighbours(tmp_path)
    member(tmp_path, "m0", kind)
    assert found.is_refused("br-1") is refused


def test_a_bridge_with_the_default_route(tmp_path: Path) -> None:
    """It leads out, whatever is in it."""
    assert not neighbours(tmp_path, leads_out="br-1").is_refused("br-1")


def test_refused_networks_come_with_the_hosts_address(tmp_path: Path) -> None:
    """Interfaces are asked by index; one that has gone meanwhile is left out."""
    found = neighbours(tmp_path)
    (tmp_path / "lo" / "bridge").mkdir()
    here = HostAddress(1, IPv4Interface("192.0.2.1/24"))
    gone = HostAddress(2**30, IPv4Interface("198.51.100.1/24"))
    assert found.refused([here, gone]) == [(IPv4Network("192.0.2.0/24"), IPv4Address("192.0.2.1"))]
