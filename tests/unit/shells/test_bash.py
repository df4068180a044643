"""The script writer's own rules; what scripts do is tested with real shells."""

from __future__ import annotations

from pyrunner.protocol.variables import Variable
from pyrunner.shells.bash import BashWriter, ShellOptions
from pyrunner.shells.quoting import Expanded


def body(writer: BashWriter) -> list[str]:
    """Return the lines of a body without quotes around it."""
    text = writer.finish().partition('eval "')[2].rpartition('") < /dev/null')[0]
    return text.replace('\\"', '"').replace("\\$", "$").replace("\\\\", "\\").splitlines()


def writer(temporary_dir: str) -> BashWriter:
    """Return a writer whose body is easy to read back."""
    return BashWriter(temporary_dir, ShellOptions(posix_quoting=True))


def test_a_relative_temp_dir_is_made_absolute_when_the_script_runs() -> None:
    """An ssh job's builds_dir is relative to its login folder; a later `cd` must not matter."""
    relative = writer("builds/app.tmp")
    assert relative.temporary_file("KEY") == Expanded("PWD", "/builds/app.tmp/KEY")
    relative.variable(Variable("KEY", "v", file=True))
    relative.export("RUNNER_TEMP_PROJECT_DIR", "builds/app.tmp")
    relative.export("OTHER", "builds/x")
    assert body(relative) == [
        "[ -d builds/app.tmp ] || mkdir -p builds/app.tmp",
        "printf '%s' v > \"${PWD}/builds/app.tmp/KEY\"",
        'export KEY="${PWD}/builds/app.tmp/KEY"',
        'export RUNNER_TEMP_PROJECT_DIR="${PWD}/builds/app.tmp"',
        "export OTHER=builds/x",
    ]


def test_an_absolute_temp_dir_is_taken_as_it_is() -> None:
    """Nothing in it is expanded."""
    absolute = writer("/b/$x.tmp")
    assert absolute.temporary_file("KEY") == "/b/$x.tmp/KEY"
    absolute.export("RUNNER_TEMP_PROJECT_DIR", "/b/$x.tmp")
    assert absolute.finish().count('export RUNNER_TEMP_PROJECT_DIR=\\"/b/\\\\\\$x.tmp\\"') == 1


def test_branches_of_a_condition_are_indented() -> None:
    """Scripts show in debug traces: they are to be read."""
    conditions = writer("/t")
    with conditions.if_directory("/a"):
        conditions.command("true")
        conditions.otherwise()
        with conditions.if_command("git", "lfs", "version"):
            conditions.command("false")
    assert body(conditions) == [
        "if [ -d /a ]; then",
        "  true",
        "else",
        "  if git lfs version >/dev/null 2>&1; then",
        "    false",
        "  fi",
        "fi",
    ]
