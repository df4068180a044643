"""Platforms of images (docker-executor.md 3.4)."""

from __future__ import annotations

import json
import platform

import pytest

from pyrunner.errors import BuildError
from pyrunner.executors.docker.images.platforms import Platform, parse_platform
from pyrunner.protocol.states import FailureReason


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("linux/amd64", "linux/amd64"),
        ("linux/arm64", "linux/arm64"),
        ("linux/arm64/v8", "linux/arm64/v8"),
        ("linux/arm/v7", "linux/arm/v7"),
        ("linux/arm", "linux/arm"),
        ("linux/arm/6", "linux/arm/v6"),
        ("Linux/X86_64", "linux/amd64"),
        ("amd64", "linux/amd64"),
        ("aarch64", "linux/arm64"),
        ("armhf", "linux/arm"),
        ("i386", "linux/386"),
        ("windows/amd64", "windows/amd64"),
        ("windows(10.0.17763)/amd64", "windows/amd64"),
    ],
)
def test_platforms_are_normalised(text: str, expected: str) -> None:
    """Architectures go by docker's names; one without an operating system gets linux."""
    asked = parse_platform(text)
    assert (str(asked.platform), asked.warning) == (expected, "")


def test_an_operating_system_alone_means_this_machines_architecture(monkeypatch: pytest.MonkeyPatch) -> None:
    """``linux`` is ``linux/arm64`` on such a host."""
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    assert str(parse_platform("linux").platform) == "linux/arm64"


def test_a_system_that_has_no_containers_becomes_linux_with_a_warning() -> None:
    """gitlab-runner's words."""
    asked = parse_platform("macos/arm64")
    assert str(asked.platform) == "linux/arm64"
    assert asked.warning == (
        'Platform OS "darwin" in "macos/arm64" is not a valid container OS; using "linux" instead'
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("*", '"*": wildcards not yet supported: invalid argument'),
        ("no-such", '"no-such": unknown operating system or architecture: invalid argument'),
        ("linux/a/b/c", '"linux/a/b/c": cannot parse platform specifier: invalid argument'),
        (
            "linux/a?",
            '"a?" is an invalid component of "linux/a?": platform specifier component must match '
            '"^[A-Za-z0-9_-]+$": invalid argument',
        ),
        (
            "lin ux",
            '"lin ux" is an invalid OS component of "lin ux": OSAndVersion specifier component must match '
            '"^([A-Za-z0-9_-]+)(?:\\\\(([A-Za-z0-9_.-]*)\\\\))?$": invalid argument',
        ),
    ],
)
def test_others_are_the_configurations_fault(text: str, words: str) -> None:
    """In docker's words, as ``runner_configuration_error``."""
    with pytest.raises(BuildError) as raised:
        parse_platform(text)
    assert (str(raised.value), raised.value.failure_reason) == (words, FailureReason.CONFIGURATION_ERROR)


def test_the_form_for_inspections() -> None:
    """JSON with the names of the OCI specification, empty ones left out."""
    assert json.loads(Platform("linux", "arm", "v6").to_json()) == {
        "os": "linux",
        "architecture": "arm",
        "variant": "v6",
    }
    assert json.loads(Platform("windows", "amd64", "", "10.0").to_json())["os.version"] == "10.0"
