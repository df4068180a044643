"""The programs that carry a sandbox's network."""

from __future__ import annotations

import pytest

from pyrunner.executors.sandbox.tools import TOOLS, Tool, installed


def test_the_best_that_is_there() -> None:
    """slirp4netns before pasta, none where there is none."""
    assert [one.name for one in installed(lambda name: f"/usr/bin/{name}")] == ["slirp4netns", "pasta"]
    assert [one.name for one in installed(lambda name: "x" if name == "pasta" else None)] == ["pasta"]
    assert installed(lambda name: None) == ()


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_loopback_of_the_host_is_never_offered(tool: Tool) -> None:
    """Each is told so: their defaults lead the gateway, or open ports, to the host's loopback."""
    words = tool.command("/proc/self/fd/9")
    assert "/proc/self/fd/9" in words
    if tool.name == "pasta":
        assert "--no-map-gw" in words
        for option in ("--tcp-ports", "--udp-ports", "--tcp-ns", "--udp-ns"):
            assert words[words.index(option) + 1] == "none"
    else:
        assert {"--disable-host-loopback", "--disable-dns", "--enable-sandbox", "--enable-seccomp"} <= set(
            words
        )
