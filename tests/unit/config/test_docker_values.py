"""Values of ``[runners.docker]`` that stand as text, and gitlab-runner's words for those it refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pyrunner.config.docker_values import (
    Device,
    check_isolation,
    check_log_options,
    check_port,
    check_pull_policies,
    parse_cpus,
    parse_device,
    parse_dns,
    parse_mac,
    parse_memory,
    parse_ulimit,
)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("", 0),
        ("4096", 4096),
        ("4096b", 4096),
        ("128k", 128 << 10),
        ("128M", 128 << 20),
        ("128mb", 128 << 20),
        ("128MiB", 128 << 20),
        ("1.5g", 3 << 29),
        ("1 g", 1 << 30),
        ("1t", 1 << 40),
        ("1e3", 1000),
        (".5k", 512),
    ],
)
def test_sizes(text: str, size: int) -> None:
    """Units count in 1024s, with or without b or ib, in any case, after at most one space."""
    assert parse_memory(text, "memory") == size


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x", "invalid size: 'x'"),
        ("-1", "invalid size: '-1'"),
        ("9e99", "invalid size: '9e99'"),
        ("1x", "invalid suffix: 'x'"),
        ("1KBB", "invalid suffix: 'kbb'"),
        ("1bb", "invalid suffix: 'bb'"),
        ("1 GiBs", "invalid suffix: 'GiBs'"),
        ("1..2g", 'strconv.ParseFloat: parsing "1..2": invalid syntax'),
        ("1_0g", 'strconv.ParseFloat: parsing "1_0": invalid syntax'),
        ("  1g", 'strconv.ParseFloat: parsing "  1": invalid syntax'),
    ],
)
def test_no_sizes(text: str, words: str) -> None:
    """What is no size is named with its key."""
    with pytest.raises(ValueError, match=r"^Error parsing docker memory_swap: ") as caught:
        parse_memory(text, "memory_swap")
    assert str(caught.value) == f"Error parsing docker memory_swap: {words}"


@pytest.mark.parametrize(
    ("text", "nano"),
    [
        ("", 0),
        ("1.5", 1_500_000_000),
        ("1/2", 500_000_000),
        ("1/3", 333_333_333),
        (".5", 500_000_000),
        ("2", 2_000_000_000),
        ("5e-1", 500_000_000),
    ],
)
def test_cpus(text: str, nano: int) -> None:
    """Decimal numbers and fractions become billionths."""
    assert parse_cpus(text) == nano


@pytest.mark.parametrize("text", ["x", "1,5", "1/0", "1/2/3", " 1", "1_0", "1e400", "99999999999"])
def test_no_cpus(text: str) -> None:
    """Anything else is refused with the text as it is written."""
    with pytest.raises(ValueError, match="rational") as caught:
        parse_cpus(text)
    assert str(caught.value) == f"failed to parse {text} as a rational number"


def test_ulimits() -> None:
    """One number is both limits; -1 is unlimited."""
    assert parse_ulimit("1024") == (1024, 1024)
    assert parse_ulimit("1024:2048") == (1024, 2048)
    assert parse_ulimit("-1:-1") == (-1, -1)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("many", 'parsing "many": invalid syntax'),
        ("", 'parsing "": invalid syntax'),
        ("1:x", 'parsing "x": invalid syntax'),
        ("1:", 'parsing "": invalid syntax'),
        ("9223372036854775808", 'parsing "9223372036854775808": value out of range'),
    ],
)
def test_no_ulimits(text: str, words: str) -> None:
    """Both limits are called soft."""
    with pytest.raises(ValueError, match="soft") as caught:
        parse_ulimit(text)
    assert str(caught.value) == f"invalid soft limit value: strconv.ParseInt: {words}"


def test_devices() -> None:
    """The path inside is by default the same, all that can be done with it allowed."""
    assert parse_device("/dev/kvm") == Device("/dev/kvm", "/dev/kvm", "rwm")
    assert parse_device("/dev/a:/dev/b") == Device("/dev/a", "/dev/b", "rwm")
    assert parse_device("/dev/a:/dev/b:r") == Device("/dev/a", "/dev/b", "r")
    with pytest.raises(ValueError, match=r'^failed to parse device string "a:b:c:d": too many colons$'):
        parse_device("a:b:c:d")


@pytest.mark.parametrize("text", ["92:d0:c6:0a:29:33", "92-D0-C6-0A-29-33", "92d0.c60a.2933", "92D0C60A2933"])
def test_mac_addresses(text: str) -> None:
    """Every usual form becomes the engine's."""
    assert parse_mac(text) == "92:d0:c6:0a:29:33"


@pytest.mark.parametrize(
    "text", ["92:d0:c6:0a:29", "92:d0-c6:0a:29:33", "hello", "92:d0:c6:0a:29:3g", "1234"]
)
def test_no_mac_addresses(text: str) -> None:
    """Other lengths and mixed forms are refused."""
    with pytest.raises(ValueError, match="MAC") as caught:
        parse_mac(text)
    assert str(caught.value) == f'invalid MAC address "{text}": address {text}: invalid MAC address'


def test_name_servers_are_addresses() -> None:
    """Both families; no names."""
    assert parse_dns("8.8.8.8") == "8.8.8.8"
    assert parse_dns("2001:4860:4860::8888") == "2001:4860:4860::8888"
    with pytest.raises(ValueError, match=r'^invalid DNS server address "dns\.example": '):
        parse_dns("dns.example")


@pytest.mark.parametrize("text", ["", "default", "Default"])
def test_isolation(text: str) -> None:
    """Linux knows the default only."""
    assert check_isolation(text) == text


@pytest.mark.parametrize("text", ["process", "hyperv", "vm"])
def test_no_isolation(text: str) -> None:
    """The words for Windows fail jobs on Linux."""
    with pytest.raises(ValueError, match="isolation") as caught:
        check_isolation(text)
    assert str(caught.value) == (
        f'the isolation value "{text}" is not valid. '
        "the valid values are: 'process', 'hyperv', 'default' and an empty string"
    )


def test_log_options() -> None:
    """Two keys are allowed; all others are listed in order."""
    assert check_log_options({"env": "A", "labels": "b"}) == {"env": "A", "labels": "b"}
    with pytest.raises(ValueError, match="log options") as caught:
        check_log_options({"tag": "x", "env": "A", "max-size": "1m"})
    assert str(caught.value) == (
        "creating docker log configuration: "
        'invalid log options: only ["env" "labels"] are allowed, but found: ["max-size" "tag"]'
    )


@pytest.mark.parametrize(
    ("check", "value", "words"),
    [
        (
            lambda one: check_pull_policies(one, "pull_policy"),
            ["always", "often"],
            'pull_policy config: "often"',
        ),
        (
            lambda one: check_pull_policies(one, "allowed_pull_policies"),
            ["x"],
            'unsupported allowed_pull_policies config: "x"',
        ),
        (check_port, "http", "invalid health check tcp port: http"),
    ],
)
def test_words(check: Callable[[Any], object], value: object, words: str) -> None:
    """The first word that nobody knows is named."""
    with pytest.raises(ValueError, match=words):
        check(value)


def test_known_words() -> None:
    """Every policy, any order, twice if wanted; a port is a number."""
    policies = ["if-not-present", "always", "never", "always"]
    assert check_pull_policies(policies, "pull_policy") == policies
    assert check_port("8080") == 8080
