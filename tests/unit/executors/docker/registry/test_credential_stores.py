"""Credential helpers on the runner's host (docker-executor.md 4)."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from pyrunner.executors.docker.registry.auth import RegistryAuth
from pyrunner.executors.docker.registry.credential_stores import (
    CredentialHelper,
    CredentialHelperError,
    PathTraversal,
    check_helper_name,
)


def helper(folder: Path, script: str, name: str = "shop", timeout: float = 30) -> CredentialHelper:
    """Return a helper that is a shell script in a PATH of its own."""
    path = folder / f"docker-credential-{name}"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return CredentialHelper(name, {"PATH": f"{folder}:/usr/bin:/bin"}, timeout)


def test_get_hands_over_the_address_and_takes_user_and_secret(tmp_path: Path) -> None:
    """The address goes in by standard input, names of the answer may be in any case."""
    shop = helper(tmp_path, """read -r url; echo "{\\"username\\": \\"$url\\", \\"Secret\\": \\"s\\"}" """)
    assert shop.get("reg.tld:5000/x") == RegistryAuth("reg.tld:5000/x", "s", "reg.tld:5000/x")


def test_a_token_is_told_by_its_user(tmp_path: Path) -> None:
    """User ``<token>`` makes the secret an identity token."""
    shop = helper(tmp_path, """echo '{"Username": "<token>", "Secret": "t"}'""")
    assert shop.get("reg.tld") == RegistryAuth(server_address="reg.tld", identity_token="t")


def test_none_in_the_store_is_no_failure(tmp_path: Path) -> None:
    """A helper that has nothing says so and fails: that gives empty credentials."""
    shop = helper(tmp_path, "echo credentials not found in native keychain; exit 1")
    assert shop.get("reg.tld") == RegistryAuth()


def test_everything_lists_and_gets_each(tmp_path: Path) -> None:
    """All listed addresses are asked for."""
    shop = helper(
        tmp_path,
        'case $1 in list) echo \'{"a.tld": "u", "b.tld": "u"}\';; '
        'get) read -r url; echo "{\\"Username\\": \\"u\\", \\"Secret\\": \\"$url\\"}";; esac',
    )
    found = shop.everything()
    assert {address: one.password for address, one in found.items()} == {"a.tld": "a.tld", "b.tld": "b.tld"}


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo locked; exit 3", "error getting credentials - err: exit status 3, out: `locked`"),
        ("kill -9 $$", "error getting credentials - err: signal: SIGKILL, out: ``"),
        ("echo nonsense", "the credential helper did not answer with a JSON object"),
        ("echo '[\"x\"]'", "the credential helper did not answer with a JSON object"),
    ],
)
def test_a_failing_helper_is_told(tmp_path: Path, script: str, words: str) -> None:
    """With its status and its own words."""
    with pytest.raises(CredentialHelperError) as raised:
        helper(tmp_path, script).get("reg.tld")
    assert str(raised.value) == words


@pytest.mark.parametrize("script", ['echo \'{"Secret": "hunter2"}\'; exit 1', "printf 'a\\nhunter2'; exit 1"])
def test_what_may_be_a_secret_is_not_repeated(tmp_path: Path, script: str) -> None:
    """Only a single line that is no JSON is shown of a failing helper's output."""
    with pytest.raises(CredentialHelperError) as raised:
        helper(tmp_path, script).get("reg.tld")
    assert "hunter2" not in str(raised.value)


def test_a_missing_helper_is_told(tmp_path: Path) -> None:
    """In Go's words, which users search for."""
    with pytest.raises(CredentialHelperError) as raised:
        CredentialHelper("none", {"PATH": str(tmp_path)}).everything()
    assert 'exec: "docker-credential-none": executable file not found in $PATH' in str(raised.value)


def test_a_helper_in_the_working_directory_is_not_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relative entry of PATH finds nothing."""
    helper(tmp_path, "echo '{}'")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CredentialHelperError):
        CredentialHelper("shop", {"PATH": ".:"}).get("reg.tld")


def test_a_helper_that_hangs_is_ended(tmp_path: Path) -> None:
    """After its time; what it has started and left with its pipe goes, too."""
    shop = helper(tmp_path, "sleep 600 & sleep 600", timeout=0.2)
    with pytest.raises(CredentialHelperError) as raised:
        shop.get("reg.tld")
    assert str(raised.value) == "docker-credential-shop get: no answer within 0.2 seconds"


def test_stop_ends_the_call_that_runs(tmp_path: Path) -> None:
    """From another thread, and every later call."""
    shop = helper(tmp_path, 'echo > "$0.began"; exec sleep 600')
    failures: list[BaseException] = []

    def call() -> None:
        try:
            shop.get("reg.tld")
        except CredentialHelperError as error:
            failures.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    while not (tmp_path / "docker-credential-shop.began").exists():
        thread.join(0.01)
    shop.stop()
    thread.join()
    assert len(failures) == 1
    with pytest.raises(CredentialHelperError):
        shop.get("reg.tld")


@pytest.mark.parametrize("name", ["../x", "/usr/bin/sudo", "a/b", "", "x/", "x\0"])
def test_names_with_a_path_are_refused(name: str) -> None:
    """A job's variable must not choose what runs on the runner's host."""
    with pytest.raises(PathTraversal, match=r"^path traversal is not allowed$"):
        check_helper_name(name)
    with pytest.raises(PathTraversal):
        CredentialHelper(name, {})
