"""The workspace sandbox at work: what a stage has, what it leaves, and that all of it ends (design R8)."""

from __future__ import annotations

import json
import os
import secrets
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pyrunner.executors.sandbox.available import sandbox_available
from pyrunner.executors.sandbox.interpreter import Interpreter
from pyrunner.system.cgroup import JobCgroup
from pyrunner.system.cgroup_limits import GroupLimits
from pyrunner.system.process import ProcessIdentity, await_exit
from pyrunner.system.proctree import descendants
from tests.support.sandbox import Site, Stage, need_sandbox

pytestmark = pytest.mark.integration


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A job's folders."""
    need_sandbox()
    return Site(tmp_path)


@pytest.fixture(params=["pasta", "slirp4netns"])
def tool(request: pytest.FixtureRequest) -> str:
    """Each program that can carry a network."""
    name = str(request.param)
    if not shutil.which(name):
        pytest.skip(f"{name} is not installed")
    return name


def test_a_stage_is_root_with_two_rights_in_its_own_folders(site: Site) -> None:
    """uid 0, CAP_DAC_OVERRIDE and CAP_FOWNER, the filter on, files world-writable as with umask 0000."""
    record, text = site.run(
        "id -u; grep -e CapEff -e NoNewPrivs -e Seccomp: /proc/self/status; umask; mkdir /builds/new; pwd\n"
        "echo $HOME\n",
        working_directory="/builds",
    )
    assert record["exit_code"] == 0
    assert text.split() == [
        *("0", "CapEff:", "000000000000000a", "NoNewPrivs:", "1", "Seccomp:", "2", "0000", "/builds", "/root")
    ]
    assert (site.source / "new").stat().st_mode & 0o777 == 0o777


def test_a_stage_is_held_to_its_limits(site: Site) -> None:
    """Memory by its control group, open files by the kernel's limits; both hold for all that it starts."""
    limits = GroupLimits(memory=64 << 20)
    group = JobCgroup.create(f"test-{secrets.token_hex(6)}", limits=limits)
    if group is None:
        pytest.skip("no control group can limit memory here")
    try:
        record, text = site.run(
            "ulimit -n\n(head -c 32m /dev/zero | tail -c 32m | wc -c)\n"
            "(head -c 256m /dev/zero | tail -c 256m | wc -c)\n",
            group=group,
            limits={"RLIMIT_NOFILE": (200, 300)},
        )
        used = group.usage()
    finally:
        assert group.remove()
    assert record["exit_code"] == 0
    assert text.split()[:3] == ["200", str(32 << 20), "0"]
    assert used.peak_memory is not None
    assert 32 << 20 < used.peak_memory <= 64 << 20


def test_files_of_other_users_can_be_changed(site: Site) -> None:
    """What the build container's user made and closed is the stage's as well."""
    (site.source / "theirs").mkdir(mode=0o700)
    os.chown(site.source / "theirs", 4321, 4321)
    record, text = site.run(
        "echo x > /builds/theirs/file && chmod 600 /builds/theirs && rm -r /builds/theirs\n"
    )
    assert (record["exit_code"], text) == (0, "")
    assert not (site.source / "theirs").exists()


def test_only_the_chown_step_gives_files_away(site: Site) -> None:
    """CAP_CHOWN is there for that step alone."""
    script = "echo > /builds/file; chown 1234:1234 /builds/file\n"
    assert site.run(script)[0]["exit_code"] == 1
    assert site.run(script, may_chown=True)[0]["exit_code"] == 0
    assert (site.source / "file").stat().st_uid == 1234


def test_output_streams_can_be_reopened(site: Site) -> None:
    """``/dev/stdout`` and ``/dev/stderr`` are the stage's pipes."""
    record, text = site.run("echo one > /dev/stdout; echo two | tee /dev/stderr > /dev/null; exit 3\n")
    assert record["exit_code"] == 3
    assert sorted(text.split()) == ["one", "two"]


def test_only_what_was_named_can_be_written(site: Site) -> None:
    """Sources and, where they are mounted, cache and archives; the other places are read-only or memory."""
    archives = site.folder / "archives"
    archives.mkdir()
    mounts = (
        (site.cache, "/cache", True),
        (archives, "/.pyrunner/cache", True),
        (archives, "/inputs", False),
    )
    places = "/builds /cache /.pyrunner/cache /inputs / /usr /etc /dev /.pyrunner"
    script = f"for one in {places}; do touch $one/f; done"
    _, text = site.run(
        script + " 2>/dev/null; touch /tmp/f /root/f /dev/shm/f && echo temporary\n", mounts=mounts
    )
    assert text == "temporary\n"
    written = [one for one in (site.source, site.cache, archives) if (one / "f").exists()]
    assert written == [site.source, site.cache, archives]
    assert not (archives / "inputs").exists()


def test_nothing_of_a_stage_is_left_for_the_next(site: Site) -> None:
    """Temporary files and HOME are new each time; a process left behind ends with the script."""
    with site.stage("touch /tmp/f /root/f; sleep 1000 & echo $! > /builds/pid\n") as stage:
        started = stage.exit
        assert started is not None
        assert started["exit_code"] == 0
        assert started["leftovers"] is False
    _, text = site.run("ls -A /tmp /root\n")
    assert "f" not in text.split()


def test_our_python_ignores_the_jobs_folder_and_variables(site: Site) -> None:
    """The helper is ours although the working folder and PYTHONPATH offer another."""
    evil = site.source / "pyrunner" / "helper"
    evil.mkdir(parents=True)
    for folder in (evil, evil.parent):
        (folder / "__init__.py").write_text("print('EVIL')")
    (evil / "__main__.py").write_text("print('EVIL')")
    (site.source / "sitecustomize.py").write_text("print('EVIL')")
    python = Interpreter.current()
    words = " ".join([*python.helper_command, "cache-archiver", "--help"])
    _, text = site.run(
        "cd /builds; export PYTHONPATH=/builds PYTHONHOME=/builds PYTHONSTARTUP=/builds/sitecustomize.py\n"
        f"{words}\n"
    )
    assert "cache-archiver" in text
    assert "EVIL" not in text


def test_certificates_git_and_names_are_there(site: Site) -> None:
    """git, its TLS trust store and the account names that programs ask for."""
    script = "git --version; git lfs version; whoami; ls /etc/ssl/certs | head -1; getent hosts localhost\n"
    record, text = site.run(script)
    assert record["exit_code"] == 0, text
    assert "root" in text.split()


def test_a_stage_without_network_has_none(site: Site) -> None:
    """Not even an interface but its own loopback."""
    _, text = site.run("tail -n +3 /proc/net/dev | cut -d: -f1; cat /etc/resolv.conf\n")
    assert text.split() == ["lo"]


@contextmanager
def listening(address: str) -> Iterator[int]:
    """Serve on an address of this host; yields the port."""
    with socket.create_server((address, 0)) as server:

        def answer() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.sendall(b"hello\n")

        threading.Thread(target=answer, daemon=True).start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)


def own_address() -> str:
    """Return an address of this host that is not loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.254", 9))
        except OSError:
            pytest.skip("this host has no network")
        return str(probe.getsockname()[0])


def reach(address: str, port: int) -> str:
    """Return a script that prints what answers there."""
    return f"timeout 5 bash -c 'exec 3<>/dev/tcp/{address}/{port} && cat <&3' 2>/dev/null || echo refused\n"


def test_services_of_the_host_are_reached_as_from_a_container(site: Site, tool: str) -> None:
    """On any address but loopback, whatever tool carries the network."""
    address = own_address()
    with listening("0.0.0.0") as everywhere, listening("127.0.0.1") as local:
        script = reach(address, everywhere) + reach(address, local) + reach("127.0.0.1", local)
        record, text = site.run(script + reach("127.0.0.1", everywhere), network=True, tools=(tool,))
    assert record["exit_code"] == 0
    assert text.split() == ["hello", "refused", "refused", "refused"]


@contextmanager
def bridge(name: str, address: str) -> Iterator[None]:
    """A bridge like those of a container engine's networks."""
    subprocess.run(["ip", "link", "add", name, "type", "bridge"], check=True)
    try:
        subprocess.run(["ip", "address", "add", f"{address}/24", "dev", name], check=True)
        subprocess.run(["ip", "link", "set", name, "up"], check=True)
        yield
    finally:
        subprocess.run(["ip", "link", "delete", name], check=True)


def routes_until(network: str) -> str:
    """Return a script that waits for a route to ``network`` and prints all of them."""
    return f"while ! ip route | grep -q {network}; do read -t 0.02 < /dev/zero; done; ip route\n"


@pytest.mark.parametrize("when", ["before", "while it runs"])
def test_networks_of_other_containers_are_out_of_reach(site: Site, tool: str, when: str) -> None:
    """Also those that appear while the stage runs; the host's own address in them is not."""
    name = f"prtest{os.getpid() % 100000}"
    wait = routes_until("198.51.100.0")
    if when == "before":
        with bridge(name, "198.51.100.1"):
            _, text = site.run("ip route\n", network=True, tools=(tool,))
    else:
        go = site.source / "go"
        script = f"touch /builds/ready; {wait}"
        with site.stage(script, network=True, tools=(tool,), wait=False) as stage:
            _await(site.source / "ready")
            with bridge(name, "198.51.100.1"):
                _await(stage.files.exit)
            stage.files.drained.touch()
            text = stage.text()
        assert not go.exists()
    assert "unreachable 198.51.100.0/24" in text
    assert "198.51.100.1 via 198.19.213.2 dev eth0" in text


def _await(path: Path) -> None:
    ends = time.monotonic() + 20
    while not path.exists():
        assert time.monotonic() < ends, path
        select.select([], [], [], 0.01)


def _family(stage: Stage) -> list[ProcessIdentity]:
    """Return what the wrapper has started: bubblewrap, the sandbox, the keeper and its tool."""
    wrapper = ProcessIdentity.of(stage.wrapper)
    assert wrapper is not None
    return descendants(wrapper)


def _name(process: ProcessIdentity) -> str:
    try:
        return Path(f"/proc/{process.pid}/comm").read_text().strip()
    except OSError:
        return ""


def _sandboxed(family: list[ProcessIdentity]) -> list[ProcessIdentity]:
    """Return the first process of the sandbox, hence all that it can live without."""
    return [one for one in family if _name(one) == "bwrap"]


FOREVER = "touch /builds/ready; exec sleep 1000\n"


def test_the_network_goes_when_the_sandbox_is_killed(site: Site, tool: str) -> None:
    """Wrapper and bubblewrap killed: the tool lives as long as the sandbox, and no longer."""
    with site.stage(FOREVER, network=True, tools=(tool,), wait=False) as stage:
        _await(site.source / "ready")
        family = _family(stage)
        os.kill(stage.wrapper, signal.SIGKILL)
        keeper_side = [one for one in family if _name(one) not in ("bwrap", "sleep")]
        assert any(tool[:5] in _name(one) or "passt" in _name(one) for one in keeper_side), [
            *map(_name, family)
        ]
        # The wrapper is dead, the sandbox lives: so does its network.
        assert await_exit(keeper_side, 0.3) == keeper_side
        for one in _sandboxed(family):
            one.send(signal.SIGKILL)
        assert await_exit(family, 10) == []


def test_a_killed_bubblewrap_takes_all_with_it(site: Site, tool: str) -> None:
    """The wrapper sees the death, ends what is left of the sandbox and tells of it."""
    with site.stage(FOREVER, network=True, tools=(tool,), wait=False) as stage:
        _await(site.source / "ready")
        family = _family(stage)
        outer = _sandboxed(family)[0]
        outer.send(signal.SIGKILL)
        _await(stage.files.exit)
        assert (stage.exit or {})["signal"] == signal.SIGKILL
        assert await_exit(family, 10) == []
        stage.files.drained.touch()


def test_a_killed_keeper_takes_its_tool_with_it(site: Site, tool: str) -> None:
    """No program of ours is left without somebody who ends it."""
    with site.stage(FOREVER, network=True, tools=(tool,), wait=False) as stage:
        _await(site.source / "ready")
        family = _family(stage)
        serving = [one for one in family if _name(one) not in ("bwrap", "sleep")]
        keeper = serving[0]
        keeper.send(signal.SIGKILL)
        assert await_exit(serving, 10) == []
        for one in _sandboxed(family):
            one.send(signal.SIGKILL)
        _await(stage.files.exit)
        stage.files.drained.touch()


def test_a_mount_that_a_link_leads_elsewhere_is_refused(site: Site, tmp_path: Path) -> None:
    """The stage does not start, and says which folder is at fault."""
    (site.folder / "elsewhere").mkdir()
    (site.folder / "link").symlink_to(site.folder / "elsewhere")
    record, _ = site.run("echo ran\n", mounts=((site.folder / "link", "/cache", True),))
    assert "symbolic link" in record["error"]


def test_secrets_of_the_script_are_on_no_command_line(site: Site) -> None:
    """The script comes on standard input, sealed."""
    secret = "s3cr3t-" + os.urandom(4).hex()
    script = f"TOKEN={secret}; touch /builds/ready; read -t 1000 < /builds/fifo\n"
    os.mkfifo(site.source / "fifo")
    with site.stage(script, wait=False) as stage:
        _await(site.source / "ready")
        family = _family(stage)
        lines = [
            Path(f"/proc/{one.pid}/{file}").read_bytes() for one in family for file in ("cmdline", "environ")
        ]
        (site.source / "fifo").write_text("\n")
        _await(stage.files.exit)
        stage.files.drained.touch()
    assert len(lines) >= 4
    assert not [one for one in lines if secret.encode() in one]


def test_this_host_serves() -> None:
    """Where bubblewrap, a network tool and root are there, the sandbox is available."""
    if (
        os.geteuid() != 0
        or not shutil.which("bwrap")
        or not (shutil.which("pasta") or shutil.which("slirp4netns"))
    ):
        pytest.skip("needs root, bubblewrap and a network tool")
    assert sandbox_available() is None, json.dumps([sys.version, sandbox_available()])
