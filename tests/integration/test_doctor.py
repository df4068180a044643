"""``doctor`` against set-ups that are broken on purpose: it names the hop and the fix."""

from __future__ import annotations

import http.server
import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pyrunner.coordinator.server import EmbeddedCoordinator
from tests.support.certificates import OTHER_HOST, expired_context, make_certificates
from tests.support.commands import CommandLine
from tests.support.connect_proxy import ConnectProxy
from tests.support.http_script import ScriptedServer

pytestmark = pytest.mark.integration

_DAY = 86400


@dataclass(frozen=True)
class Found:
    """A report; results by the name of their check."""

    code: int
    results: list[dict[str, Any]]
    text: str

    def of(self, check: str) -> list[tuple[str, str]]:
        """Return status and text of each result of a check."""
        return [(one["status"], one["text"]) for one in self.results if one["check"] == check]

    def one(self, check: str) -> dict[str, Any]:
        """Return the only result of a check."""
        (result,) = [one for one in self.results if one["check"] == check]
        return result

    @property
    def failures(self) -> list[str]:
        """The names of the checks that failed."""
        return [one["check"] for one in self.results if one["status"] == "failed"]


@pytest.fixture
def command(tmp_path: Path) -> CommandLine:
    """A home folder of its own."""
    tmp_path.chmod(0o700)
    return CommandLine(tmp_path)


def entry(url: str, token: str = "glrt-0123456789abcdef", extra: str = "") -> str:
    """Return an entry with the shell executor."""
    return f'[[runners]]\nname = "a"\nurl = "{url}"\ntoken = "{token}"\nexecutor = "shell"\n{extra}\n'


def examine(command: CommandLine, config: str, **environ: str) -> Found:
    """Write a config.toml, call ``doctor``, and make sure that nothing changed and no token is shown."""
    root = command.home / "jobs"
    if config and "[runners.tristan]" not in config:
        config += f'[runners.tristan]\nroot = "{root}"\n'
    command.config.write_text(config)
    command.config.chmod(0o600)
    before = sorted(command.home.rglob("*"))
    done = command.run("doctor", "--json", **environ)
    assert sorted(command.home.rglob("*")) == before
    assert "0123456789abcdef" not in done.out + done.err
    shown = json.loads(done.out)
    found = Found(done.code, shown["checks"], done.out)
    assert done.code == (1 if found.failures else 0)
    assert shown["ok"] == (not found.failures)
    assert all(one["fix"] for one in found.results if one["status"] in ("warning", "failed"))
    return found


def test_nothing_is_wrong(coordinator: EmbeddedCoordinator, command: CommandLine) -> None:
    """A good set-up: nothing fails, and the coordinator has been asked about the token by its own rules."""
    found = examine(command, entry(coordinator.url, coordinator.add_runner()))
    assert found.failures == []
    assert found.one("token")["status"] == "ok"
    assert found.one("clock")["status"] == "ok"
    assert found.one("git")["status"] == "ok"
    assert found.one("permissions")["status"] == "ok"
    assert coordinator.violations == []


def test_report_for_people(coordinator: EmbeddedCoordinator, command: CommandLine) -> None:
    """A line a check with its status first, what to do below it, numbers at the end."""
    command.config.write_text(entry(coordinator.url))
    command.config.chmod(0o644)
    done = command.run("doctor")
    lines = done.out.splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("failed   token"))
    assert "does not know this token" in lines[at]
    assert lines[at + 1].split()[0] == "->"
    assert any(line.endswith(f"-> chmod 600 {command.config}") for line in lines)
    assert " failed, " in lines[-1]
    assert "\x1b" not in done.out


def test_wrong_token(coordinator: EmbeddedCoordinator, command: CommandLine) -> None:
    """A token that nobody knows is the only thing that fails."""
    found = examine(command, entry(coordinator.url))
    assert found.failures == ["token"]
    assert "does not know this token (403)" in found.one("token")["text"]
    assert "pyrunner register" in found.one("token")["fix"]


def test_expired_certificate(command: CommandLine, tmp_path: Path) -> None:
    """TLS fails before a token is sent; the clock is named as the other possible reason."""
    certificates = make_certificates(tmp_path / "pki")
    with ScriptedServer(expired_context(tmp_path / "pki")) as server:
        found = examine(command, entry(server.url, extra=f'tls-ca-file = "{certificates.ca}"'))
        assert server.requests == []
    assert found.failures == ["tls"]
    assert "certificate has expired" in found.one("tls")["text"]
    assert "clock" in found.one("tls")["fix"]
    assert found.one("token")["status"] == "skipped"


def test_unknown_authority(command: CommandLine, tmp_path: Path) -> None:
    """The fix names the file that the certificate of the authority belongs into; with it TLS is good."""
    certificates = make_certificates(tmp_path / "pki")
    with ScriptedServer(certificates.server_context()) as server:
        found = examine(command, entry(server.url))
        assert found.failures == ["tls"]
        assert "127.0.0.1.crt" in found.one("tls")["fix"]
        server.answer(200, json={"id": 1})
        found = examine(command, entry(server.url, extra=f'tls-ca-file = "{certificates.ca}"'))
    assert found.failures == []
    assert found.one("tls")["status"] == "warning", "two days are left"
    assert "Test authority" in found.one("tls")["text"]


def test_certificate_file_that_is_missing(coordinator: EmbeddedCoordinator, command: CommandLine) -> None:
    """The runner leaves such a file out without a word; here it is named."""
    extra = 'tls-ca-file = "/nonexistent/ca.pem"'
    found = examine(command, entry(coordinator.url, coordinator.add_runner(), extra))
    assert found.failures == ["certificates"]
    assert "/nonexistent/ca.pem" in found.one("certificates")["text"]


class _Shifted(http.server.BaseHTTPRequestHandler):
    """A coordinator whose clock is another."""

    shift = 0.0

    def date_time_string(self, timestamp: float | None = None) -> str:
        """Return the time as this coordinator has it."""
        return super().date_time_string(time.time() + self.shift)

    def do_POST(self) -> None:
        """Know every runner."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: Any) -> None:
        """Keep the test output clean."""


@contextmanager
def shifted(seconds: float) -> Iterator[str]:
    """Serve a coordinator whose clock is ``seconds`` ahead."""
    handler = type("Handler", (_Shifted,), {"shift": seconds})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("seconds", "status", "text"),
    [(_DAY, "failed", "behind the instance's"), (-_DAY, "failed", "ahead of"), (60, "warning", "behind")],
)
def test_clock(command: CommandLine, seconds: float, status: str, text: str) -> None:
    """The answer's Date header tells that this machine's clock is off, and in which direction."""
    with shifted(seconds) as url:
        found = examine(command, entry(url))
    assert found.one("clock")["status"] == status
    assert text in found.one("clock")["text"]
    assert "ntp" in found.one("clock")["fix"]


def test_no_git(coordinator: EmbeddedCoordinator, command: CommandLine, tmp_path: Path) -> None:
    """PATH of the service counts, not what is somewhere on the disk."""
    folder = tmp_path / "bin"
    folder.mkdir()
    os.symlink(shutil.which("bash") or "/bin/bash", folder / "bash")
    found = examine(command, entry(coordinator.url, coordinator.add_runner()), PATH=str(folder))
    assert found.failures == ["git"]
    assert str(folder) in found.one("git")["text"]


def test_no_configuration(command: CommandLine) -> None:
    """Without a file the report says how to get one, and does not go on guessing."""
    done = command.run("doctor", "--json")
    results = json.loads(done.out)["checks"]
    assert done.code == 1
    assert (results[0]["check"], results[0]["status"]) == ("config", "failed")
    assert {one["status"] for one in results[1:]} == {"skipped"}


def test_configuration_that_cannot_be_read(command: CommandLine) -> None:
    """A file of somebody else is named with the system's reason; nothing else is guessed."""
    command.config.write_text(entry("http://127.0.0.1"))
    command.config.chmod(0)
    words: list[str] = []
    if os.geteuid() == 0:
        # root without the capability to read what is another's
        os.chown(command.config, 65534, 65534)
        words = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
        if shutil.which("setpriv") is None or subprocess.run([*words, "true"], check=False).returncode:
            pytest.skip("needs setpriv, to read as somebody who may not")
    done = subprocess.run(
        [*words, *command.argv("doctor", "--json")],
        env=command.environment(),
        capture_output=True,
        check=False,
    )
    results = json.loads(done.stdout)["checks"]
    assert done.returncode == 1
    assert results[0]["text"] == f"{command.config} cannot be read: Permission denied"
    assert {one["status"] for one in results[1:]} == {"skipped"}


def test_broken_configuration(command: CommandLine) -> None:
    """The place is named, and the command that has more to say."""
    command.config.write_text('concurrent = "many"\n')
    done = command.run("doctor", "--json")
    first = json.loads(done.out)["checks"][0]
    assert done.code == 1
    assert f"{command.config}:1:1" in first["text"]
    assert "lint-config" in first["fix"]


def test_what_others_can_write(coordinator: EmbeddedCoordinator, command: CommandLine) -> None:
    """A root in a folder of everybody is what a start would refuse; the fix names the folder."""
    shared = command.home / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    config = entry(coordinator.url, coordinator.add_runner())
    found = examine(command, f'{config}[runners.tristan]\nroot = "{shared / "jobs"}"\n')
    assert found.failures == ["root"]
    assert found.one("root")["fix"].startswith(f"chmod o-w {shared}")


def test_configuration_that_others_can_read(coordinator: EmbeddedCoordinator, command: CommandLine) -> None:
    """Tokens that others can read are a warning, a file that others can write a failure."""
    command.config.write_text(entry(coordinator.url, coordinator.add_runner()))
    for mode, status in ((0o644, "warning"), (0o606, "failed")):
        command.config.chmod(mode)
        results = json.loads(command.run("doctor", "--json").out)["checks"]
        assert [one["status"] for one in results if one["check"] == "permissions"] == [status]


def test_name_that_nobody_knows(command: CommandLine) -> None:
    """The hop that fails is named, those behind it are not tried."""
    found = examine(command, entry(f"https://{OTHER_HOST}"))
    assert found.failures == ["dns"]
    assert OTHER_HOST in found.one("dns")["text"]
    assert [found.one(hop)["status"] for hop in ("connection", "tls", "token")] == ["skipped"] * 3


def test_refused_connection(coordinator: EmbeddedCoordinator, command: CommandLine) -> None:
    """A coordinator that is down refuses connections."""
    coordinator.stop()
    found = examine(command, entry(coordinator.url))
    assert found.failures == ["connection"]


def test_an_address_that_is_none(command: CommandLine) -> None:
    """A URL without its scheme is the usual slip."""
    found = examine(command, entry("gitlab.example.com"))
    assert found.failures == ["url"]


def test_proxy(command: CommandLine, tmp_path: Path) -> None:
    """Behind a proxy its name is looked up, the handshake goes through it, and its password is not shown."""
    certificates = make_certificates(tmp_path / "pki")
    with ScriptedServer(certificates.server_context()) as server, ConnectProxy(server.port) as proxy:
        server.answer(200, json={"id": 1})
        found = examine(
            command,
            entry(f"https://{OTHER_HOST}", extra=f'tls-ca-file = "{certificates.ca}"'),
            HTTPS_PROXY=f"http://ada:open-sesame@127.0.0.1:{proxy.port}",
        )
        assert len(proxy.requests) == 2
        assert all("Proxy-Authorization: Basic" in one for one in proxy.requests)
    assert found.failures == []
    assert f"through http://127.0.0.1:{proxy.port}" in found.one("proxy")["text"]
    assert found.one("tls")["status"] == "warning"
    assert "sesame" not in found.text


def test_something_else_than_gitlab(command: CommandLine) -> None:
    """A login page instead of the API: the answer's kind is named."""
    with ScriptedServer() as server:
        server.answer(200, b"<html>", {"Content-Type": "text/html"})
        found = examine(command, entry(server.url))
    assert found.failures == ["token"]
    assert "text/html" in found.one("token")["text"]


def test_a_busy_instance_is_asked_once(command: CommandLine) -> None:
    """Somebody waits for the report: nothing is tried again."""
    with ScriptedServer() as server:
        server.answer(503, times=5)
        found = examine(command, entry(server.url))
        assert len(server.requests) == 1
    assert "not available now (503)" in found.one("token")["text"]


def test_no_room(coordinator: EmbeddedCoordinator, command: CommandLine) -> None:
    """With less room than min_free no jobs are asked for, which looks like a runner that is idle."""
    config = entry(coordinator.url, coordinator.add_runner())
    found = examine(
        command, f'{config}[runners.tristan]\nroot = "{command.home}/jobs"\nmin_free = "900000TB"\n'
    )
    assert found.failures == ["disk"]
    assert "min_free" in dict(found.of("disk"))["failed"]


def test_no_engine(coordinator: EmbeddedCoordinator, command: CommandLine) -> None:
    """An engine that is not there fails the docker executor."""
    config = entry(coordinator.url, coordinator.add_runner()).replace("shell", "docker")
    config += '[runners.docker]\nimage = "x"\nhost = "unix:///nonexistent/docker.sock"\n'
    found = examine(command, config)
    assert found.failures == ["docker"]
    assert "systemctl start docker" in found.one("docker")["fix"]


def test_no_inotify(coordinator: EmbeddedCoordinator, command: CommandLine) -> None:
    """At the limit of inotify jobs run, noticed later: a warning with the setting to raise."""
    command.config.write_text(entry(coordinator.url, coordinator.add_runner()))
    limit = "/proc/sys/user/max_inotify_instances"
    words = ["unshare", "--user", "--map-root-user", "sh", "-c", f'echo 0 > {limit} && exec "$@"', "sh"]
    if shutil.which("unshare") is None or subprocess.run([*words, "true"], check=False).returncode:
        pytest.skip("needs a user namespace, to set its limit of inotify instances")
    done = subprocess.run(
        [*words, *command.argv("doctor", "--json")],
        env=command.environment(),
        capture_output=True,
        check=False,
    )
    (result,) = [one for one in json.loads(done.stdout)["checks"] if one["check"] == "inotify"]
    assert result["status"] == "warning"
    assert "max_user_instances" in result["fix"]
