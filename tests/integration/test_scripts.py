"""Generated stage scripts in a real shell: what they print and do (job-execution.md 5)."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest

from pyrunner.build.context import BuildContext
from pyrunner.build.scripts import stage_script
from pyrunner.jobdir.record import TLSData
from pyrunner.shells.login_dump import load
from tests.support.contexts import DOCKER_LIKE, build_context, payload, variable
from tests.support.scripts import GREEN, RESET, ScriptRunner, green

pytestmark = pytest.mark.integration

POSIX = [variable("FF_POSIXLY_CORRECT_ESCAPES", "true")]
SHELLS: list[tuple[str, list[dict[str, Any]]]] = [("bash", []), ("bash", POSIX), ("dash", POSIX)]


@pytest.fixture
def scripts(tmp_path: Path) -> ScriptRunner:
    """A home to run scripts in."""
    return ScriptRunner(tmp_path / "home")


def job_context(
    folder: Path, *script: str, runner: dict[str, Any] | None = None, **changes: Any
) -> BuildContext:
    """Return a job with its project folder in place."""
    steps = changes.pop("steps", [{"name": "script", "script": list(script)}])
    source = folder / "source"
    (source / "app").mkdir(parents=True, exist_ok=True)
    tls = changes.pop("tls", None)
    return build_context(str(source), job=payload(steps=steps, **changes), runner=runner, tls=tls)


@pytest.mark.parametrize(("shell", "variables"), SHELLS)
def test_commands_are_echoed_and_run(
    tmp_path: Path, scripts: ScriptRunner, shell: str, variables: list[dict[str, Any]]
) -> None:
    """Single line, several lines, empty line: the three forms of 5.5."""
    context = job_context(tmp_path, "  echo one  ", "echo two\necho three", " \n", "pwd", variables=variables)
    result = scripts.stage(context, "step_script", shell=(shell,))
    assert (result.code, result.err) == (0, "")
    assert result.lines == [
        green("$ echo one"),
        "one",
        green("$ echo two # collapsed multi-line command"),
        "two",
        "three",
        "",
        green("$ pwd"),
        str(tmp_path / "source/app"),
    ]


@pytest.mark.parametrize(("shell", "variables"), SHELLS)
def test_variables_arrive_as_they_are(
    tmp_path: Path, scripts: ScriptRunner, shell: str, variables: list[dict[str, Any]]
) -> None:
    """Nothing in a value is evaluated; a file variable is a path whose content has no newline added."""
    nasty = "a'b\"c`d\\e$(touch pwned);$HOME\n!é\t"
    sent = [variable("NASTY", nasty, raw=True), variable("KEY", nasty, file=True, raw=True)]
    context = job_context(
        tmp_path, 'printf %s "$NASTY" > value', 'cp "$KEY" file', 'echo "$KEY"', variables=[*variables, *sent]
    )
    result = scripts.stage(context, "step_script", shell=(shell,))
    project = tmp_path / "source/app"
    assert (result.code, result.err) == (0, "")
    assert (project / "value").read_bytes() == nasty.encode()
    assert (project / "file").read_bytes() == nasty.encode()
    assert result.lines[-1] == str(tmp_path / "source/app.tmp/KEY")
    assert not (project / "pwned").exists()


@pytest.mark.parametrize(
    ("command", "code"),
    [("exit 7", 7), ("false", 1), ("(exit 3) | cat", 3), ("if false; then :; fi", 0), ("a=$(false)", 1)],
)
def test_the_first_failure_ends_the_script_with_its_code(
    tmp_path: Path, scripts: ScriptRunner, command: str, code: int
) -> None:
    """errexit and pipefail, with the shell's own exceptions."""
    result = scripts.stage(job_context(tmp_path, command, "echo after"), "step_script")
    assert result.code == code
    assert ("after" in result.lines) is (code == 0)


def test_exit_codes_can_be_checked_explicitly(tmp_path: Path, scripts: ScriptRunner) -> None:
    """FF_ENABLE_BASH_EXIT_CODE_CHECK catches what `set +e` lets pass."""
    flag = {"feature_flags": {"FF_ENABLE_BASH_EXIT_CODE_CHECK": True}}
    steps = ("set +e", "(exit 9)", "echo after")
    assert scripts.stage(job_context(tmp_path, *steps), "step_script").code == 0
    result = scripts.stage(job_context(tmp_path, *steps, runner=flag), "step_script")
    assert result.code == 9
    assert "after" not in result.lines


@pytest.mark.parametrize("legacy", [False, True])
def test_commands_see_the_end_of_stdin(tmp_path: Path, scripts: ScriptRunner, legacy: bool) -> None:
    """The script itself arrives on stdin; a command must not eat it."""
    flag = {"feature_flags": {"FF_USE_LEGACY_BASH_EVAL": legacy}}
    context = job_context(tmp_path, "cat", "read line || echo nothing", runner=flag)
    assert scripts.stage(context, "step_script").lines == [
        green("$ cat"),
        green("$ read line || echo nothing"),
        "nothing",
    ]


def test_noclobber_of_a_profile_is_switched_off(tmp_path: Path, scripts: ScriptRunner) -> None:
    """File variables are written again in every stage."""
    (scripts.home / ".bash_profile").write_text("set -o noclobber\n")
    context = job_context(tmp_path, "true", variables=[variable("KEY", "x", file=True)])
    for _ in range(2):
        assert scripts.stage(context, "step_script", shell=("bash", "-l")).code == 0


def test_a_syntax_error_is_the_stages_failure(tmp_path: Path, scripts: ScriptRunner) -> None:
    """The body is evaluated, so the shell does not stumble over its own source."""
    result = scripts.stage(job_context(tmp_path, "if then"), "step_script")
    assert result.code != 0
    assert "syntax error" in result.err


def test_an_invalid_variable_name_fails_the_stage(tmp_path: Path, scripts: ScriptRunner) -> None:
    """Names are not validated; ``export`` is what complains (12 #39)."""
    context = job_context(tmp_path, "echo never", variables=[variable("a-b; echo pwned", "x")])
    result = scripts.stage(context, "step_script")
    assert result.code != 0
    assert "not a valid identifier" in result.err
    assert result.out == ""


def test_debug_trace_shows_every_command(tmp_path: Path, scripts: ScriptRunner) -> None:
    """CI_DEBUG_TRACE is the shell's xtrace."""
    result = scripts.stage(
        job_context(tmp_path, "echo one", variables=[variable("CI_DEBUG_TRACE", "1")]), "step_script"
    )
    assert result.code == 0
    assert "+ echo one" in result.err


def test_script_sections_wrap_the_text_of_a_multi_line_command(tmp_path: Path, scripts: ScriptRunner) -> None:
    """Start, text and end come before the command runs (5.5)."""
    flag = {"feature_flags": {"FF_SCRIPT_SECTIONS": True}}
    result = scripts.stage(job_context(tmp_path, "true", "echo one\necho two", runner=flag), "step_script")
    text = result.out.replace(green("$ true") + "\n", "")
    start, _, rest = text.partition(":")
    moment, _, rest = rest.partition(":")
    assert start == "section_start"
    assert moment.isdigit()
    head = "section_script_step_1[hide_duration=true,collapsed=true]\r\033[0K"
    assert rest == (
        f"{head}{GREEN}$ echo one\necho two{RESET}\n"
        f"section_end:{moment}:section_script_step_1\r\033[0K\none\ntwo\n"
    )


def test_sections_need_a_coordinator_that_shows_them(tmp_path: Path, scripts: ScriptRunner) -> None:
    """Without the feature the flag means nothing."""
    flag = {"feature_flags": {"FF_SCRIPT_SECTIONS": True}}
    context = job_context(tmp_path, "echo one\necho two", runner=flag, features={})
    assert scripts.stage(context, "step_script").lines[0] == green(
        "$ echo one # collapsed multi-line command"
    )


def test_gitlab_env_carries_lines_between_stages(tmp_path: Path, scripts: ScriptRunner) -> None:
    """Exported as they stand; blanks around are trimmed and a last line without newline is lost (5.3)."""
    context = job_context(
        tmp_path,
        steps=[
            {"name": "script", "script": ['printf "A=1 2\\n  B=\\$(touch x)\\nC=lost" >> "$GITLAB_ENV"']},
            {"name": "after_script", "script": ['echo "[$A][$B][$C]"']},
        ],
    )
    assert scripts.stage(context, "step_script").code == 0
    result = scripts.stage(context, "after_script", "success")
    assert result.lines[-1] == "[1 2][$(touch x)][]"
    assert scripts.stage(context, "prepare_script").code == 0
    assert scripts.stage(context, "after_script", "success").lines[-1] == "[][][]"


def test_pre_and_post_build_scripts_wrap_every_step_but_not_after_script(
    tmp_path: Path, scripts: ScriptRunner
) -> None:
    """Also a release step, whose variables the runner replaces itself (12 #37)."""
    context = job_context(
        tmp_path,
        runner={"pre_build_script": "echo before", "post_build_script": "echo behind"},
        variables=[variable("TAG", "v1", raw=True)],
        steps=[
            {"name": "script", "script": ["true"]},
            {"name": "release", "script": ["echo release $TAG"]},
            {"name": "after_script", "script": ["echo $CI_JOB_STATUS"]},
        ],
    )
    assert scripts.stage(context, "step_release").lines == [
        *(green("$ echo before"), "before"),
        *(green("$ echo release v1"), "release v1"),
        *(green("$ echo behind"), "behind"),
    ]
    assert scripts.stage(context, "after_script", "timedout").lines == [
        green("Running after script..."),
        green("$ echo $CI_JOB_STATUS"),
        "timedout",
    ]


def test_prepare_says_where_it_runs(tmp_path: Path, scripts: ScriptRunner) -> None:
    """With the runner's own host name where the executor shows it (5.6)."""
    name = subprocess.run(["hostname"], capture_output=True, check=True).stdout.decode().strip()
    assert scripts.stage(job_context(tmp_path), "prepare_script").out == f"Running on {name}...\n"
    context = build_context(str(tmp_path), traits=DOCKER_LIKE)
    expected = f"Running on {name} via {socket.gethostname()}...\n"
    assert scripts.stage(context, "prepare_script").out == expected


def test_prepare_leaves_what_the_profiles_made(tmp_path: Path, scripts: ScriptRunner) -> None:
    """Environment, umask, folder and limits of the login shell, in a private file and without a word."""
    (scripts.home / ".bash_profile").write_text(
        "export FROM_PROFILE=$'a\\nb'\numask 027\nulimit -S -n 200\nset -a\n"
        "set -o noclobber\ncd /\necho noise\n"
    )
    dump = tmp_path / "login"
    context = build_context(str(tmp_path), login_dump=str(dump))
    result = scripts.stage(context, "prepare_script", shell=("bash", "-l"))
    assert (result.code, result.err) == (0, "")
    assert result.lines[0] == "noise"
    assert len(result.lines) == 2
    assert dump.stat().st_mode & 0o777 == 0o600
    assert sorted(os.listdir(tmp_path)) == ["home", "login"]
    found = load(dump)
    assert found is not None
    assert found.environment[b"FROM_PROFILE"] == b"a\nb"
    assert found.environment[b"HOME"] == os.fsencode(scripts.home)
    assert found.umask == 0o27
    assert found.folder == b"/"
    assert found.limits["RLIMIT_NOFILE"][0] == 200


@pytest.mark.parametrize("shell", ["bash", "dash"])
def test_a_dump_that_cannot_be_made_fails_nothing(tmp_path: Path, scripts: ScriptRunner, shell: str) -> None:
    """The executor falls back to login shells."""
    job = payload(variables=POSIX)
    context = build_context(str(tmp_path), job=job, login_dump=str(tmp_path / "missing/login"))
    result = scripts.stage(context, "prepare_script", shell=(shell,))
    assert (result.code, result.err) == (0, "")
    good = build_context(str(tmp_path), job=job, login_dump=str(tmp_path / "login"))
    assert scripts.stage(good, "prepare_script", shell=(shell,)).code == 0
    assert load(tmp_path / "login") is not None


def test_cleanup_removes_file_variables_and_the_runners_files(tmp_path: Path, scripts: ScriptRunner) -> None:
    """Nothing that holds a secret stays beside the tree; contents are not written again meanwhile."""
    context = job_context(
        tmp_path, "true", variables=[variable("KEY", "x", file=True)], tls=TLSData("chain", "cert", "key")
    )
    temporary = tmp_path / "source/app.tmp"
    assert scripts.stage(context, "step_script").code == 0
    names = {"CI_SERVER_TLS_CA_FILE", "CI_SERVER_TLS_CERT_FILE", "CI_SERVER_TLS_KEY_FILE", "KEY"}
    assert set(os.listdir(temporary)) == {*names, "gitlab_runner_env"}
    assert (temporary / "CI_SERVER_TLS_CA_FILE").read_text() == "chain"
    for name in ("masking.db", ".gitlab-runner.ext.conf", ".glr.gconf"):
        (temporary / name).write_text("x")
    result = scripts.stage(context, "cleanup_file_variables")
    assert (result.code, result.out, result.err) == (0, "", "")
    assert os.listdir(temporary) == []


def test_sigterm_ends_a_script_without_showing_its_source(tmp_path: Path, scripts: ScriptRunner) -> None:
    """The trap turns the signal into an exit with 1 in both shells of a script (5.2)."""
    context = job_context(tmp_path, "kill -TERM $BASHPID; echo never")
    result = scripts.stage(context, "step_script")
    assert result.code == 1
    assert "never" not in result.lines
    assert result.err == ""


def test_the_skeleton(tmp_path: Path) -> None:
    """Everything before and after the body, line by line (5.2)."""
    script = stage_script(job_context(tmp_path, "true"), "step_script")
    assert script is not None
    lines = script.splitlines()
    assert lines[:6] == [
        "#!/usr/bin/env bash",
        "",
        "trap 'exit 1' TERM",
        "",
        'case "$(set -o)" in *"pipefail"*) set -o pipefail;; esac; set -o errexit',
        "set +o noclobber",
    ]
    assert lines[6].startswith("(trap 'exit 1' TERM; eval $'export FF_TEST_FEATURE=false\\n")
    assert lines[6].endswith("') < /dev/null")
    assert lines[7:] == ["exit 0"]
