"""What the scripts of the user's steps set for build tools, in real shells (tristan-layout.md 7)."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pyrunner.build.context import BuildContext
from pyrunner.build.scripts import stage_script
from pyrunner.jobdir.dependency_folders import make_dependency_folders
from tests.support.contexts import build_context, payload, variable
from tests.support.scripts import ScriptRunner

pytestmark = pytest.mark.integration

POSIX = variable("FF_POSIXLY_CORRECT_ESCAPES", "true")
SHELLS = [("bash", []), ("dash", [POSIX])]
#: Every variable that may be set for a tool.
EXPECTED = {
    "MAVEN_OPTS": "-Dmaven.repo.local=%s/java/maven",
    "GRADLE_USER_HOME": "%s/java/gradle",
    "npm_config_cache": "%s/nodejs/npm",
    "YARN_CACHE_FOLDER": "%s/nodejs/yarn",
    "PIP_CACHE_DIR": "%s/python/pip",
    "GOMODCACHE": "%s/go/mod",
    "GOCACHE": "%s/go/build",
    "CARGO_HOME": "%s/rust/cargo",
    "COMPOSER_CACHE_DIR": "%s/php/composer",
    "PYRUNNER_DEPENDENCY_LIB": "%s",
}


class Bench:
    """A project with its folder of libraries, a home, and scripts that print their environment."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.scripts = ScriptRunner(folder / "home")
        self.home = self.scripts.home
        self.project = folder / "source" / "app"
        self.project.mkdir(parents=True)
        self.own = folder / "project" / "cache" / "dependency_lib"
        self.shared = folder / "business" / "cache" / "dependency_lib"
        for one in (self.own, self.shared):
            make_dependency_folders(one)

    def context(
        self, *script: str, setting: bool | list[str] = True, shared: bool = False, **changes: Any
    ) -> BuildContext:
        """Return a job of a runner with this setting."""
        steps = [{"name": "script", "script": list(script)}, {"name": "after_script", "script": list(script)}]
        context = build_context(
            str(self.folder / "source"),
            job=payload(steps=steps, **changes),
            runner={"tristan": {"dependency_lib": setting, "dependency_lib_shared": shared}},
        )
        record = replace(
            context.record,
            dependency_lib=str(self.own),
            dependency_lib_shared=str(self.shared) if shared else "",
        )
        return replace(context, record=record)

    def environment(
        self,
        shell: str = "bash",
        stage: str = "step_script",
        before: dict[str, str] | None = None,
        **options: Any,
    ) -> dict[str, str]:
        """Return what a step sees.

        :param before: what image or login shell have set.
        """
        self.scripts.environment |= before or {}
        result = self.scripts.stage(self.context("env", **options), stage, shell=(shell,))
        assert (result.code, result.err) == (0, "")
        return dict(line.partition("=")[::2] for line in result.lines if "=" in line)

    def set_for_tools(self, **options: Any) -> dict[str, str]:
        """Return what a step sees of the variables in question, and more of their kind."""
        prefixes = (
            "MAVEN",
            "GRADLE",
            "npm",
            "pnpm",
            "NPM",
            "YARN",
            "PIP",
            "GO",
            "CARGO",
            "COMPOSER",
            "PYRUNNER",
        )
        return {key: one for key, one in self.environment(**options).items() if key.startswith(prefixes)}


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.mark.parametrize("stage", ["step_script", "after_script"])
@pytest.mark.parametrize(("shell", "variables"), SHELLS)
def test_every_tool_gets_its_folder(bench: Bench, shell: str, variables: list[Any], stage: str) -> None:
    """With ``true`` each tool is pointed at a folder of its own below that of its type."""
    found = bench.set_for_tools(shell=shell, stage=stage, variables=variables)
    assert found == {name: value % bench.own for name, value in EXPECTED.items()}


def test_off_is_off(bench: Bench) -> None:
    """By default the script of a step is to the byte what it is without the feature."""
    assert bench.set_for_tools(setting=False) == {}
    plain = build_context(str(bench.folder / "source"), job=bench.context("env").record.payload)
    settings: list[bool | list[str]] = [False, []]
    for setting in settings:
        for stage in ("step_script", "after_script"):
            assert stage_script(bench.context("env", setting=setting), stage) == stage_script(plain, stage)


def test_a_list_chooses_types_and_tools(bench: Bench) -> None:
    """A type means all of its tools, a tool only itself."""
    found = bench.set_for_tools(setting=["python", "npm"])
    assert set(found) == {"PIP_CACHE_DIR", "npm_config_cache", "PYRUNNER_DEPENDENCY_LIB"}


@pytest.mark.parametrize("name", sorted(set(EXPECTED) - {"PYRUNNER_DEPENDENCY_LIB"}))
@pytest.mark.parametrize("value", ["own", ""])
def test_what_image_or_profile_sets_wins(bench: Bench, name: str, value: str) -> None:
    """A variable that is there already is not touched, not even an empty one."""
    assert bench.set_for_tools(before={name: value})[name] == value


@pytest.mark.parametrize("name", sorted(set(EXPECTED) - {"PYRUNNER_DEPENDENCY_LIB"}))
def test_what_the_job_sets_wins(bench: Bench, name: str) -> None:
    """So is a variable of the job."""
    assert bench.set_for_tools(variables=[variable(name, "own")])[name] == "own"


def test_what_an_earlier_step_left_wins(bench: Bench) -> None:
    """``GITLAB_ENV`` counts as the job's own."""
    first = bench.scripts.stage(bench.context('echo PIP_CACHE_DIR=own >> "$GITLAB_ENV"'), "step_script")
    assert first.code == 0
    assert bench.set_for_tools()["PIP_CACHE_DIR"] == "own"


def test_npm_reads_both_cases(bench: Bench) -> None:
    """npm's settings have no case: the capitals of the job count too."""
    assert "npm_config_cache" not in bench.set_for_tools(before={"NPM_CONFIG_CACHE": "/own"})


@pytest.mark.parametrize("name", ["MAVEN_OPTS", "MAVEN_ARGS", "MAVEN_CLI_OPTS"])
def test_a_repository_of_the_jobs_own(bench: Bench, name: str) -> None:
    """Who names a local repository, as GitLab's template does, keeps it."""
    own = "-Xmx1g -Dmaven.repo.local=.m2"
    found = bench.set_for_tools(before={name: own})
    assert {key: one for key, one in found.items() if key.startswith("MAVEN")} == {name: own}


@pytest.mark.parametrize("file", ["maven.config", "jvm.config"])
def test_a_repository_of_the_projects_own(bench: Bench, file: str) -> None:
    """The same with the files in which a project has its settings."""
    (bench.project / ".mvn").mkdir()
    (bench.project / ".mvn" / file).write_text("-Dmaven.repo.local=.m2\n")
    assert "MAVEN_OPTS" not in bench.set_for_tools()


def test_other_options_of_maven_are_kept(bench: Bench) -> None:
    """With MAVEN_OPTS taken, the repository comes by MAVEN_ARGS; with both taken, not at all."""
    found = bench.set_for_tools(before={"MAVEN_OPTS": "-Xmx1g"})
    assert (found["MAVEN_OPTS"], found["MAVEN_ARGS"]) == (
        "-Xmx1g",
        f"-Dmaven.repo.local={bench.own}/java/maven",
    )
    found = bench.set_for_tools(before={"MAVEN_OPTS": "-Xmx1g", "MAVEN_ARGS": ""})
    assert found["MAVEN_ARGS"] == ""


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (".gradle/gradle.properties", "GRADLE_USER_HOME"),
        (".gradle/init.d/x", "GRADLE_USER_HOME"),
        (".cargo/config.toml", "CARGO_HOME"),
        ("go/pkg/mod/cache/download/x", "GOMODCACHE"),
    ],
)
def test_what_a_home_has_is_not_hidden(bench: Bench, path: str, name: str) -> None:
    """Settings, programs and modules in an image's or user's home stay what the tool uses."""
    (bench.home / path).parent.mkdir(parents=True)
    (bench.home / path).touch()
    assert name not in bench.set_for_tools()


def test_modules_of_an_image_are_not_hidden(bench: Bench, tmp_path: Path) -> None:
    """An image with GOPATH keeps it, with the modules that it has; an empty one is no reason."""
    found = bench.set_for_tools(before={"GOPATH": str(tmp_path / "gopath")})
    assert (found["GOPATH"], "GOMODCACHE" in found) == (str(tmp_path / "gopath"), True)
    (tmp_path / "gopath" / "pkg" / "mod" / "cache" / "download").mkdir(parents=True)
    assert "GOMODCACHE" not in bench.set_for_tools()


def test_composer_home_has_its_own_cache(bench: Bench) -> None:
    """Where COMPOSER_HOME is set, its cache is used."""
    assert "COMPOSER_CACHE_DIR" not in bench.set_for_tools(before={"COMPOSER_HOME": "/tmp"})


def test_newer_yarn_keeps_the_cache_in_the_repository(bench: Bench) -> None:
    """From Yarn 2 on the cache may be committed: only the folder behind it is ours."""
    (bench.project / ".yarnrc.yml").touch()
    found = bench.set_for_tools()
    assert "YARN_CACHE_FOLDER" not in found
    assert found["YARN_GLOBAL_FOLDER"] == f"{bench.own}/nodejs/yarn-berry"


def test_pnpm_where_it_is_used(bench: Bench) -> None:
    """npm complains of variables that it does not know: pnpm's are set for its projects, by both names."""
    (bench.project / "pnpm-lock.yaml").touch()
    found = bench.set_for_tools()
    assert found["npm_config_store_dir"] == found["pnpm_config_store_dir"] == f"{bench.own}/nodejs/pnpm"


def test_a_folder_that_is_gone(bench: Bench, tmp_path: Path) -> None:
    """No tool is sent to a folder that a job has removed, or put something else in the place of."""
    (bench.own / "python").rmdir()
    (bench.own / "go").rmdir()
    (bench.own / "go").write_text("")
    found = bench.set_for_tools()
    assert not {"PIP_CACHE_DIR", "GOCACHE"} & set(found)
    assert "npm_config_cache" in found


@pytest.mark.parametrize(("shell", "variables"), SHELLS)
def test_shared_settings_and_libraries(bench: Bench, shell: str, variables: list[Any]) -> None:
    """What the business's owner has put into the shared folder is offered to each tool that can read it."""
    for file in ("java/settings.xml", "nodejs/.npmrc", "python/pip.conf"):
        (bench.shared / file).touch()
    for folder in ("java/gradle/modules-2", "python/wheels"):
        (bench.shared / folder).mkdir(parents=True)
    found = bench.set_for_tools(shell=shell, variables=variables, shared=True)
    java, own = f"{bench.shared}/java", f"{bench.own}/java/maven"
    assert found["MAVEN_ARGS"] == f"-gs {java}/settings.xml"
    assert found["MAVEN_OPTS"] == f"-Dmaven.repo.local={own} -Dmaven.repo.local.tail={java}/maven"
    assert found["GRADLE_RO_DEP_CACHE"] == f"{java}/gradle"
    assert found["npm_config_globalconfig"] == f"{bench.shared}/nodejs/.npmrc"
    assert found["PIP_CONFIG_FILE"] == f"{bench.shared}/python/pip.conf"
    assert found["PIP_FIND_LINKS"] == f"{bench.shared}/python/wheels"
    assert found["PYRUNNER_DEPENDENCY_LIB_SHARED"] == str(bench.shared)


def test_an_empty_shared_folder_changes_nothing(bench: Bench) -> None:
    """Only what is there is offered."""
    found = bench.set_for_tools(shared=True)
    assert set(found) == {*EXPECTED, "PYRUNNER_DEPENDENCY_LIB_SHARED"}


def test_shared_settings_with_taken_options(bench: Bench) -> None:
    """Settings and repository can both come by MAVEN_ARGS, behind options of the job's own."""
    (bench.shared / "java" / "settings.xml").touch()
    found = bench.set_for_tools(shared=True, before={"MAVEN_OPTS": "-Xmx1g"})
    shared, own = f"{bench.shared}/java", f"{bench.own}/java"
    repositories = f"-Dmaven.repo.local={own}/maven -Dmaven.repo.local.tail={shared}/maven"
    assert found["MAVEN_ARGS"] == f"-gs {shared}/settings.xml {repositories}"


@pytest.mark.skipif(shutil.which("go") is None, reason="there is no go")
def test_shared_modules_come_before_those_that_go_would_ask(bench: Bench) -> None:
    """The shared modules are a proxy in front of what go itself would ask."""
    modules = bench.shared / "go" / "mod" / "cache" / "download"
    modules.mkdir(parents=True)
    usual = subprocess.run(
        ["go", "env", "GOPROXY"], capture_output=True, text=True, check=True
    ).stdout.strip()
    assert bench.set_for_tools(shared=True)["GOPROXY"] == f"file://{modules},{usual}"


def test_a_path_that_scripts_would_split(tmp_path: Path) -> None:
    """Maven's start script splits its options at blanks: such a path is not given to it."""
    bench = Bench(tmp_path / "a b")
    found = bench.set_for_tools()
    assert "MAVEN_OPTS" not in found
    assert found["PIP_CACHE_DIR"] == f"{bench.own}/python/pip"


@pytest.mark.skipif(shutil.which("npm") is None, reason="there is no npm")
def test_npm_goes_there(bench: Bench) -> None:
    """The tool itself agrees."""
    result = bench.scripts.stage(bench.context("npm config get cache"), "step_script")
    assert result.lines[-1] == f"{bench.own}/nodejs/npm"


@pytest.mark.skipif(shutil.which("mvn") is None, reason="there is no mvn")
def test_maven_goes_there(bench: Bench) -> None:
    """The tool itself agrees, and its command line goes before."""
    (bench.project / "pom.xml").write_text(
        "<project><modelVersion>4.0.0</modelVersion><groupId>a</groupId><artifactId>b</artifactId>"
        "<version>1</version><packaging>pom</packaging></project>"
    )
    commands = ["mvn -o -q validate", "mvn -o -q -Dmaven.repo.local=own validate"]
    result = bench.scripts.stage(bench.context(*commands), "step_script")
    assert result.code == 0, result.err
    assert (bench.own / "java" / "maven").is_dir()
    assert (bench.project / "own").is_dir()


@pytest.mark.skipif(shutil.which("go") is None, reason="there is no go")
def test_go_goes_there(bench: Bench) -> None:
    """The tool itself agrees."""
    result = bench.scripts.stage(bench.context("go env GOMODCACHE GOCACHE"), "step_script")
    assert result.lines[-2:] == [f"{bench.own}/go/mod", f"{bench.own}/go/build"]
