"""Ways out of the sandbox: each is tried inside, and one that works fails the build (design R8)."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.sandbox import Site, need_sandbox, python

pytestmark = pytest.mark.integration

PROBE = Path(__file__).with_name("sandbox_probe.py")
NAMES = sorted(
    line.split('"')[1]
    for line in PROBE.read_text().split("usual = {")[1].split("\n    }\n")[0].splitlines()
    if line.strip().startswith('"')
)
#: What succeeds for root outside, and changes nothing there: an attempt that fails there, too, shows nothing.
TEETH = (
    *("core_pattern", "proc_writable", "mount", "umount", "chroot", "open_tree", "fsopen", "device_node"),
    *("script_changed", "descriptors", "host_process", "many_processes", "abstract_socket"),
    *("host_loopback", "keyctl", "add_key", "unshare_mounts", "clone_mounts", "sethostname", "packet_socket"),
    *("bpf", "userfaultfd", "io_uring", "unshare_users", "clone_users", "clone3", "setns", "terminal_trick"),
    *("process_vm_readv", "audit_netlink", "kernel_log", "keys_listed", "sys", "cgroups", "raw_socket"),
    *("shadow", "host_file", "control_directory", "another_user", "give_away", "gained_by_exec"),
)
#: Held by the filter itself: it answers before the kernel looks at the arguments.
FILTERED = {
    **dict.fromkeys(("mount", "umount", "pivot_root", "chroot", "open_tree", "fsopen", "unshare_users"), 1),
    **dict.fromkeys(("unshare_mounts", "clone_users", "clone_mounts", "setns", "sethostname", "ptrace"), 1),
    **dict.fromkeys(("process_vm_readv", "open_by_handle_at", "keyctl", "add_key", "bpf"), 1),
    **dict.fromkeys(("perf_event_open", "userfaultfd", "device_node", "disk_node", "terminal_trick"), 1),
    **dict.fromkeys(("audit_netlink", "kernel_log"), 1),
    **dict.fromkeys(("clone3", "io_uring"), 38),
    **dict.fromkeys(("vsock", "packet_socket", "crypto_socket"), 97),
}


class Host:
    """What a probe tries to reach: sockets, a process, a file."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.abstract = socket.socket(socket.AF_UNIX)
        name = f"pyrunner-test-{os.getpid()}"
        self.abstract.bind("\0" + name)
        self.abstract.listen(64)
        self.loopback = socket.create_server(("127.0.0.1", 0), backlog=64)
        canary = site.folder / "canary"
        canary.write_text("secret")
        device = site.folder.stat().st_dev
        self.given = {
            "pid": os.getpid(),
            "abstract": name,
            "loopback": self.loopback.getsockname()[1],
            "canary": str(canary),
            "control": str(site.control.path),
            "disk": [os.major(device), os.minor(device)],
        }
        shutil.copy(PROBE, site.source / "probe.py")

    def close(self) -> None:
        """Release the sockets."""
        self.abstract.close()
        self.loopback.close()


@pytest.fixture(scope="module", params=["without network", "pasta", "slirp4netns"])
def report(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What came of each attempt, in one stage."""
    need_sandbox()
    if request.param != "without network" and not shutil.which(request.param):
        pytest.skip(f"{request.param} is not installed")
    site = Site(tmp_path_factory.mktemp("escape"))
    host = Host(site)
    try:
        network = {"network": True, "tools": (request.param,)} if request.param != "without network" else {}
        record, text = site.run(python("/builds/probe.py", host.given), **network)
    finally:
        host.close()
    assert record["exit_code"] == 0, text
    found: dict[str, str] = json.loads(text.partition("REPORT ")[2])
    return found


@pytest.mark.parametrize("name", [*NAMES, *(["x32"] if os.uname().machine == "x86_64" else [])])
def test_no_way_out(report: dict[str, str], name: str) -> None:
    """What a stage tries to reach beyond its own folders is refused."""
    assert report[name].startswith("held: "), report[name]


@pytest.mark.parametrize("name", sorted(FILTERED))
def test_the_filter_answers(report: dict[str, str], name: str) -> None:
    """These are refused before the kernel looks at them: a mistaken attempt would fail otherwise."""
    assert f"[Errno {FILTERED[name]}]" in report[name]


@pytest.mark.parametrize(
    ("names", "namespaces"), [(TEETH, ()), (("configure_network",), ("--net",))], ids=["all", "network"]
)
def test_attempts_have_teeth(tmp_path: Path, names: tuple[str, ...], namespaces: tuple[str, ...]) -> None:
    """The same attempts succeed for root outside: the sandbox, not the probe, is what holds them."""
    need_sandbox()
    site = Site(tmp_path)
    host = Host(site)
    # Mounts and names of its own, so that what works changes nothing here.
    weak = ["unshare", "--mount", "--uts", "--ipc", "--propagation", "private", *namespaces]
    given = json.dumps({**host.given, "builds": str(site.source), "only": names})
    probe = [sys.executable, "-I", str(site.source / "probe.py"), given]
    (tmp_path / "stdin").write_text("")
    try:
        with (tmp_path / "stdin").open("rb") as stdin:
            done = subprocess.run(
                [*weak, "sh", "-c", 'exec "$@" 9</dev/null', "sh", *probe],
                stdin=stdin,
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
    finally:
        host.close()
    found = json.loads(done.stdout.partition("REPORT ")[2] or "{}")
    assert set(found) == set(names), done.stderr
    assert {name: text for name, text in found.items() if not text.startswith("WORKED")} == {}


def test_setuid_files_are_out_of_reach(tmp_path: Path) -> None:
    """What a stage makes setuid root no user of the host can run: a closed folder lies above it."""
    need_sandbox()
    site = Site(tmp_path)
    record, text = site.run("cp /usr/bin/id /builds/id && chmod 6755 /builds/id && stat -c %a /builds/id\n")
    assert (record["exit_code"], text) == (0, "6755\n")
    planted = site.source / "id"
    assert planted.stat().st_mode & 0o6000 == 0o6000
    with pytest.raises(PermissionError):
        subprocess.run([planted], user=65534, group=65534, extra_groups=[], cwd="/", check=True)
