"""There and back, with a systemd that only keeps books."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyrunner.config.load import load_config
from pyrunner.errors import ServiceError
from pyrunner.migration.switch import RECORD, Before, Switch
from pyrunner.service.control import Service
from pyrunner.service.description import ServiceDescription
from tests.support.fake_systemd import FakeSystemd

CONFIG = b'# ours\n[[runners]]\n  name = "a"\n  url = "https://h/"\n  token = "t"\n  executor = "shell"\n'
OLD, NEW = "gitlab-runner.service", "pyrunner.service"


class Lab:
    """A host with gitlab-runner running."""

    def __init__(self, folder: Path, broken: tuple[str, ...] = ()) -> None:
        units = folder / "units"
        units.mkdir()
        (units / OLD).write_text("[Service]\nExecStart=/usr/bin/gitlab-runner run\n")
        self.systemd = FakeSystemd(units, broken)
        self.systemd.set(OLD, active=True, enabled=True)
        self.config = folder / "config.toml"
        self.config.write_bytes(CONFIG)
        self.said: list[str] = []
        self.description = ServiceDescription(
            name="pyrunner", program=("/usr/bin/pyrunner",), config=self.config, working_directory=folder
        )

    def switch(self) -> Switch:
        """Return the switch of this host."""
        old, new = (
            Service(name, False, {}, run=self.systemd, units=self.systemd.units, sleep=lambda _: None)
            for name in ("gitlab-runner", "pyrunner")
        )
        return Switch(self.config, old, new, self.said.append)

    def there(self, before: Before | None = None) -> None:
        """Go there."""
        self.switch().there(before or Before(unit_existed=False), [0], self.description)

    @property
    def source_path(self) -> str:
        """What the entry says."""
        return load_config(self.config, {}).runners[0].tristan.source_path

    def running(self) -> list[str]:
        """Return the units that run."""
        return [unit for unit, does in self.systemd.state.items() if does["active"]]

    def enabled(self) -> list[str]:
        """Return the units that start with the system."""
        return [unit for unit, does in self.systemd.state.items() if does["enabled"]]


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    """A host with gitlab-runner running."""
    return Lab(tmp_path)


def test_there(lab: Lab) -> None:
    """gitlab-runner's jobs are waited for before anything else happens; then ours runs, and only ours."""
    lab.there()
    assert lab.systemd.calls[0][:2] == ["kill", "--signal=SIGQUIT"]
    assert lab.running() == [NEW]
    assert lab.enabled() == [NEW]
    assert lab.source_path == "slot"
    assert (lab.config.parent / RECORD).exists()


def test_and_back(lab: Lab) -> None:
    """config.toml is the same byte for byte, gitlab-runner runs, nothing of ours is left."""
    lab.there()
    before = len(lab.systemd.calls)
    lab.switch().back()
    assert lab.systemd.calls[before][:2] == ["kill", "--signal=SIGQUIT"]
    assert lab.config.read_bytes() == CONFIG
    assert lab.running() == [OLD]
    assert lab.enabled() == [OLD]
    assert sorted(one.name for one in lab.systemd.units.iterdir()) == [OLD]
    assert not (lab.config.parent / RECORD).exists()


def test_back_to_how_it_was(lab: Lab) -> None:
    """A gitlab-runner that did not run does not run afterwards; a unit of ours that was there stays."""
    lab.systemd.set(OLD, active=False, enabled=False)
    (lab.systemd.units / NEW).write_text("[Service]\nExecStart=/usr/bin/pyrunner run\n")
    lab.there(Before(active=False, enabled=False, unit_existed=True))
    lab.switch().back()
    assert lab.running() == []
    assert lab.enabled() == []
    assert (lab.systemd.units / NEW).exists()


def test_a_start_that_fails_puts_everything_back(tmp_path: Path) -> None:
    """When pyrunner does not start, gitlab-runner runs again with its old file, and the reason is told."""
    lab = Lab(tmp_path, broken=(NEW,))
    with pytest.raises(ServiceError, match=r"nothing has changed: Job for pyrunner\.service failed"):
        lab.there()
    assert lab.config.read_bytes() == CONFIG
    assert lab.running() == [OLD]
    assert lab.enabled() == [OLD]
    assert not (lab.systemd.units / NEW).exists()
    assert not (lab.config.parent / RECORD).exists()


def test_a_file_that_cannot_be_changed_puts_everything_back(lab: Lab) -> None:
    """A refused edit happens while nothing runs: gitlab-runner must come back."""
    lab.config.write_bytes(CONFIG + b'  tristan = { root = "/x" }\n')
    with pytest.raises(ServiceError, match="by hand"):
        lab.there()
    assert lab.running() == [OLD]


def test_a_way_that_was_interrupted_goes_on(lab: Lab) -> None:
    """The second try keeps what the first has recorded, not what it finds half-way."""
    lab.there()
    lab.systemd.set(NEW, active=False)
    lab.there(Before(active=False, enabled=False, unit_existed=True))
    assert lab.running() == [NEW]
    lab.switch().back()
    assert lab.running() == [OLD]
    assert lab.config.read_bytes() == CONFIG


def test_without_services(lab: Lab) -> None:
    """The file alone changes, there and back."""
    switch = Switch(lab.config, None, None, lab.said.append)
    switch.there(Before(), [0], None)
    assert lab.source_path == "slot"
    switch.back()
    assert lab.config.read_bytes() == CONFIG
    assert lab.systemd.calls == []
