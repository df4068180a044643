"""A systemd that keeps the state of services in a file and starts nothing.

As ``Run`` of :class:`pyrunner.service.control.Service`, and as the program ``systemctl`` for commands in a
process of their own (:func:`install`).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyrunner.service.calls import Answer

_CHECKOUT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class FakeSystemd:
    """Units are the files of a folder; ``state.json`` beside it holds what they do.

    ``broken`` names units whose main process ends at once.
    """

    units: Path
    broken: tuple[str, ...] = ()

    @property
    def state(self) -> dict[str, dict[str, bool]]:
        """What each unit does: ``active``, ``enabled``."""
        path = self._file("state")
        return json.loads(path.read_text()) if path.exists() else {}

    @property
    def calls(self) -> list[list[str]]:
        """All calls that change something, in order."""
        path = self._file("calls")
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def set(self, unit: str, **values: bool) -> None:
        """Change what a unit does."""
        state = self.state
        state.setdefault(unit, {"active": False, "enabled": False}).update(values)
        self._file("state").write_text(json.dumps(state))

    def __call__(self, command: Sequence[str], environ: Mapping[str, str]) -> Answer:
        """Answer one call of systemctl."""
        verb, *words = [one for one in command[1:] if one != "--user"]
        if verb == "--version":
            return Answer(0, "systemd 252 (252.39)")
        if verb == "daemon-reload":
            return Answer(0)
        unit = (
            words[-1] if words[-1].endswith(".service") else next(w for w in words if w.endswith(".service"))
        )
        if verb == "show":
            return Answer(0, "\n".join(f"{key}={value}" for key, value in self._shown(unit).items()))
        if not (self.units / unit).exists():
            return Answer(5, err=f"Unit {unit} could not be found.")
        if verb == "cat":
            return Answer(0, (self.units / unit).read_text())
        with self._file("calls").open("a") as file:
            file.write(json.dumps([verb, *words]) + "\n")
        return self._change(verb, unit)

    def _change(self, verb: str, unit: str) -> Answer:
        if verb in ("enable", "disable"):
            self.set(unit, enabled=verb == "enable")
        elif verb in ("stop", "kill"):
            self.set(unit, active=False)
        elif verb == "start":
            if unit in self.broken:
                return Answer(
                    1, err=f"Job for {unit} failed because the control process exited with error code."
                )
            self.set(unit, active=True)
        else:
            return Answer(1, err=f"Unknown command verb {verb}.")
        return Answer(0)

    def _shown(self, unit: str) -> dict[str, Any]:
        does = self.state.get(unit, {"active": False, "enabled": False})
        there = (self.units / unit).exists()
        return {
            "LoadState": "loaded" if there else "not-found",
            "ActiveState": "active" if does["active"] else "inactive",
            "UnitFileState": "enabled" if does["enabled"] else "disabled",
            "MainPID": "4242" if does["active"] else "0",
            "FragmentPath": str(self.units / unit) if there else "",
            "User": "",
            "DropInPaths": "",
        }

    def _file(self, name: str) -> Path:
        return self.units.with_name(f"{self.units.name}.{name}.json")


def install(folder: Path, systemd: FakeSystemd) -> None:
    """Write a program ``systemctl`` into ``folder`` that is this systemd."""
    broken = " ".join(systemd.broken)
    program = folder / "systemctl"
    program.write_text(
        f"#!/bin/sh\nPYTHONPATH='{_CHECKOUT}' exec '{sys.executable}' -m tests.support.fake_systemd "
        f"'{systemd.units}' '{broken}' \"$@\"\n"
    )
    program.chmod(0o755)


def main() -> int:
    """Be systemctl."""
    units, broken, *words = sys.argv[1:]
    answer = FakeSystemd(Path(units), tuple(broken.split()))(["systemctl", *words], {})
    sys.stdout.write(answer.out + "\n")
    sys.stderr.write(answer.err + "\n")
    return answer.code


if __name__ == "__main__":
    sys.exit(main())
