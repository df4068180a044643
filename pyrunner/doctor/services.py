"""The service that keeps the manager running, and a gitlab-runner that runs beside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePath
from typing import Final

from pyrunner.doctor.context import Context, Host
from pyrunner.doctor.result import Result, failed, ok, skipped, warning

_CHECK: Final = "service"
#: Names a unit of ours may have: our own, and gitlab-runner's, which ``install`` takes by default.
_UNITS: Final = ("pyrunner.service", "gitlab-runner.service")
_PROPERTIES: Final = ("LoadState", "ActiveState", "UnitFileState", "KillMode", "ExecStart")


def check_service(context: Context) -> Iterator[Result]:
    """Tell whether a unit is there, runs, starts with the system, and spares the jobs."""
    host = context.host
    others = _gitlab_runners(host)
    if others:
        text = f"gitlab-runner is running (process {', '.join(others)})"
        fix = "pyrunner migrate, or stop one"
        yield warning(_CHECK, f"{text}: beside pyrunner it takes jobs of the same runners", fix)
    if not (host.root / "run/systemd/system").is_dir():
        yield skipped(_CHECK, "this system is not run by systemd")
        return
    found = 0
    for unit in _UNITS:
        for scope in ((), ("--user",)) if host.uid else ((),):
            shown = _properties(host, scope, unit)
            if shown.get("LoadState") == "loaded" and _is_ours(shown.get("ExecStart", "")):
                found += 1
                yield from _describe(" ".join(("systemctl", *scope)), unit, shown)
    if not found:
        text = "no service is installed: jobs come only while somebody runs pyrunner run"
        yield warning(_CHECK, text, "pyrunner install, then pyrunner start")


def _describe(systemctl: str, unit: str, shown: dict[str, str]) -> Iterator[Result]:
    state = shown.get("ActiveState", "")
    if state in ("active", "reloading", "activating"):
        yield ok(_CHECK, f"{unit} is {state}")
    elif state == "failed":
        text = f"{unit} has failed"
        yield failed(_CHECK, text, f"journalctl --unit {unit} --lines 30, then {systemctl} restart {unit}")
    else:
        yield warning(_CHECK, f"{unit} does not run ({state})", f"{systemctl} start {unit}")
    if shown.get("UnitFileState") == "disabled":
        yield warning(_CHECK, f"{unit} does not start with the system", f"{systemctl} enable {unit}")
    mode = shown.get("KillMode", "")
    if mode not in ("process", "none"):
        text = f"{unit}: a stop or restart aborts the jobs (KillMode={mode})"
        yield warning(_CHECK, text, f"{systemctl} edit {unit}: [Service] KillMode=process")


def _properties(host: Host, scope: tuple[str, ...], unit: str) -> dict[str, str]:
    code, text = host.run("systemctl", *scope, "show", unit, f"--property={','.join(_PROPERTIES)}")
    if code:
        return {}
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def _is_ours(command: str) -> bool:
    return "pyrunner" in command


def _gitlab_runners(host: Host) -> list[str]:
    """Return the ids of processes that are gitlab-runner's managers."""
    found = []
    for path in (host.root / "proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue  # it has just ended
        if PurePath(words[0]).name == "gitlab-runner" and "run" in words[1:]:
            found.append(path.parent.name)
    return sorted(found, key=int)
