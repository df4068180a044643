"""The service's state, as systemd and /proc tell it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyrunner.config.model import Config
from pyrunner.doctor.context import Context, Host
from pyrunner.doctor.result import Result, Status
from pyrunner.doctor.services import check_service


def context(root: Path, shown: str = "", systemd: bool = True) -> Context:
    """Return a host whose systemctl shows ``shown`` of pyrunner.service, and nothing of other units."""
    (root / "proc").mkdir(exist_ok=True)
    if systemd:
        (root / "run/systemd/system").mkdir(parents=True)
    programs = root / "bin"
    programs.mkdir()
    program = programs / "systemctl"
    program.write_text(f'#!/bin/sh\ncase "$2" in pyrunner.service) cat "{root}/shown";; esac\n')
    program.chmod(0o755)
    (root / "shown").write_text(shown)
    host = Host({"PATH": f"{programs}:/usr/bin:/bin"}, root=root, uid=0)
    return Context(
        path=root / "config.toml",
        config=Config(),
        host=host,
        system_id="",
        certificates=root,
        info_of=lambda _: {},
        root_of=lambda _: root,
        executors=frozenset(),
    )


def unit(**changes: str) -> str:
    """Return what systemctl shows of a good unit, with changes."""
    values = {
        "LoadState": "loaded",
        "ActiveState": "active",
        "UnitFileState": "enabled",
        "KillMode": "process",
        "ExecStart": "{ path=/usr/bin/pyrunner ; argv[]=/usr/bin/pyrunner run }",
    }
    return "".join(f"{key}={value}\n" for key, value in {**values, **changes}.items())


def statuses(results: list[Result]) -> list[Status]:
    """Return how the results ended."""
    return [one.status for one in results]


def test_a_good_service(tmp_path: Path) -> None:
    """Running, enabled, and sparing its jobs: one good line."""
    assert statuses(list(check_service(context(tmp_path, unit())))) == [Status.OK]


@pytest.mark.parametrize(
    ("changes", "expected", "fix"),
    [
        ({"ActiveState": "failed"}, [Status.FAILED], "journalctl --unit pyrunner.service"),
        ({"ActiveState": "inactive"}, [Status.WARNING], "systemctl start pyrunner.service"),
        ({"UnitFileState": "disabled"}, [Status.OK, Status.WARNING], "systemctl enable pyrunner.service"),
        ({"KillMode": "control-group"}, [Status.OK, Status.WARNING], "KillMode=process"),
    ],
)
def test_what_can_be_wrong(tmp_path: Path, changes: dict[str, str], expected: list[Status], fix: str) -> None:
    """Each state has its fix."""
    results = list(check_service(context(tmp_path, unit(**changes))))
    assert statuses(results) == expected
    assert fix in results[-1].fix


def test_no_service(tmp_path: Path) -> None:
    """A unit of that name that starts something else is none of ours."""
    for number, shown in enumerate(("LoadState=not-found\n", unit(ExecStart="{ path=/bin/true }"))):
        folder = tmp_path / str(number)
        folder.mkdir()
        (result,) = check_service(context(folder, shown))
        assert result.status is Status.WARNING
        assert "pyrunner install" in result.fix


def test_without_systemd(tmp_path: Path) -> None:
    """Another service system is not looked at."""
    assert statuses(list(check_service(context(tmp_path, systemd=False)))) == [Status.SKIPPED]


def test_a_gitlab_runner_beside(tmp_path: Path) -> None:
    """Two managers for the same runners are named by process; helpers of jobs are no managers."""
    for process, words in (
        ("12", "/usr/bin/gitlab-runner\0run\0"),
        ("13", "gitlab-runner\0cache-archiver\0"),
    ):
        (tmp_path / "proc" / process).mkdir(parents=True)
        (tmp_path / "proc" / process / "cmdline").write_bytes(words.encode())
    first, *_ = check_service(context(tmp_path, unit()))
    assert first.status is Status.WARNING
    assert "(process 12)" in first.text
    assert "pyrunner migrate" in first.fix
