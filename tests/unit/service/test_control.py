"""What is asked of systemctl, and what becomes of its answers (config-and-commands.md 2.6)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from pyrunner.errors import ServiceError
from pyrunner.service.calls import Answer, run_command
from pyrunner.service.control import Service, State, Stop
from tests.unit.service.test_unit import PACKAGED


class Systemd:
    """Answers as a systemd would that knows one service; keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.environ: Mapping[str, str] = {}
        self.properties = {
            "LoadState": "loaded",
            "ActiveState": "active",
            "MainPID": "77",
            "FragmentPath": "",
        }
        self.refuse: dict[str, Answer] = {}
        #: Called with each verb, to change what is the case.
        self.on: Callable[[str], None] = lambda _: None

    def __call__(self, command: Sequence[str], environ: Mapping[str, str]) -> Answer:
        self.environ = environ
        words = [word for word in command[1:] if word != "--user"]
        self.asked.append(list(words))
        self.on(words[0])
        if words[0] in self.refuse:
            return self.refuse[words[0]]
        names = [word.partition("=")[2] for word in words if word.startswith("--property=")]
        return Answer(0, "\n".join(f"{name}={self.properties[name]}" for name in names))

    @property
    def verbs(self) -> list[str]:
        """What was asked, questions apart."""
        return [words[0] for words in self.asked if words[0] != "show"]


@pytest.fixture
def systemd() -> Systemd:
    """A systemd."""
    return Systemd()


@pytest.fixture
def service(tmp_path: Path, systemd: Systemd) -> Service:
    """A service whose units are in a folder of the test."""
    return Service("pyrunner", False, {}, run=systemd, units=tmp_path / "units", sleep=lambda _: None)


def test_install_and_uninstall(service: Service, systemd: Systemd) -> None:
    """The unit is written for all to read, enabled, and removed without stopping what runs."""
    service.install(PACKAGED)
    assert service.path.stat().st_mode & 0o777 == 0o644
    assert systemd.verbs == ["daemon-reload", "enable"]
    with pytest.raises(ServiceError, match=rf"^Init already exists: {service.path}$"):
        service.install(PACKAGED)
    service.uninstall()
    assert not service.path.exists()
    assert systemd.verbs == ["daemon-reload", "enable", "disable", "daemon-reload"]


def test_an_install_that_fails_leaves_nothing(service: Service, systemd: Systemd) -> None:
    """What cannot be enabled is not left in the way of the next try."""
    systemd.refuse["enable"] = Answer(1, "", "Failed to enable unit: no")
    with pytest.raises(ServiceError, match=r"^Failed to enable unit: no$"):
        service.install(PACKAGED)
    assert not service.path.exists()


def test_a_link_counts_as_installed(service: Service) -> None:
    """A masked unit is a dangling link as often as not; nothing is written through it."""
    service.path.parent.mkdir()
    service.path.symlink_to(service.path.parent / "elsewhere")
    with pytest.raises(ServiceError, match="already exists"):
        service.install(PACKAGED)
    assert not (service.path.parent / "elsewhere").exists()


def test_only_runners_are_uninstalled(service: Service) -> None:
    """Another program's unit is not ours to remove; gitlab-runner's is."""
    service.path.parent.mkdir()
    service.path.write_text("[Unit]\nDescription=OpenBSD Secure Shell server\n")
    with pytest.raises(ServiceError, match="not a runner's unit"):
        service.uninstall()
    assert service.path.exists()
    service.path.write_text("[Unit]\nDescription=GitLab Runner\n")
    service.uninstall()
    assert not service.path.exists()


def test_units_of_packages_stay(service: Service, systemd: Systemd) -> None:
    """What a package has installed, the package removes; what is not there cannot be removed."""
    systemd.properties["FragmentPath"] = "/usr/lib/systemd/system/pyrunner.service"
    with pytest.raises(ServiceError, match="belongs to a package"):
        service.uninstall()
    systemd.properties["FragmentPath"] = ""
    with pytest.raises(ServiceError, match=r"^the service is not installed$"):
        service.uninstall()


@pytest.mark.parametrize(
    ("load", "active", "state"),
    [
        ("loaded", "active", State.RUNNING),
        ("loaded", "activating", State.RUNNING),
        ("loaded", "reloading", State.RUNNING),
        ("loaded", "deactivating", State.STOPPED),
        ("loaded", "failed", State.STOPPED),
        ("masked", "inactive", State.STOPPED),
        ("not-found", "inactive", State.NOT_INSTALLED),
        ("not-found", "active", State.RUNNING),
    ],
)
def test_state(service: Service, systemd: Systemd, load: str, active: str, state: State) -> None:
    """Active and activating are running; uninstalled while it runs is running still."""
    systemd.properties.update(LoadState=load, ActiveState=active)
    assert service.state() is state


def test_a_plain_stop_is_systemds(service: Service, systemd: Systemd) -> None:
    """Jobs go on: nothing but SIGTERM, by systemd."""
    service.stop()
    assert systemd.verbs == ["stop"]


@pytest.mark.parametrize(("how", "signal"), [(Stop.WAIT, "SIGQUIT"), (Stop.ABORT, "SIGINT")])
def test_a_stop_by_signal(service: Service, systemd: Systemd, how: Stop, signal: str) -> None:
    """The manager alone gets the signal; when that process is gone, a start that was to follow is stopped."""
    looks = iter(["77", "77", "77", "99"])

    def change(verb: str) -> None:
        if verb == "show":
            systemd.properties["MainPID"] = next(looks)

    systemd.on = change
    service.stop(how)
    assert systemd.verbs == ["kill", "stop"]
    assert ["kill", f"--signal={signal}", "--kill-who=main", "pyrunner.service"] in systemd.asked
    assert next(looks, None) is None


def test_nothing_to_signal(service: Service, systemd: Systemd) -> None:
    """A service without a process is only stopped."""
    systemd.properties["MainPID"] = "0"
    service.stop(Stop.WAIT)
    assert systemd.verbs == ["stop"]


def test_refusals_keep_systemds_words(service: Service, systemd: Systemd) -> None:
    """The reason is systemd's to tell."""
    systemd.refuse["start"] = Answer(5, "", "Unit pyrunner.service not found.")
    with pytest.raises(ServiceError, match=r"^Unit pyrunner.service not found.$"):
        service.start()


def test_users_without_a_bus(tmp_path: Path, systemd: Systemd) -> None:
    """Without a session there is no service manager of the user; the text says how there is."""
    service = Service("pyrunner", True, {}, run=systemd, units=tmp_path)
    systemd.refuse["start"] = Answer(1, "", "Failed to connect to bus: No medium found")
    with pytest.raises(ServiceError, match="enable-linger"):
        service.start()


def test_units_of_a_user_are_in_the_home_folder(tmp_path: Path, systemd: Systemd) -> None:
    """XDG_CONFIG_HOME, else ~/.config."""
    home = {"HOME": str(tmp_path)}
    assert Service("x", True, home, run=systemd).path == tmp_path / ".config/systemd/user/x.service"
    moved = {**home, "XDG_CONFIG_HOME": str(tmp_path / "moved")}
    service = Service("x", True, moved, run=systemd)
    service.install(replace(PACKAGED, for_user=True))
    assert (tmp_path / "moved/systemd/user/x.service").exists()
    with pytest.raises(ServiceError, match="HOME"):
        Service("x", True, {}, run=systemd)


def test_no_systemctl() -> None:
    """A program that is not there is a failure with its name."""
    with pytest.raises(ServiceError, match="cannot run /nonexistent/systemctl"):
        run_command(["/nonexistent/systemctl"], {})
