"""Run inside the sandbox by test_sandbox_escape: tries each way out and prints which ones work, as JSON.

Standard library only; every attempt that could harm a host which lets it through stops at being let through.
"""

import contextlib
import ctypes
import json
import os
import signal
import socket
import struct
import sys
from typing import Any

LIBC = ctypes.CDLL(None, use_errno=True)
X86 = os.uname().machine == "x86_64"
#: name → (x86_64, aarch64)
CALLS = {
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "fsopen": (430, 430),
    "unshare": (272, 97),
    "setns": (308, 268),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "open_by_handle_at": (304, 265),
    "add_key": (248, 217),
    "keyctl": (250, 219),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "kexec_load": (246, 104),
    "init_module": (175, 105),
    "sethostname": (170, 161),
    "clone": (56, 220),
    "clone3": (435, 435),
    "syslog": (103, 116),
    "mknodat": (259, 33),
}


def call(name: Any, *arguments: Any) -> Any:
    """Make a system call; raises OSError when it is refused."""
    number = CALLS[name][0 if X86 else 1]
    words = [one if isinstance(one, ctypes.Array | bytes) else ctypes.c_long(one) for one in arguments]
    result = LIBC.syscall(ctypes.c_long(number), *words)
    if result < 0:
        raise OSError(ctypes.get_errno(), name)
    return result


def buffer(content: bytes) -> Any:
    """Return memory that begins with ``content``."""
    return ctypes.create_string_buffer(content, 256)


def opens_for_writing(path: Any) -> Any:
    """Succeed when ``path`` can be opened for writing; nothing is written."""
    os.close(os.open(path, os.O_WRONLY))


def writable_in_proc() -> Any:
    """Succeed when any file of /proc can be opened for writing."""
    for top in ("/proc/sys", "/proc/irq", "/proc/bus", "/proc/1", "/proc/self"):
        for folder, folders, files in os.walk(top):
            # Descriptors lead to what they are open on, tasks repeat their process.
            folders[:] = [one for one in folders if one not in ("fd", "task", "map_files", "cwd", "root")]
            for name in files:
                with contextlib.suppress(OSError):
                    path = f"{folder}/{name}"
                    if os.path.islink(path):
                        continue
                    opens_for_writing(path)
                    return path
    raise PermissionError("nothing in /proc")


def other_descriptors() -> Any:
    """Succeed when a descriptor beside 0-2 is open."""
    extra = []
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2:
            with contextlib.suppress(OSError):
                extra.append(os.readlink(f"/proc/self/fd/{name}"))
    if not extra:
        raise PermissionError("0-2 only")
    return extra


def script_can_be_changed() -> Any:
    """Succeed when standard input, opened again, takes a byte."""
    fd = os.open("/proc/self/fd/0", os.O_RDWR)
    os.write(fd, b"#")


def ptrace_parent() -> Any:
    """Succeed when the first process can be attached to."""
    call("ptrace", 16, 1, 0, 0)
    call("ptrace", 17, 1, 0, 0)


def read_other_memory() -> Any:
    """Succeed when another process's memory can be read by call."""
    call("process_vm_readv", 1, 0, 0, 0, 0, 0)


def memory_file() -> Any:
    """Succeed when another process's memory can be opened for writing."""
    opens_for_writing("/proc/1/mem")


def host_process(pid: Any) -> Any:
    """Succeed when a process of the host is there under its own id."""
    os.kill(pid, 0)


def many_processes() -> Any:
    """Succeed when more processes are seen than a stage has."""
    seen = [int(one) for one in os.listdir("/proc") if one.isdigit()]
    if len(seen) < 10 and max(seen) < 100:
        raise PermissionError(seen)


def abstract(name: Any) -> Any:
    """Succeed when an abstract socket of the host answers."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(2)
        client.connect("\0" + name)


def tcp(host: Any, port: Any) -> Any:
    """Succeed when something answers."""
    socket.create_connection((host, port), timeout=2).close()


def family(number: Any, kind: Any = socket.SOCK_STREAM, protocol: Any = 0) -> Any:
    """Succeed when such a socket can be had."""
    socket.socket(number, kind, protocol).close()


def clone_with(flags: Any) -> Any:
    """Succeed when a child with new namespaces is born."""
    pid = call("clone", flags | signal.SIGCHLD, 0, 0, 0, 0)
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)


def clone3() -> Any:
    """Succeed when a child is born by the call whose arguments no filter sees."""
    pid = call("clone3", buffer(struct.pack("=4Q", 0, 0, 0, 0) + struct.pack("=Q", signal.SIGCHLD)), 88)
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)


def x32() -> Any:
    """Succeed when the second calling convention works."""
    pid = os.fork()
    if pid == 0:
        LIBC.syscall(ctypes.c_long(0x40000000 | 39))
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        raise PermissionError(f"killed by {os.WTERMSIG(status)}")


def terminal_trick() -> Any:
    """Succeed when a byte can be typed into a terminal of our own."""
    import fcntl
    import pty

    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    leader, follower = pty.openpty()
    os.setsid()
    fcntl.ioctl(follower, 0x540E, 0)
    try:
        fcntl.ioctl(follower, 0x5412, b"x")
    finally:
        os.close(leader)
        os.close(follower)


def make_device(builds: Any, mode: Any, major: Any, minor: Any) -> Any:
    """Succeed when a device node can be made and opened."""
    path = os.fsencode(builds) + b"/device"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    call("mknodat", -100, path, mode | 0o666, os.makedev(major, minor))
    os.close(os.open(path, os.O_RDONLY))


def read(path: Any) -> Any:
    """Succeed when a file can be read."""
    with open(path, "rb") as file:
        file.read(1)


def listed(path: Any) -> Any:
    """Succeed when a folder is there."""
    if not os.listdir(path):
        raise FileNotFoundError(path)


def become(user: Any) -> Any:
    """Succeed when another user can be had."""
    os.setresuid(user, user, user)


def give_away(builds: Any) -> Any:
    """Succeed when a file can be given to another user."""
    with open(f"{builds}/mine", "w") as file:
        os.fchown(file.fileno(), 1234, 1234)


def gained_by_exec(builds: Any) -> Any:
    """Succeed when a program, or a setuid one, has more capabilities than we."""
    import shutil
    import subprocess

    shutil.copy("/usr/bin/cat", f"{builds}/cat")
    os.chmod(f"{builds}/cat", 0o4755)
    text = subprocess.run([f"{builds}/cat", "/proc/self/status"], capture_output=True, text=True).stdout
    found = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    if int(found["CapEff"], 16) == int(found["CapPrm"], 16) == 0b1010 and found["NoNewPrivs"].strip() == "1":
        raise PermissionError(found["CapEff"])


def add_route() -> Any:
    """Succeed when the network can be configured."""
    message = struct.pack("=BBBBBBBBI", 2, 8, 0, 0, 254, 4, 0, 7, 0) + struct.pack(
        "=HH4s", 8, 1, b"\x09\0\0\0"
    )
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as netlink:
        netlink.send(struct.pack("=IHHII", 16 + len(message), 24, 0x5 | 0x600, 1, 0) + message)
        error = struct.unpack_from("=i", netlink.recv(4096), 16)[0]
        if error:
            raise OSError(-error, "route")


def attempts(given: Any) -> Any:
    """Return name → attempt."""
    null = os.stat("/dev/null").st_rdev
    builds = given.get("builds", "/builds")
    disk = given.get("disk", [254, 0])
    usual = {
        "core_pattern": lambda: opens_for_writing("/proc/sys/kernel/core_pattern"),
        "sysrq_trigger": lambda: opens_for_writing("/proc/sysrq-trigger"),
        "proc_writable": writable_in_proc,
        "mount": lambda: call("mount", b"none", b"/tmp", b"tmpfs", 0, 0),
        "remount_usr": lambda: call("mount", b"none", b"/usr", b"", 0x20 | 0x1000, 0),
        "umount": lambda: call("umount2", b"/tmp", 2),
        "pivot_root": lambda: call("pivot_root", b"/tmp", b"/tmp"),
        "chroot": lambda: call("chroot", b"/tmp"),
        "open_tree": lambda: call("open_tree", -100, b"/usr", 1),
        "fsopen": lambda: call("fsopen", b"tmpfs", 0),
        "write_usr": lambda: open("/usr/bin/pyrunner-probe", "x").close(),
        "write_etc": lambda: open("/etc/pyrunner-probe", "x").close(),
        "write_root": lambda: open("/pyrunner-probe", "x").close(),
        "write_dev": lambda: open("/dev/pyrunner-probe", "x").close(),
        "write_package": lambda: open("/.pyrunner/python/pyrunner/probe", "x").close(),
        "device_node": lambda: make_device(builds, 0o020000, os.major(null), os.minor(null)),
        "disk_node": lambda: make_device(builds, 0o060000, *disk),
        "kernel_memory": lambda: read("/proc/kcore"),
        "kernel_log": lambda: call("syslog", 10, 0, 0),
        "keys_listed": lambda: read("/proc/keys"),
        "descriptors": other_descriptors,
        "script_changed": script_can_be_changed,
        "ptrace": ptrace_parent,
        "process_vm_readv": read_other_memory,
        "memory_file": memory_file,
        "host_process": lambda: host_process(given["pid"]),
        "many_processes": many_processes,
        "abstract_socket": lambda: abstract(given["abstract"]),
        "host_loopback": lambda: tcp("127.0.0.1", given["loopback"]),
        "gateway_is_loopback": lambda: tcp("198.19.213.2", given["loopback"]),
        "keyctl": lambda: call("keyctl", 0, -3, 1),
        "add_key": lambda: call("add_key", b"user", b"probe", b"x", 1, -2),
        "bpf": lambda: call("bpf", 0, buffer(struct.pack("=IIII", 1, 4, 4, 1)), 72),
        "perf_event_open": lambda: call("perf_event_open", buffer(b""), 0, -1, -1, 0),
        "userfaultfd": lambda: call("userfaultfd", 1),
        "io_uring": lambda: call("io_uring_setup", 4, buffer(b"")),
        "unshare_users": lambda: call("unshare", 0x10000000),
        "unshare_mounts": lambda: call("unshare", 0x20000),
        "clone_users": lambda: clone_with(0x10000000),
        "clone_mounts": lambda: clone_with(0x20000),
        "clone3": clone3,
        "setns": lambda: call("setns", os.open("/proc/self/ns/net", os.O_RDONLY), 0),
        "sethostname": lambda: call("sethostname", b"probe", 5),
        "open_by_handle_at": lambda: call(
            "open_by_handle_at", os.open(builds, 0), buffer(struct.pack("=Ii", 8, 1)), 0
        ),
        "terminal_trick": terminal_trick,
        "vsock": lambda: family(40),
        "packet_socket": lambda: family(17, socket.SOCK_RAW),
        "crypto_socket": lambda: family(38, socket.SOCK_SEQPACKET),
        "raw_socket": lambda: family(2, socket.SOCK_RAW, 1),
        "audit_netlink": lambda: family(16, socket.SOCK_RAW, 9),
        "configure_network": add_route,
        "cgroups": lambda: listed("/sys/fs/cgroup"),
        "sys": lambda: listed("/sys"),
        "shadow": lambda: read("/etc/shadow"),
        "host_file": lambda: read(given["canary"]),
        "host_file_by_first_process": lambda: read("/proc/1/root" + given["canary"]),
        "control_directory": lambda: listed(given["control"]),
        "another_user": lambda: become(1234),
        "give_away": lambda: give_away(builds),
        "gained_by_exec": lambda: gained_by_exec(builds),
    }
    return {**usual, **({"x32": x32} if X86 else {})}


def main() -> Any:
    """Try all, each in a process of its own, and print name → what came of it."""
    given = json.loads(sys.argv[1])
    report = {}
    for name, attempt in attempts(given).items():
        if name not in given.get("only", [name]):
            continue
        answer, tell = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(answer)
            try:
                os.dup2(tell, 1)
                os.close(tell)
                result = attempt()
                text = f"WORKED: {result}"
            except OSError as error:
                text = f"held: {type(error).__name__}: {error}"
            except BaseException as error:  # noqa: BLE001 - the attempt was not made
                text = f"broken: {type(error).__name__}: {error}"
            os.write(1, text.encode())
            os._exit(0)
        os.close(tell)
        with open(answer, "rb") as file:
            report[name] = file.read().decode(errors="replace")
        os.waitpid(pid, 0)
    sys.stdout.write("REPORT " + json.dumps(report) + "\n")


main()
