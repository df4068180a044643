"""The command line is the wall of design R8, to the flag."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from pyrunner.errors import JobDirError
from pyrunner.executors.sandbox.command import Descriptors, HiddenInProc, sandbox_command
from pyrunner.executors.sandbox.host_view import HostView
from pyrunner.executors.sandbox.interpreter import Interpreter
from pyrunner.executors.sandbox.plan import Mount, SandboxPlan, unusable_target

PYTHON = Interpreter(
    "/opt/v/bin/python", ("/opt/py", "/opt/v"), Path("/opt/p/pyrunner"), Path("/opt/p/inside.py")
)
HOST = HostView(("/usr", "/etc/ssl/certs"), (("/bin", "usr/bin"),), ("/usr/local/etc",))


def words(network: bool = True, may_chown: bool = False, alive: int = 9) -> list[str]:
    """Return the command line of a plan."""
    plan = SandboxPlan(
        mounts=(
            Mount(Path("/r/cache"), "/cache"),
            Mount(Path("/r/source"), "/builds"),
            Mount(Path("/r/in"), "/in", False),
        ),
        network=network,
        interpreter=PYTHON,
        environment={"A": "b"},
        may_chown=may_chown,
    )
    descriptors = Descriptors(8, alive, {"/etc/passwd": 7})
    hidden = HiddenInProc(("/proc/keys",), ("/proc/acpi",))
    return sandbox_command(plan, descriptors, HOST, "job-1", hidden)


def options(command: list[str], name: str, arguments: int) -> list[tuple[str, ...]]:
    """Return the arguments of each ``name``."""
    return [tuple(command[at + 1 : at + 1 + arguments]) for at, word in enumerate(command) if word == name]


def test_the_flags() -> None:
    """Namespaces, cleared environment, two capabilities, the filter; never what would open it."""
    command = words()
    for flag in ("--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"):
        assert flag in command
    assert {"--new-session", "--clearenv"} <= set(command)
    assert options(command, "--cap-drop", 1) == [("ALL",)]
    assert options(command, "--cap-add", 1) == [("CAP_DAC_OVERRIDE",), ("CAP_FOWNER",)]
    assert options(command, "--seccomp", 1) == [("8",)]
    assert options(command, "--sync-fd", 1) == [("9",)]
    for never in (
        "--die-with-parent",
        "--dev-bind",
        "--dev-bind-try",
        "--as-pid-1",
        "--share-net",
        "--unshare-user",
    ):
        assert never not in command


def test_network_and_chown_are_asked_for() -> None:
    """Without a network there is a namespace with nothing in it; CAP_CHOWN is for one step."""
    assert "--unshare-net" not in words()
    assert "--unshare-net" in words(network=False)
    assert "--sync-fd" not in words(network=False, alive=-1)
    assert ("CAP_CHOWN",) in options(words(may_chown=True), "--cap-add", 1)


def test_only_the_jobs_folders_are_writable() -> None:
    """All else is read-only: host, proc, dev and the root itself, remounted after all is in place."""
    command = words()
    assert options(command, "--bind", 2) == [("/r/source", "/builds"), ("/r/cache", "/cache")]
    assert ("/r/in", "/in") in options(command, "--ro-bind", 2)
    assert {("/",), ("/proc",), ("/dev",)} <= set(options(command, "--remount-ro", 1))
    last_mount = max(
        at for at, word in enumerate(command) if word in ("--bind", "--ro-bind", "--tmpfs", "--file")
    )
    root = next(at for at, word in enumerate(command) if command[at : at + 2] == ["--remount-ro", "/"])
    assert last_mount < root


def test_environment_is_given_by_name() -> None:
    """Few variables, the job's marker among them."""
    assert {name: value for name, value in options(words(), "--setenv", 2)} == {  # noqa: C416
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": "/root",
        "LANG": "C.UTF-8",
        "PYTHONSAFEPATH": "1",
        "PYRUNNER_JOB": "job-1",
        "A": "b",
    }


def test_our_python_is_read_only() -> None:
    """Interpreter and package, each at a place that no job can write."""
    binds = options(words(), "--ro-bind", 2)
    assert {("/opt/py", "/opt/py"), ("/opt/v", "/opt/v")} <= set(binds)
    assert ("/opt/p/pyrunner", "/.pyrunner/python/pyrunner") in binds
    program = "/.pyrunner/python/pyrunner/helper/start.py"
    assert PYTHON.helper_command == ("/opt/v/bin/python", "-I", "-S", "-X", "utf8", program)


@pytest.mark.parametrize(
    "target",
    [
        "/",
        "/usr",
        "/usr/builds",
        "/etc/ssl",
        "/proc/x",
        "/.pyrunner",
        "/.pyrunner/python/x",
        "/opt",
        "/opt/v/lib",
    ],
)
def test_a_jobs_folder_hides_nothing_of_ours(target: str) -> None:
    """Neither over nor below what the sandbox is made of."""
    assert unusable_target(target, PYTHON)


@pytest.mark.parametrize("target", ["relative", "/a/../b", "/a/", "//a", "/a//b", ""])
def test_a_target_is_a_plain_absolute_path(target: str) -> None:
    """Anything else would be somewhere else than it says."""
    assert unusable_target(target, PYTHON)


def test_usual_targets() -> None:
    """Where jobs have their folders."""
    assert [
        unusable_target(one, PYTHON) for one in ("/builds", "/cache", "/.pyrunner/cache", "/home/ci/builds")
    ] == [""] * 4


def test_pyrunner_within_a_jobs_folder_is_refused(tmp_path: Path) -> None:
    """A job could write the code that its next stage runs."""
    for python in (
        Interpreter("/x", (str(tmp_path / "venv"),), Path("/opt/p"), Path("/opt/i")),
        Interpreter("/x", (), tmp_path / "pyrunner", Path("/opt/i")),
    ):
        plan = SandboxPlan((Mount(tmp_path, "/builds"),), False, python)
        with pytest.raises(JobDirError, match="install pyrunner elsewhere"):
            plan.check()


def test_descriptors_are_listed_once() -> None:
    """What bubblewrap gets by number, and nothing else."""
    assert Descriptors(8, -1, {"/a": 7}).all == (8, 7)
    assert len(set(itertools.chain(Descriptors(8, 9, {"/a": 7}).all))) == 3


def test_the_host_is_seen_as_it_is(tmp_path: Path) -> None:
    """Links into /usr stay links, folders are mounted; keys of TLS servers are nowhere near."""
    (tmp_path / "usr" / "local" / "etc").mkdir(parents=True)
    (tmp_path / "bin").symlink_to("usr/bin")
    (tmp_path / "sbin").mkdir()
    for folder in ("etc/ssl/certs", "etc/ssl/private"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "etc" / "hosts").write_text("")
    view = HostView.of(tmp_path)
    assert view == HostView(
        ("/usr", "/sbin", "/etc/ssl/certs"), (("/bin", "usr/bin"),), ("/usr/local/etc",), ("/etc/hosts",)
    )
