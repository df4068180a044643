"""The text of the unit, and what systemd's own checkers say about it."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from pyrunner.errors import UsageError
from pyrunner.service.description import STATE_FOLDER, Credential, ServiceDescription, check_service_name
from pyrunner.service.unit import MARK, render_unit

ROOT = Path(__file__).resolve().parents[3]

#: What the packages install.
PACKAGED = ServiceDescription(
    name="pyrunner",
    program=("/usr/bin/pyrunner",),
    config=Path("/etc/gitlab-runner/config.toml"),
    working_directory=STATE_FOLDER,
    user="gitlab-runner",
)


def settings(text: str) -> dict[str, list[str]]:
    """Return the settings of a unit, comments apart."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


def test_packaged_unit_is_the_template() -> None:
    """The unit of the packages is what ``install`` would write; change the template, then write it anew."""
    assert (ROOT / "packaging/systemd/pyrunner.service").read_text() == render_unit(PACKAGED)


def test_what_lets_jobs_survive() -> None:
    """A stop ends the manager alone, an out-of-memory job nobody else; each stage may have a cgroup (R7)."""
    for service in (PACKAGED, replace(PACKAGED, hardened=True), replace(PACKAGED, for_user=True)):
        found = settings(render_unit(service))
        assert found["KillMode"] == ["process"]
        assert found["OOMPolicy"] == ["continue"]
        assert found["Delegate"] == ["yes"]
        assert found["Type"] == ["notify"]
        assert "PrivateTmp" not in found, "it is emptied under the jobs that live on"
        assert render_unit(service).startswith(MARK)


def test_units_of_users() -> None:
    """A user's unit starts with the user's session, and names nothing that only the machine has."""
    found = settings(render_unit(replace(PACKAGED, for_user=True, user="")))
    assert found["WantedBy"] == ["default.target"]
    assert not {"After", "Wants", "User", "StateDirectory"} & set(found)
    assert found["EnvironmentFile"] == ["-%E/pyrunner/environment"]


def test_options_become_settings() -> None:
    """init-user is the unit's, user the manager's; older systemd is spared what it does not know."""
    service = replace(
        PACKAGED, user="", init_user="worker", syslog=True, stop_timeout=None, systemd_version=252
    )
    found = settings(render_unit(service))
    assert found["User"] == ["worker"]
    assert "--user" not in found["ExecStart"][0].split()
    assert found["ExecStart"][0].endswith("--syslog")
    assert found["TimeoutStopSec"] == ["infinity"]
    assert "DelegateSubgroup" not in found
    assert settings(render_unit(replace(service, systemd_version=254)))["DelegateSubgroup"] == [
        "pyrunner.manager"
    ]


def test_state_folder_only_where_it_is_used() -> None:
    """systemd makes /var/lib/pyrunner when that is the working directory, and nothing else."""
    assert settings(render_unit(PACKAGED))["StateDirectory"] == ["pyrunner"]
    assert "StateDirectory" not in settings(render_unit(replace(PACKAGED, working_directory=Path("/srv"))))


def test_credentials() -> None:
    """NAME:/PATH is read by systemd; what systemd-creds has encrypted is decrypted."""
    listed = tuple(Credential.parse(one) for one in ("TOKEN:/etc/token", "OTHER:/etc/other.cred"))
    found = settings(render_unit(replace(PACKAGED, credentials=listed)))
    assert found["LoadCredential"] == ["TOKEN:/etc/token"]
    assert found["LoadCredentialEncrypted"] == ["OTHER:/etc/other.cred"]


@pytest.mark.parametrize("text", ["TOKEN", "TOKEN:relative", "a b:/x", ":/x", "../x:/y", ""])
def test_what_is_no_credential(text: str) -> None:
    """A name is one that may stand behind a dollar sign, a path is absolute."""
    with pytest.raises(UsageError, match="no credential"):
        Credential.parse(text)


@pytest.mark.parametrize("name", ["", "../evil", "a/b", "-x", "a b", "x\n"])
def test_what_is_no_name_of_a_service(name: str) -> None:
    """The name becomes a file among those that systemd trusts."""
    with pytest.raises(UsageError, match="no name for a service"):
        check_service_name(name)


def test_a_name_may_have_its_ending() -> None:
    """``ci.service`` is ``ci``."""
    assert check_service_name("ci.service") == "ci"


@pytest.mark.parametrize(
    "path", ["/srv/a b", '/srv/"x"', "/srv/100%", "/srv/$HOME", "/srv/back\\slash", "/srv/é"]
)
def test_odd_paths_mean_themselves(path: str) -> None:
    """systemd expands, unquotes and splits what stands in ExecStart; of ours it finds nothing to expand."""
    line = settings(render_unit(replace(PACKAGED, working_directory=Path(path))))["ExecStart"][0]
    word = re.search(r'--working-directory ("(?:[^"\\]|\\.)*"|\S+) --service', line)
    assert word
    inner = word[1].removeprefix('"').removesuffix('"')
    assert inner.replace("%%", "%").replace("$$", "$").replace('\\"', '"').replace("\\\\", "\\") == path
    assert "%" not in inner.replace("%%", "")
    assert "$" not in inner.replace("$$", "")


def test_control_characters_are_refused() -> None:
    """A line feed would begin a setting of its own."""
    with pytest.raises(UsageError, match="control characters"):
        render_unit(replace(PACKAGED, working_directory=Path("/srv\nUser=root")))


needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze here")


@needs_systemd
@pytest.mark.parametrize(
    "service",
    [PACKAGED, replace(PACKAGED, hardened=True), replace(PACKAGED, for_user=True, user="")],
    ids=["packaged", "hardened", "of a user"],
)
def test_systemd_has_nothing_to_object(tmp_path: Path, service: ServiceDescription) -> None:
    """``systemd-analyze verify`` is silent about each kind of unit, on Debian 12's systemd."""
    unit = tmp_path / "pyrunner-under-test.service"
    unit.write_text(render_unit(replace(service, program=("/bin/true",), systemd_version=252)))
    done = subprocess.run(
        ["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@needs_systemd
def test_exposure_is_what_the_documentation_says(tmp_path: Path) -> None:
    """The figures of ``systemd-analyze security`` in docs/service.md are measured, with systemd 252."""
    version = subprocess.run(["systemd-analyze", "--version"], capture_output=True, text=True, check=True)
    if version.stdout.split()[1] != "252":
        pytest.skip("another systemd counts otherwise")
    page = (ROOT / "docs/service.md").read_text()
    for service in (PACKAGED, replace(PACKAGED, hardened=True)):
        unit = tmp_path / "pyrunner-under-test.service"
        unit.write_text(render_unit(replace(service, program=("/bin/true",), systemd_version=252)))
        command = ["systemd-analyze", "security", "--offline=true", "--no-pager", str(unit)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        level = re.search(r"exposure level for \S+: ([\d.]+)", done.stdout)
        assert level, done.stderr
        assert f"**{level[1]}**" in page
