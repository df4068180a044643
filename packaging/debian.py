"""The deb package, by dpkg-deb alone: the tree is made already, debhelper would have nothing to do."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from staging import SOURCE, BuildFailed, Interpreter, output, version

#: By what each step calls of functions.sh; ``$1`` is what dpkg gives (deb-postinst(5) and its siblings).
_SCRIPTS = {
    "postinst": """
case "$1" in
    configure) if [ -z "$2" ]; then pyrunner_installed; else pyrunner_upgraded; fi ;;
    abort-remove | abort-upgrade | abort-deconfigure) ;;
esac
""",
    "prerm": """
case "$1" in
    remove | deconfigure) pyrunner_removing ;;
esac
""",
    "postrm": """
case "$1" in
    remove) pyrunner_removed ;;
    purge) pyrunner_removed; pyrunner_purged ;;
esac
""",
}


def make_deb(tree: Path, out: Path, interpreter: Interpreter, release: str) -> Path:
    """Write the package into ``out`` and return its path.

    :raises BuildFailed: when dpkg-deb is missing or refuses.
    """
    if shutil.which("dpkg-deb") is None:
        raise BuildFailed("no dpkg-deb here: install dpkg, or build on Debian")
    architecture = output(["dpkg", "--print-architecture"])
    name = f"pyrunner_{version()}-{release}_{architecture}.deb"
    with TemporaryDirectory() as folder:
        root = Path(folder) / "pyrunner"
        shutil.copytree(tree, root, symlinks=True)
        zsh = root / "usr/share/zsh"
        (zsh / "site-functions").rename(zsh / "vendor-completions")
        control = root / "DEBIAN"
        control.mkdir()
        (control / "control").write_text(_control(root, interpreter, release, architecture))
        functions = (SOURCE / "packaging/scripts/functions.sh").read_text()
        for script, calls in _SCRIPTS.items():
            path = control / script
            path.write_text(f"#!/bin/sh\nset -e\n\n{functions}{calls}\nexit 0\n")
            path.chmod(0o755)
        root.chmod(0o755)
        output(["dpkg-deb", "--root-owner-group", "-Zxz", "-z3", "--build", root, out / name])
    return out / name


def _control(root: Path, interpreter: Interpreter, release: str, architecture: str) -> str:
    files = (path for path in root.rglob("*") if path.is_file() and not path.is_symlink())
    size = sum(os.stat(path).st_size for path in files) // 1024
    major, minor = interpreter.version.split(".")
    return f"""Package: pyrunner
Version: {version()}-{release}
Architecture: {architecture}
Maintainer: pyrunner maintainers <maintainers@pyrunner.invalid>
Installed-Size: {size}
Depends: python3 (>= {major}.{minor}), python3 (<< {major}.{int(minor) + 1}), git, passwd, ca-certificates
Recommends: bubblewrap, git-lfs, passt | slirp4netns
Suggests: docker.io | docker-ce
Section: devel
Priority: optional
Description: GitLab Runner that loses no job
 A drop-in replacement for gitlab-runner: it reads the same config.toml, speaks
 the same API, and any of its processes can be killed at any time without
 losing a job. Its Python libraries are in a folder of its own.
"""
