"""All checks together: order, patience, secrets."""

from __future__ import annotations

import threading
from pathlib import Path

from pyrunner.config.load import parse_config
from pyrunner.doctor import examination
from pyrunner.doctor.context import Context, Host
from pyrunner.doctor.result import Result, Status, failed, ok
from pyrunner.errors import PyrunnerError

TOKEN = "glrt-0123456789abcdef"


def context(folder: Path, url: str = "http://127.0.0.1:1") -> Context:
    """Return a host with one runner that cannot be reached."""
    text = f'[[runners]]\nname = "a"\nurl = "{url}"\ntoken = "{TOKEN}"\nexecutor = "shell"\n'
    return Context(
        path=folder / "config.toml",
        config=parse_config(text.encode(), {}),
        host=Host({"PATH": "", "HTTPS_PROXY": "http://ada:open%20sesame@proxy"}, root=folder, uid=0),
        system_id="",
        certificates=folder,
        info_of=lambda _: {},
        root_of=lambda _: folder,
        executors=frozenset(("shell",)),
    )


def test_the_report_is_in_order(tmp_path: Path) -> None:
    """Checks run side by side, and are shown as they stand in the table."""
    second = threading.Event()

    def slow(_: Context) -> list[Result]:
        assert second.wait(10)
        return [ok("one", "")]

    def quick(_: Context) -> list[Result]:
        second.set()
        return [ok("two", "")]

    checks = (("one", slow), ("two", quick))
    names = [one.check for one in examination.examine_all(context(tmp_path), checks=checks)]
    assert names[:2] == ["one", "two"]


def test_what_hangs_is_named(tmp_path: Path) -> None:
    """A daemon that never answers does not hold the report back; the other results are there."""
    forever = threading.Event()

    def hangs(_: Context) -> list[Result]:
        forever.wait()
        return []

    checks = (("docker", hangs), ("git", lambda _: [ok("git", "")]))
    try:
        results = examination.examine_all(context(tmp_path), patience=0.2, checks=checks)
    finally:
        forever.set()
    found = {one.check: one for one in results}
    assert found["docker"].status is Status.FAILED
    assert "no end within" in found["docker"].text
    assert found["git"].status is Status.OK


def test_a_check_that_fails_itself(tmp_path: Path) -> None:
    """An error of one check is its result; the others go on."""

    def broken(_: Context) -> list[Result]:
        raise PyrunnerError("no luck")

    checks = (("disk", broken), ("git", lambda _: [ok("git", "")]))
    found = {one.check: one for one in examination.examine_all(context(tmp_path), checks=checks)}
    assert found["disk"].status is Status.FAILED
    assert "no luck" in found["disk"].text
    assert found["git"].status is Status.OK


def test_no_secret_is_shown(tmp_path: Path) -> None:
    """Whatever a server or library says, tokens and passwords do not get into the report."""

    def talkative(_: Context) -> list[Result]:
        return [failed("git", f"{TOKEN} open sesame", "open%20sesame hunter2")]

    host = context(tmp_path, "http://ada:hunter2@127.0.0.1:1")
    found = examination.examine_all(host, checks=(("git", talkative),))
    (result,) = [one for one in found if one.check == "git"]
    assert (result.text, result.fix) == ("[MASKED] [MASKED]", "[MASKED] [MASKED]")


def test_without_a_configuration() -> None:
    """Everything that would need one is skipped, by name."""
    results = examination.skipped_without_config()
    assert [one.check for one in results] == [name for name, _ in examination.LOCAL]
    assert {one.status for one in results} == {Status.SKIPPED}
