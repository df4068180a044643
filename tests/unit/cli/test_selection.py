"""Which entries verify and unregister choose (config-and-commands.md 2.4)."""

from __future__ import annotations

import pytest

from pyrunner.cli import verify
from pyrunner.cli.config_file import same_runner
from pyrunner.cli.failure import CommandFailed
from pyrunner.cli.unregister import find_runner
from pyrunner.cli.values import read_values
from pyrunner.config.model import Config, RunnerConfig

A = RunnerConfig(name="a", url="https://one", token="glrt-t1_abcdefghijkl")
B = RunnerConfig(name="", url="https://two", token="t")
CONFIG = Config(runners=[A, B])


@pytest.mark.parametrize(
    ("given", "chosen"),
    [
        ({}, [A, B]),
        ({"name": "a"}, [A]),
        ({"token": "t"}, [B]),
        ({"token": "t", "url": "https://two"}, [B]),
        ({"token": "t", "url": "https://one"}, []),
        ({"url": "https://one"}, []),
        ({"name": "a", "token": "t"}, [A, B]),
        ({"name": "nix"}, []),
    ],
)
def test_verify(given: dict[str, str], chosen: list[RunnerConfig]) -> None:
    """By name, or by token and url; --url alone and empty names choose nothing."""
    flags = verify.COMMAND.flags
    environ = {"CI_SERVER_URL": "https://one", "CI_SERVER_TOKEN": "t", "RUNNER_NAME": "a"}
    values = read_values(flags, {key: [text] for key, text in given.items()}, environ)
    assert [runner for runner in CONFIG.runners if verify.selects(values, runner)] == chosen


@pytest.mark.parametrize(
    ("name", "token", "found"), [("a", "", A), ("", "t", B), ("a", A.token, A), ("", A.token, A)]
)
def test_unregister(name: str, token: str, found: RunnerConfig) -> None:
    """By name and token, token, or name."""
    assert find_runner(CONFIG, name, token) is found


@pytest.mark.parametrize(
    ("name", "token", "reason"),
    [
        ("", "", "at least one of --name or --token must be specified"),
        ("nix", "", "could not find a runner with the name 'nix'"),
        ("", "glrt-t1_mnopqrstuvwx", "could not find a runner with the token 'mnopqrstu'"),
        ("a", "t", "could not find a runner with the Name 'a' and Token 't'"),
    ],
)
def test_unregister_finds_nothing(name: str, token: str, reason: str) -> None:
    """The reason is a field of the fatal line, and shows no whole token."""
    with pytest.raises(CommandFailed, match="failed to unregister runner") as caught:
        find_runner(CONFIG, name, token)
    assert caught.value.fields["error"].endswith(reason)


def test_same_runner() -> None:
    """Name and settings do not make another runner; any of the credentials does."""
    assert same_runner(A, RunnerConfig(name="x", limit=3, url=A.url, token=A.token))
    assert not same_runner(A, RunnerConfig(url=A.url, token=A.token, tls_ca_file="/ca"))
    assert not same_runner(A, RunnerConfig(url=A.url, token=A.token, id=7))
