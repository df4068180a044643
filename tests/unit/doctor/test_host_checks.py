"""Programs, room and limits, with what a host may have wrong."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pyrunner.config.load import parse_config
from pyrunner.doctor import configuration, limits, programs, storage
from pyrunner.doctor.context import Context, Host
from pyrunner.doctor.result import Result, Status


def context(folder: Path, more: str = "", executor: str = "shell", path: str = "") -> Context:
    """Return a host with one runner whose jobs live below ``folder``."""
    text = f'[[runners]]\nname = "a"\nurl = "http://h"\ntoken = "t"\nexecutor = "{executor}"\n{more}\n'
    return Context(
        path=folder / "config.toml",
        config=parse_config(text.encode(), {}),
        host=Host({"PATH": path}, root=folder, uid=os.geteuid()),
        system_id="",
        certificates=folder,
        info_of=lambda _: {},
        root_of=lambda _: folder / "jobs",
        executors=frozenset(("shell", "docker")),
    )


def program(folder: Path, name: str, says: str, code: int = 0) -> str:
    """Make a program, and return the folder it is in."""
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{says}'\nexit {code}\n")
    path.chmod(0o755)
    return str(folder)


@pytest.mark.parametrize(
    ("says", "code", "status"),
    [
        ("git version 2.39.5", 0, Status.OK),
        ("git version 2.18.0 (Apple)", 0, Status.OK),
        ("git version 1.8.3.1", 0, Status.WARNING),
        ("error while loading shared libraries", 127, Status.FAILED),
    ],
)
def test_git(tmp_path: Path, says: str, code: int, status: Status) -> None:
    """Its version counts, and that it works at all."""
    (result,) = programs.check_git(context(tmp_path, path=program(tmp_path, "git", says, code)))
    assert result.status is status


def test_git_missing(tmp_path: Path) -> None:
    """Shell jobs fail without git; containers have their own."""
    assert [one.status for one in programs.check_git(context(tmp_path))] == [Status.FAILED]
    docker = context(tmp_path, executor="docker")
    assert [one.status for one in programs.check_git(docker)] == [Status.WARNING]


def test_git_for_a_flag(tmp_path: Path) -> None:
    """A feature that this git does not have is named."""
    path = program(tmp_path, "git", "git version 2.39.5")
    more = "[runners.feature_flags]\nFF_USE_GIT_NATIVE_CLONE = true\n"
    *_, last = programs.check_git(context(tmp_path, more, path=path))
    assert last.status is Status.WARNING
    assert "2.49" in last.text


def test_shells(tmp_path: Path) -> None:
    """The shell of each entry has to be in PATH, and one that jobs can run in."""
    path = program(tmp_path, "sh", "")

    def status(more: str) -> list[Status]:
        return [one.status for one in programs.check_shell(context(tmp_path, more, path=path))]

    assert status('shell = "sh"') == [Status.OK]
    assert status("") == [Status.FAILED]
    assert status('shell = "pwsh"') == [Status.FAILED]


def storage_of(context: Context) -> dict[str, list[Result]]:
    """Return the results about the root by their check."""
    found: dict[str, list[Result]] = {}
    for one in storage.check_storage(context):
        found.setdefault(one.check, []).append(one)
    return found


def test_root(tmp_path: Path) -> None:
    """What a start would refuse is told before: a root that is no folder, or under everybody's pen."""
    tmp_path.chmod(0o755)
    good = storage_of(context(tmp_path))["root"]
    assert [one.status for one in good] == [Status.OK]
    assert "made at the first start" in good[0].text
    (tmp_path / "jobs").write_text("")
    assert [one.status for one in storage_of(context(tmp_path))["root"]] == [Status.FAILED]
    (tmp_path / "jobs").unlink()
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs").chmod(0o777)
    (result,) = storage_of(context(tmp_path))["root"]
    assert result.fix.startswith(f"chmod o-w {tmp_path / 'jobs'}")


def test_room(tmp_path: Path) -> None:
    """min_free is a failure because no more jobs are asked for."""
    tmp_path.chmod(0o755)
    more = '[runners.tristan]\nmin_free = "900000TB"\n'
    first, *_ = storage_of(context(tmp_path, more))["disk"]
    assert first.status is Status.FAILED
    assert "min_free" in first.text


def test_mount_options_matter_to_containers_alone(tmp_path: Path) -> None:
    """Only what containers leave behind has to be kept from the host's users."""
    assert "mount" not in storage_of(context(tmp_path))
    assert len(storage_of(context(tmp_path, executor="docker"))["mount"]) == 1


def test_few_inotify_instances(tmp_path: Path) -> None:
    """The limit is compared with what concurrent jobs take."""
    folder = tmp_path / "proc/sys/fs/inotify"
    folder.mkdir(parents=True)
    (folder / "max_user_instances").write_text("128\n")
    few = context(tmp_path)
    assert [one.status for one in limits.check_inotify(few)] == [Status.OK]
    (folder / "max_user_instances").write_text("8\n")
    (result,) = limits.check_inotify(few)
    assert result.status is Status.WARNING
    assert "sysctl" in result.fix


def test_executors(tmp_path: Path) -> None:
    """An entry that is not polled is told, and by which executors it could be."""
    (result,) = configuration.check_executors(context(tmp_path, executor="kubernetes"))
    assert result.status is Status.WARNING
    assert "docker, shell" in result.fix


def test_certificates(tmp_path: Path) -> None:
    """Files that are named and cannot be used, keys that others can read, half a pair."""
    key = tmp_path / "key.pem"
    key.write_text("-----BEGIN PRIVATE KEY-----\n")
    key.chmod(0o644)
    der = tmp_path / "ca.der"
    der.write_bytes(b"\x30\x82")
    more = f'tls-ca-file = "{der}"\ntls-key-file = "{key}"\n'
    results = list(configuration.check_certificates(context(tmp_path, more)))
    assert [one.status for one in results] == [Status.FAILED, Status.WARNING, Status.WARNING]
    assert "openssl" in results[0].fix
    assert results[1].fix == f"chmod 600 {key}"
    assert "one is missing" in results[2].text
