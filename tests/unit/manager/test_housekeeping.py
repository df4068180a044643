"""When the manager has things tidied up, and what it asks for (tristan-layout.md 7)."""

from __future__ import annotations

import json
import os
import select
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from pyrunner.config.model import RunnerConfig
from pyrunner.config.tables import Tristan
from pyrunner.errors import PyrunnerError
from pyrunner.manager.clean_up_order import CleanUpOrder
from pyrunner.manager.fleet import Fleet
from pyrunner.manager.housekeeping import EVERY, FIRST, HURRY, Housekeeping, clean_up
from pyrunner.manager.link import Links
from pyrunner.manager.mailbox import Mailbox
from pyrunner.manager.retention import RetentionRules
from pyrunner.manager.room import shortage
from pyrunner.protocol.decode import decode


def keeper(folder: Path) -> tuple[Housekeeping, Mailbox, list[list[str]]]:
    """Return the housekeeping of a manager with one runner, and the businesses of each round it begins."""
    rounds: list[list[str]] = []
    mailbox = Mailbox()
    fleet = Fleet({}, os.geteuid(), Links({}, folder))
    tristan = Tristan(root=str(folder / "root"), business_id="one")
    fleet.load([RunnerConfig(url="https://gitlab.example.com", token="t", executor="shell", tristan=tristan)])

    def work(orders: Sequence[CleanUpOrder], _: Mapping[str, str]) -> None:
        rounds.append([one.business_id for one in orders])

    return Housekeeping(mailbox, fleet, {}, work), mailbox, rounds


def settle(mailbox: Mailbox) -> None:
    """Let the thread of a round come to its end: it posts its result, then its end."""
    for _ in range(2):
        select.select([mailbox], [], [], 10)
        mailbox.deliver()


def test_now_and_then(tmp_path: Path) -> None:
    """Not at once, when jobs are taken up again, and then every half hour."""
    work, mailbox, rounds = keeper(tmp_path)
    assert work.step(0.0) == FIRST
    assert rounds == []
    assert work.step(FIRST) == FIRST + EVERY
    settle(mailbox)
    assert rounds == [["one"]]
    work.step(FIRST + EVERY - 1)
    assert rounds == [["one"]]


def test_without_room_it_hurries(tmp_path: Path) -> None:
    """When no job can be taken for want of room, the next round comes soon, but not all the time."""
    work, mailbox, rounds = keeper(tmp_path)
    work.step(0.0)
    work.hurry()
    work.step(1.0)
    settle(mailbox)
    assert len(rounds) == 1
    work.hurry()
    assert work.step(2.0) == 1.0 + HURRY
    assert len(rounds) == 1
    work.step(1.0 + HURRY)
    settle(mailbox)
    assert len(rounds) == 2


def test_orders_survive_the_way_to_the_process() -> None:
    """What the process reads is what the manager meant; there is no token in it."""
    tristan = Tristan(keep_branches=3, keep_days=4, disk_budget=5, min_free=6)
    runner = RunnerConfig(token="glrt-secret", executor="shell", tristan=tristan)
    order = CleanUpOrder("/root", "1", RetentionRules(3, 4, 5, 6))
    business = order.business
    assert CleanUpOrder.of(business, runner) == order
    text = json.dumps(order.to_dict())
    assert decode(CleanUpOrder, json.loads(text)) == order
    assert CleanUpOrder.of(business, None).rules == RetentionRules()
    assert "secret" not in json.dumps(CleanUpOrder.of(business, runner).to_dict())


def test_a_process_that_fails_is_told(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A round that could not be done is a failure, with the reason in the log of the process."""
    (tmp_path / "1" / "jobs").mkdir(parents=True)
    (tmp_path / "1" / "jobs" / "pending").write_text("no folder")
    with pytest.raises(PyrunnerError, match="exit code 1"):
        clean_up([CleanUpOrder(str(tmp_path), "1")], {"PATH": os.environ["PATH"], "HOME": str(tmp_path)})
    assert "pending" in capfd.readouterr().err


def test_room_for_a_job(tmp_path: Path) -> None:
    """No limit is no limit, a folder to come no reason; else path, free and needed are told."""
    assert shortage(tmp_path, None) == shortage(tmp_path, 0) == shortage(tmp_path, 1) == ""
    assert shortage(tmp_path / "none", 10**18) == ""
    text = shortage(tmp_path, 900 * 10**15)
    assert text.startswith(f"{tmp_path} has ")
    assert "free, and 900000.0 TB have to be (min_free)" in text
    assert "pyrunner gc --dry-run" in text
