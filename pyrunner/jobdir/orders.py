"""Orders from the manager, or from ``pyrunner abort``, to a supervisor: files created once (design R7).

``cancel``     the coordinator's ``canceling``: scripts stop, after_script and uploads still run;
``abort``      the coordinator's ``canceled``/``failed``/403: everything stops;
``interrupt``  the runner is stopping: everything stops, text is the signal's name.
"""

from __future__ import annotations

import os
import secrets
from enum import StrEnum

from pyrunner.jobdir.control import ControlDir
from pyrunner.system.files import write_atomic


class Order(StrEnum):
    """What a supervisor can be told."""

    CANCEL = "cancel"
    ABORT = "abort"
    INTERRUPT = "interrupt"


def give_order(control: ControlDir, order: Order, text: str = "") -> bool:
    """Leave an order; False when the same was given before.

    The supervisor reads an order once, as soon as it is there: its text has to be there with its name.
    """
    written = control.orders / f".{order}.{secrets.token_hex(4)}"
    write_atomic(written, text.encode(), durable=False)
    try:
        os.link(written, control.orders / order)
    except FileExistsError:
        return False
    finally:
        written.unlink()
    return True


def read_order(control: ControlDir, order: Order) -> str | None:
    """Return the text of an order, None when it has not been given."""
    try:
        return (control.orders / order).read_text(errors="replace")
    except FileNotFoundError:
        return None
