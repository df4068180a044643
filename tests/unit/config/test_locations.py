"""Default places."""

from __future__ import annotations

import pwd
from pathlib import Path

import pytest

from pyrunner.config.locations import certificate_files, certificate_folder, config_path

HOME = {"HOME": "/home/u"}


@pytest.mark.parametrize(
    ("option", "environ", "uid", "path"),
    [
        (None, HOME, 0, "/etc/gitlab-runner/config.toml"),
        (None, HOME, 1000, "/home/u/.gitlab-runner/config.toml"),
        (None, {**HOME, "CONFIG_FILE": "/c.toml"}, 0, "/c.toml"),
        (None, {**HOME, "CONFIG_FILE": ""}, 0, "."),
        ("x.toml", {**HOME, "CONFIG_FILE": "/c.toml"}, 0, "x.toml"),
    ],
)
def test_option_beats_environment_beats_default(
    option: str | None, environ: dict[str, str], uid: int, path: str
) -> None:
    """--config, CONFIG_FILE (also empty), then by user id."""
    assert config_path(option, environ, uid) == Path(path)


def test_home_comes_from_passwd_else_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Services are started without HOME."""
    entry = next(one for one in pwd.getpwall() if one.pw_uid != 0)
    assert config_path(None, {}, entry.pw_uid) == Path(entry.pw_dir, ".gitlab-runner", "config.toml")
    monkeypatch.chdir(tmp_path)
    assert config_path(None, {"HOME": ""}, 2**31 - 5) == tmp_path / "config.toml"


def test_certificates_follow_the_user_id_not_the_option() -> None:
    """--config elsewhere does not move the certificates."""
    assert certificate_folder({**HOME, "CONFIG_FILE": "/c.toml"}, 0) == Path("/etc/gitlab-runner/certs")


@pytest.mark.parametrize("url", ["https://git.example.com:8443/x", "http://u:p@git.example.com"])
def test_certificates_are_named_by_host_without_port(url: str) -> None:
    """Port, path and credentials are no part of the name."""
    files = certificate_files(Path("/certs"), url)
    assert files.ca == Path("/certs/git.example.com.crt")
    assert files.certificate == Path("/certs/git.example.com.auth.crt")
    assert files.key == Path("/certs/git.example.com.auth.key")


@pytest.mark.parametrize("url", ["https://[x", "", "https://a/../../etc/x"])
def test_odd_urls_stay_in_the_folder(url: str) -> None:
    """No URL names a file elsewhere."""
    assert certificate_files(Path("/certs"), url).ca.parent == Path("/certs")
