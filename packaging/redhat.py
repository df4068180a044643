"""The rpm package, by rpmbuild around the tree that is made already."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from staging import SOURCE, BuildFailed, Interpreter, output, version

#: ``$1`` is how many versions stay: 1 after an installation, 2 in an upgrade, 0 at removal.
_SPEC = """
Name: pyrunner
Version: {version}
Release: {release}
Summary: GitLab Runner that loses no job
License: MIT
AutoReqProv: no
Requires: python(abi) = {python}
Requires: git, ca-certificates, shadow-utils
Recommends: bubblewrap, git-lfs, passt
%global __os_install_post %{{nil}}
%global debug_package %{{nil}}
%global _build_id_links none
%global __brp_mangle_shebangs %{{nil}}

%description
A drop-in replacement for gitlab-runner: it reads the same config.toml, speaks the same API, and any of its
processes can be killed at any time without losing a job. Its Python libraries are in a folder of its own.

%install
cp -a {tree}/. %{{buildroot}}/

%files
%defattr(-,root,root,-)
{files}

%post
{functions}
if [ "$1" -eq 1 ]; then pyrunner_installed; else pyrunner_upgraded; fi

%preun
{functions}
if [ "$1" -eq 0 ]; then pyrunner_removing; fi

%postun
{functions}
if [ "$1" -eq 0 ]; then pyrunner_removed; fi
"""


def make_rpm(tree: Path, out: Path, interpreter: Interpreter, release: str) -> Path:
    """Write the package into ``out`` and return its path.

    :raises BuildFailed: when rpmbuild is missing or refuses.
    """
    if shutil.which("rpmbuild") is None:
        raise BuildFailed("no rpmbuild here: install rpm-build (Fedora) or rpm (Debian)")
    functions = (SOURCE / "packaging/scripts/functions.sh").read_text().replace("%", "%%")
    with TemporaryDirectory() as folder:
        spec = Path(folder) / "pyrunner.spec"
        spec.write_text(
            _SPEC.format(
                version=version(),
                release=release,
                python=interpreter.version,
                tree=tree,
                files=_files(tree),
                functions=functions,
            )
        )
        output(
            [
                "rpmbuild",
                "-bb",
                "--quiet",
                f"--define=_topdir {folder}/top",
                f"--define=_rpmdir {folder}/made",
                spec,
            ]
        )
        made = list(Path(folder, "made").rglob("*.rpm"))
        if len(made) != 1:
            raise BuildFailed(f"rpmbuild made {len(made)} packages instead of one")
        return Path(shutil.copy(made[0], out))


def _files(tree: Path) -> str:
    """Return the files, and the folders that are nobody else's."""
    lines = []
    for path in sorted(tree.rglob("*")):
        name = "/" + str(path.relative_to(tree))
        if path.is_dir() and not path.is_symlink():
            if "pyrunner" in path.relative_to(tree).parts:
                lines.append(f'%dir "{name}"')
        else:
            lines.append(f'"{name}"' if os.path.lexists(path) else "")
    return "\n".join(filter(None, lines)).replace("%d", "\0").replace("%", "%%").replace("\0", "%d")
