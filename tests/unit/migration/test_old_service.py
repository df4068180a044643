"""What gitlab-runner's unit tells (config-and-commands.md 2.6)."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyrunner.errors import ServiceError
from pyrunner.migration.old_service import OldService, read_old_service, unit_fits
from pyrunner.service.calls import Systemctl
from pyrunner.service.control import Service
from pyrunner.service.description import ServiceDescription
from pyrunner.service.unit import render_unit
from tests.support.fake_systemd import FakeSystemd

UNIT = r"""[Unit]
Description=GitLab Runner

[Service]
ExecStart=/usr/bin/gitlab-runner "run" "--config" "/etc/gitlab\x20runner/config.toml" MORE
EnvironmentFile=-{environment}

[Install]
WantedBy=multi-user.target
""".replace(
    "MORE", '"--working-directory" "/home/gitlab-runner" "--service" "gitlab-runner" "--user" "gitlab-runner"'
)


@pytest.fixture
def systemd(tmp_path: Path) -> FakeSystemd:
    """A systemd without units."""
    units = tmp_path / "units"
    units.mkdir()
    return FakeSystemd(units)


def read(systemd: FakeSystemd, text: str | None) -> OldService | None:
    """Return what is read from a unit."""
    if text is not None:
        (systemd.units / "gitlab-runner.service").write_text(text)
    return read_old_service(Systemctl(False, {}, systemd), "gitlab-runner")


def test_what_install_writes(systemd: FakeSystemd, tmp_path: Path) -> None:
    """Paths and users come from the arguments; escaped white space is read as systemd does."""
    systemd.set("gitlab-runner.service", active=True, enabled=True)
    old = read(systemd, UNIT.replace("{environment}", "/nonexistent"))
    assert old == OldService(
        active=True,
        enabled=True,
        config=Path("/etc/gitlab runner/config.toml"),
        working_directory=Path("/home/gitlab-runner"),
        user="gitlab-runner",
    )


def test_what_is_not_taken_over(systemd: FakeSystemd, tmp_path: Path) -> None:
    """Variables and unknown arguments are named, not dropped in silence."""
    variables = tmp_path / "environment"
    variables.write_text("A=b\n")
    old = read(systemd, UNIT.replace("{environment}", str(variables)).replace('"run"', '"run" "--odd=1"'))
    assert old is not None
    assert [text.split(" is ")[0].split(" are ")[0] for text in old.left] == [
        "the argument --odd=1 of gitlab-runner.service",
        f"variables in {variables}",
    ]


@pytest.mark.parametrize(
    ("words", "listen"),
    [('"run" "--listen-address=:9252" "-c" "/c"', ":9252"), ("run -c=/c --syslog", "")],
)
def test_forms_of_flags(systemd: FakeSystemd, words: str, listen: str) -> None:
    """Flags come with one or two dashes, with = or without."""
    old = read(systemd, f"[Service]\nExecStart=/opt/bin/gitlab-runner {words}\n")
    assert old is not None
    assert (old.config, old.listen_address, old.left) == (Path("/c"), listen, ())


def test_a_drop_in_replaces_the_command(systemd: FakeSystemd) -> None:
    """The last ExecStart counts; an empty one before it clears the list."""
    line = "ExecStart=/usr/bin/gitlab-runner run -c"
    text = f"[Service]\n{line} /a\nExecStart=\n{line} /b\n"
    old = read(systemd, text)
    assert old is not None
    assert old.config == Path("/b")


def test_no_unit(systemd: FakeSystemd) -> None:
    """Where nothing is installed there is nothing to read."""
    assert read(systemd, None) is None


def test_a_unit_of_something_else(systemd: FakeSystemd) -> None:
    """A service of that name that starts another program is not stopped by us."""
    with pytest.raises(ServiceError, match="does not start gitlab-runner"):
        read(systemd, "[Service]\nExecStart=/usr/bin/pyrunner run\n")


def ours(systemd: FakeSystemd, administrators: Path) -> Service:
    """Return our service, whose administrators' units are elsewhere than the package's."""
    return Service("pyrunner", False, {}, run=systemd, units=administrators)


def wanted(config: str = "/c", user: str = "ci") -> ServiceDescription:
    """Return a unit."""
    return ServiceDescription(
        name="pyrunner",
        program=("/usr/bin/pyrunner",),
        config=Path(config),
        working_directory=Path("/"),
        user=user,
    )


def test_a_unit_of_the_package_that_fits(systemd: FakeSystemd, tmp_path: Path) -> None:
    """The package's unit serves where it has the same configuration and user; else another goes over it."""
    assert not unit_fits(ours(systemd, tmp_path), wanted())
    (systemd.units / "pyrunner.service").write_text(render_unit(wanted()))
    assert unit_fits(ours(systemd, tmp_path), wanted())
    assert not unit_fits(ours(systemd, tmp_path), wanted(user="root"))
    assert not unit_fits(ours(systemd, tmp_path), wanted(config="/d"))


def test_a_unit_of_an_administrator_that_does_not(systemd: FakeSystemd) -> None:
    """It is not replaced behind somebody's back."""
    (systemd.units / "pyrunner.service").write_text(render_unit(wanted()))
    assert unit_fits(ours(systemd, systemd.units), wanted())
    with pytest.raises(ServiceError, match="uninstall it first"):
        unit_fits(ours(systemd, systemd.units), wanted(user="root"))
