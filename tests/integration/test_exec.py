"""``pyrunner exec`` from end to end, with the shell executor."""

from __future__ import annotations

import json
import resource
import signal
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.support.exec_runs import ExecLab
from tests.support.snapshots import fingerprint

pytestmark = pytest.mark.integration

PIPELINE = """
stages: [build, test, ship]
variables: {WHO: yaml}
compile:
  stage: build
  script: [mkdir -p out, 'echo "by $WHO" > out/made.txt', echo VERSION=7 > version.env]
  artifacts: {paths: [out], reports: {dotenv: version.env}}
unit:
  stage: test
  parallel: {matrix: [{OS: [one, two]}]}
  script: ['echo "os $OS version $VERSION"', cat out/made.txt uncommitted.txt]
flaky: {stage: test, needs: [], script: [echo oh dear, exit 3], allow_failure: {exit_codes: 3}}
ship: {stage: ship, when: manual, script: [echo shipped]}
"""


@pytest.fixture
def lab(tmp_path: Path) -> ExecLab:
    """A working copy with an uncommitted file."""
    made = ExecLab.make(tmp_path, PIPELINE)
    (made.tree / "uncommitted.txt").write_text("not committed\n")
    return made


def test_a_pipeline(lab: ExecLab) -> None:
    """Stages, needs, matrix, artifacts, dotenv, an allowed failure, a manual job; the tree stays so."""
    before = fingerprint(lab.tree)
    done = lab.run()
    assert done.returncode == 0, done.stdout + done.stderr
    assert fingerprint(lab.tree) == before
    lines = done.stdout.splitlines()
    assert "unit: [one] | os one version 7" in lines
    assert "unit: [two] | by yaml" in lines
    assert "unit: [two] | not committed" in lines
    assert "flaky       | ERROR: Job failed: exit status 3" in lines
    assert lines[-1].startswith("pipeline passed with warnings in ")
    assert lines[-1].endswith("to play it: --manual ship")
    assert "\x1b" not in done.stdout
    assert (lab.latest / "artifacts/compile/out/made.txt").read_text() == "by yaml\n"
    assert (lab.latest / "artifacts/compile/.env").read_text() == "VERSION=7\n"
    assert "Running with pyrunner" in lab.log("compile")
    assert [one.cmdline() for one in lab.processes()] == []


def test_nothing_secret_stays(lab: ExecLab, tmp_path: Path) -> None:
    """A secret reaches the job, is masked in what it prints, and is in no file when the run is over."""
    secret = "correct-horse-battery"
    file = tmp_path / "secrets.env"
    file.write_text(f"TOKEN={secret}\n")
    text = """
        a: {script: ['echo "token: $TOKEN"', 'test ${#TOKEN} = 21']}
    """
    lab.configure(text)
    done = lab.run("--secret-file", str(file), "--keep")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "a | token: [MASKED]" in done.stdout
    for path in lab.folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            assert secret.encode() not in path.read_bytes(), path


def test_one_job_and_what_it_needs(lab: ExecLab) -> None:
    """A named job brings what it waits for; played, a manual one runs; variables beat those of the YAML."""
    assert lab.states("unit: [[]one]", "--var", "WHO=me") == {"compile": "success", "unit: [one]": "success"}
    assert "by me" in lab.log("unit-one--" + _suffix(lab, "unit-one-"))
    assert lab.states("--manual", "ship")["ship"] == "success"


def _suffix(lab: ExecLab, name: str) -> str:
    (found,) = (lab.latest / "logs").glob(f"{name}*.log")
    return found.stem.rpartition("-")[2]


def test_only_what_failed(lab: ExecLab) -> None:
    """A second run repeats what did not pass, with the artifacts of what did; so does one job alone."""
    (lab.tree / "uncommitted.txt").unlink()
    events = lab.events()
    assert events[-1]["exit_code"] == 1
    (lab.tree / "uncommitted.txt").write_text("now\n")
    again = lab.events("--only-failed")
    started = {one["name"] for one in again if one["event"] == "job" and one["status"] == "running"}
    assert started == {"unit: [one]", "unit: [two]", "flaky"}
    assert again[-1]["exit_code"] == 0
    assert lab.states("unit", "--no-needs") == {
        "compile": "success",
        "unit: [one]": "success",
        "unit: [two]": "success",
    }
    assert "by yaml" in lab.log("unit-two--" + _suffix(lab, "unit-two-"))


def test_exit_codes(lab: ExecLab) -> None:
    """1 for a failure, 2 for YAML and command lines that are refused, with file, line and column."""
    lab.configure("a: {script: [echo the end, exit 4]}\n")
    failed = lab.run()
    assert failed.returncode == 1
    assert "failed (exit code 4)" in failed.stdout
    assert "    the end" in failed.stdout
    assert "pyrunner exec --shell-into a" in failed.stdout
    lab.configure("a: {script: s, stage: nowhere}\n")
    for arguments in ((), ("--list",)):
        refused = lab.run(*arguments)
        assert refused.returncode == 2
        assert ".gitlab-ci.yml:1:" in refused.stderr
        assert "chosen stage nowhere does not exist" in refused.stderr
    assert lab.run("--no-such-option").returncode == 2
    assert lab.run("--executor", "ssh").returncode == 2
    lab.configure("a: {script: s, rules: [{when: never}]}\n")
    assert lab.run().returncode == 2
    (lab.tree / ".gitlab-ci.yml").unlink()
    assert "there is no .gitlab-ci.yml" in lab.run().stderr


def test_interrupt(lab: ExecLab) -> None:
    """Ctrl-C stops the jobs, keeps retries and later stages from starting, and leaves no process."""
    text = "{slow: {stage: build, script: [echo begun, sleep 300], retry: 2}, later: {script: [echo later]}}"
    lab.configure(text)
    with subprocess.Popen(
        [*lab.command, "--json", "--verbose"],
        cwd=lab.tree,
        env=lab.environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if json.loads(line).get("text") == "begun":
                break
        process.send_signal(signal.SIGINT)
        events = [json.loads(line) for line in process.stdout]
        assert process.wait(60) == 130
    jobs = {one["name"]: one["status"] for one in events[-1]["jobs"]}
    assert jobs == {"slow": "canceled", "later": "canceled"}
    assert [one.cmdline() for one in lab.processes()] == []
    assert not (lab.latest / "coordinator").exists()


def test_cache_persists(lab: ExecLab) -> None:
    """What a job caches is there in the next run."""
    text = """
        a:
          cache: {key: k, paths: [kept]}
          script: [mkdir -p kept, 'cat kept/count || true', 'echo again >> kept/count']
    """
    lab.configure(text)
    assert "| again" not in lab.run().stdout
    assert "a | again" in lab.run().stdout.splitlines()


def test_events_of_a_retry(lab: ExecLab) -> None:
    """A retry is a new job; the failed attempt is told as such, and the run passes."""
    flag = lab.home / "tried"
    lab.configure(f"a: {{retry: 1, script: ['test -e {flag} || {{ touch {flag}; exit 1; }}']}}")
    events = lab.events()
    ends = [(one["attempt"], one["status"]) for one in events if one["event"] == "job" and one["finished_at"]]
    assert ends[0] == (1, "failed")
    assert ends[-1] == (2, "success")
    assert events[-1]["exit_code"] == 0


def test_junit_and_artifacts_folder(lab: ExecLab, tmp_path: Path) -> None:
    """Results as JUnit XML, and artifacts where the user wants them."""
    file, folder = tmp_path / "junit.xml", tmp_path / "out"
    assert lab.run("compile", "flaky", "-q", "--junit", str(file), "--artifacts", str(folder)).returncode == 0
    suite = ElementTree.parse(file).getroot()[0]
    assert {one.attrib["name"] for one in suite} == {"compile", "flaky"}
    assert (folder / "compile/out/made.txt").exists()


def test_child_pipeline(lab: ExecLab) -> None:
    """A child pipeline of an uncommitted file runs, and its failure fails the job that depends on it."""
    lab.configure("t: {trigger: {include: child.yml, strategy: depend}}\n")
    (lab.tree / "child.yml").write_text("c: {script: ['echo \"from $CI_PIPELINE_SOURCE\"', exit 1]}\n")
    done = lab.run()
    assert done.returncode == 1
    assert "c | from parent_pipeline" in done.stdout.splitlines()
    assert "✗ t " in done.stdout


def test_playing_a_job_of_a_child_pipeline(lab: ExecLab) -> None:
    """``--manual`` reaches the jobs of child pipelines; a name that no job has had is told."""
    lab.configure("t: {trigger: {include: child.yml, strategy: depend}}\n")
    (lab.tree / "child.yml").write_text("c: {when: manual, script: [echo played]}\n")
    done = lab.run("--manual", "c", "--manual", "nobody")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "played" in lab.log("c")
    assert "--manual nobody: no such job" in done.stderr


def test_a_job_that_gets_no_sources_says_why(lab: ExecLab) -> None:
    """What failed before the script is told at the end: there is nothing else to see of the job."""
    lab.configure("a: {variables: {GIT_SUBMODULE_STRATEGY: normal}, script: [echo never]}\n")
    (lab.tree / ".gitmodules").write_text('[submodule "x"]\n\tpath = x\n\turl = ./nowhere\n')
    (lab.tree / "x").mkdir()
    lab.repository.git("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},x")
    done = lab.run()
    assert done.returncode == 1, done.stdout + done.stderr
    summary = done.stdout.partition("\n\n")[2]
    assert "nowhere" in summary
    assert "ERROR: Job failed: exit status 1" in summary


def test_nobody_reads_on(lab: ExecLab) -> None:
    """A closed pipe, as of ``| head -1``, ends the run; nothing is left and nothing more is said."""
    lab.configure("a: {script: ['while sleep 0.05; do echo more; done']}\n")
    with subprocess.Popen(
        lab.command,
        cwd=lab.tree,
        env=lab.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        while "more" not in process.stdout.readline():
            pass
        process.stdout.close()
        assert process.wait(timeout=60) == 130
        assert process.stderr.read() == ""
    assert [one.cmdline() for one in lab.processes()] == []


def test_other_events(lab: ExecLab) -> None:
    """A tag plays its commit, without what is not committed; a schedule is one."""
    lab.configure("a: {script: ['echo \"$CI_COMMIT_TAG $CI_PIPELINE_SOURCE\"', ls]}\n")
    lab.repository.git("commit", "-qam", "Show")
    lab.repository.git("tag", "v9")
    tagged = lab.run("--tag", "v9").stdout.splitlines()
    assert "a | v9 push" in tagged
    assert "a | uncommitted.txt" not in tagged
    scheduled = lab.run("--source", "schedule").stdout.splitlines()
    assert "a |  schedule" in scheduled
    assert "a | uncommitted.txt" in scheduled


def test_shell_into(lab: ExecLab) -> None:
    """A shell where the script would run: artifacts, variables, sources; the script itself does not run."""
    commands = 'echo "in $CI_JOB_NAME: $(cat out/made.txt) $VERSION $(basename "$PWD")"; exit\n'
    done = lab.run("--shell-into", "unit: [[]two]", given=commands)
    assert done.returncode == 0, done.stderr
    assert "in unit: [two]: by yaml 7 project" in done.stdout
    assert "os two" not in done.stdout
    assert [one.cmdline() for one in lab.processes()] == []
    several = lab.run("--shell-into", "unit")
    assert several.returncode == 2
    assert "several jobs" in several.stderr


def test_shell_into_a_job_that_cannot_be_prepared(lab: ExecLab) -> None:
    """When the way to the script fails, there is no shell, but what went wrong."""
    lab.configure("{a: {stage: build, script: [echo the reason, exit 1]}, b: {script: [echo b]}}")
    done = lab.run("--shell-into", "b")
    assert done.returncode == 1
    assert "the reason" in done.stderr


def test_preview_and_graph(lab: ExecLab) -> None:
    """The whole configuration as one file, and a chart; nothing is kept of either."""
    (lab.tree / "more.yml").write_text(".base: {image: alpine}\n")
    lab.configure('{include: more.yml, a: {extends: .base, script: ["one\\ntwo"]}}')
    preview = lab.run("--preview").stdout
    assert "image: alpine" in preview
    assert "  - |-\n    one\n    two" in preview
    assert lab.run("--graph").stdout.startswith("flowchart LR")
    assert not (lab.home / ".local").exists()


def test_the_list_is_there_at_once(lab: ExecLab, tmp_path: Path) -> None:
    """Below 0.4 s in all, git's processes included, with the package compiled as an installation does it: CPU
    time, the least of three, for other tests run beside this one."""
    environment = {**lab.environment, "PYTHONPYCACHEPREFIX": str(tmp_path / "compiled")}
    del environment["PYTHONDONTWRITEBYTECODE"]
    took = []
    for _ in range(4):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(
            [*lab.command, "--list"], cwd=lab.tree, env=environment, stdout=subprocess.DEVNULL, check=True
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        took.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(took[1:]) < 0.4


def test_two_runs_at_once(lab: ExecLab) -> None:
    """Runs of one working copy at the same time have a lane each, and both pass."""
    lab.configure("a: {script: [sleep 2]}\n")
    runs = [
        subprocess.Popen([*lab.command, "-q"], cwd=lab.tree, env=lab.environment, stdout=subprocess.PIPE)
        for _ in range(2)
    ]
    outputs = [run.communicate(timeout=100)[0].decode() for run in runs]
    assert [run.returncode for run in runs] == [0, 0], outputs
    assert len(list((lab.folder / "lanes").iterdir())) == 2


def test_after_a_kill(lab: ExecLab) -> None:
    """A run that was killed leaves a job behind; the next one ends it, and passes."""
    lab.configure("a: {script: ['echo begun', 'test -e go || sleep 300']}\n")
    with subprocess.Popen(
        [*lab.command, "--json", "--verbose"],
        cwd=lab.tree,
        env=lab.environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if json.loads(line).get("text") == "begun":
                break
        process.kill()
    assert any("sleep" in one.cmdline() for one in lab.processes())
    (lab.tree / "go").write_text("")
    done = lab.run()
    assert done.returncode == 0, done.stdout + done.stderr
    assert [one.cmdline() for one in lab.processes()] == []
