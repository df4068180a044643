"""Orders to a supervisor (design R7)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pyrunner.jobdir.control import ControlDir
from pyrunner.jobdir.orders import Order, give_order, read_order


@pytest.fixture
def control(tmp_path: Path) -> ControlDir:
    """A control directory."""
    made = ControlDir(tmp_path / "1")
    made.create()
    return made


def test_an_order_is_given_once(control: ControlDir) -> None:
    """The first text counts: an order never changes."""
    assert read_order(control, Order.ABORT) is None
    assert give_order(control, Order.ABORT, "first")
    assert not give_order(control, Order.ABORT, "second")
    assert read_order(control, Order.ABORT) == "first"


def test_orders_do_not_stand_in_for_one_another(control: ControlDir) -> None:
    """A cancelled job can still be aborted."""
    assert give_order(control, Order.CANCEL)
    assert read_order(control, Order.CANCEL) == ""
    assert read_order(control, Order.ABORT) is None
    assert give_order(control, Order.ABORT)
    assert read_order(control, Order.INTERRUPT) is None


def test_nothing_but_the_order_is_left(control: ControlDir) -> None:
    """Its text is there as soon as its name is, and no temporary file stays behind."""
    give_order(control, Order.INTERRUPT, "terminated")
    give_order(control, Order.INTERRUPT, "interrupt")
    assert [path.name for path in control.orders.iterdir()] == ["interrupt"]
    assert (control.orders / "interrupt").stat().st_mode & 0o777 == 0o600


def test_a_text_that_is_no_text(control: ControlDir) -> None:
    """Whatever somebody left there can be read."""
    (control.orders / "abort").write_bytes(b"\xff")
    assert read_order(control, Order.ABORT) == "\ufffd"


def test_an_order_comes_with_its_text(control: ControlDir, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever looks the moment the name appears reads the whole text."""
    seen: list[str | None] = []
    real = os.write

    def write(fd: int, data: bytes) -> int:
        seen.append(read_order(control, Order.INTERRUPT))
        return real(fd, data)

    monkeypatch.setattr(os, "write", write)
    give_order(control, Order.INTERRUPT, "terminated")
    assert seen == [None]
    assert read_order(control, Order.INTERRUPT) == "terminated"
