"""What the command line of ``exec`` asks for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pyrunner.ci.event import Setting
from pyrunner.cli.flags import Flag, Kind
from pyrunner.cli.values import Values
from pyrunner.errors import UsageError
from pyrunner.protocol.variables import Variable

EXECUTORS: Final = ("auto", "shell", "docker")
#: Jobs at once when nobody says how many.
DEFAULT_CONCURRENCY: Final = 4

FLAGS: Final = (
    Flag(("list", "l"), Kind.BOOLEAN, help="Show the jobs as a tree and run none; --json for programs"),
    Flag(("graph",), Kind.BOOLEAN, help="Show what waits for what, as a Mermaid flow chart, and run nothing"),
    Flag(("dry-run", "n"), Kind.BOOLEAN, help="Say of each job why it would run or not, and run none"),
    Flag(("preview",), Kind.BOOLEAN, help="Print the configuration as one file, and run nothing"),
    Flag(("file", "f"), default=".gitlab-ci.yml", help="The configuration, from the top of the repository"),
    Flag(("var",), Kind.LIST, help="NAME=VALUE of a pipeline variable, or NAME alone to pass it on"),
    Flag(("var-file",), Kind.LIST, help="File of NAME=VALUE lines: variables of the project"),
    Flag(("secret-file",), Kind.LIST, help="The same, masked in what jobs print"),
    Flag(("input",), Kind.LIST, help="NAME=VALUE of an input of the pipeline"),
    Flag(("ref",), help="Play this branch or commit instead of what is checked out"),
    Flag(("tag",), help="Play this tag"),
    Flag(("mr",), help="Play a merge request into this branch"),
    Flag(("source",), help="Play this CI_PIPELINE_SOURCE, such as schedule or web"),
    Flag(("since",), help="The commit before the change, for rules:changes"),
    Flag(("include-folder",), help="Folder with included files of other projects, templates and addresses"),
    Flag(("needs",), Kind.BOOLEAN, default=True, help="Also run what the named jobs wait for (default)"),
    Flag(("no-needs",), Kind.BOOLEAN, help="Only the named jobs; artifacts come from the last run"),
    Flag(("only-failed",), Kind.BOOLEAN, help="What did not pass in the last run; the rest counts as done"),
    Flag(("manual",), Kind.LIST, help="A manual or delayed job to start without asking"),
    Flag(("concurrency", "j"), Kind.INTEGER, help=f"Jobs at once (default: {DEFAULT_CONCURRENCY})"),
    Flag(("executor",), default="auto", help="docker, shell, or auto: docker where a job names an image"),
    Flag(("docker-image",), help="Image for jobs of the docker executor that name none"),
    Flag(("config", "c"), help="A config.toml whose first fitting runners lend their settings"),
    Flag(("shell-into",), help="Prepare this job and open a shell where its script would run"),
    Flag(("keep",), Kind.BOOLEAN, help="Keep the run's folder when later ones are cleaned up"),
    Flag(("artifacts",), help="Folder to put the jobs' artifacts into as well"),
    Flag(("junit",), help="Write the results of the jobs to this file as JUnit XML"),
    Flag(("json",), Kind.BOOLEAN, help="Print events as JSON, one a line"),
    Flag(("quiet", "q"), Kind.BOOLEAN, help="Only the summary"),
    Flag(("verbose",), Kind.BOOLEAN, help="Show all jobs' output, on a terminal too, and the runner's log"),
    Flag(("watch",), Kind.BOOLEAN, help="Run again whenever a file changes"),
    Flag(("strict",), Kind.BOOLEAN, help="Triggers of other projects, which are not run, fail"),
)


@dataclass(frozen=True, slots=True)
class Options:
    """One call of ``exec``; see :data:`FLAGS`."""

    jobs: tuple[str, ...]
    values: Values
    #: Pipeline variables and those of the project.
    variables: tuple[Variable, ...]
    settings: tuple[Setting, ...]
    inputs: Mapping[str, Any]

    @classmethod
    def read(cls, jobs: Iterable[str], values: Values, environ: Mapping[str, str]) -> Options:
        """Return the options of a command line.

        :raises UsageError: for options that contradict one another, and files that cannot be read.
        """
        if values.text("executor") not in EXECUTORS:
            raise UsageError(f"--executor is one of {', '.join(EXECUTORS)}")
        if values.number("concurrency") < 0:
            raise UsageError("--concurrency is a number of jobs")
        options = cls(
            tuple(jobs),
            values,
            tuple(_variable(text, environ) for text in values["var"]),
            (*_settings(values["var-file"], False), *_settings(values["secret-file"], True)),
            dict(_pair("input", text) for text in values["input"]),
        )
        options._check()
        return options

    def _check(self) -> None:
        shows = [name for name in ("list", "graph", "dry-run", "preview") if self.values.flag(name)]
        if len(shows) > 1:
            raise UsageError(f"--{shows[0]} and --{shows[1]} cannot be combined")
        junit = Path(self.values.text("junit"))
        if not junit.parent.is_dir():
            raise UsageError(f"--junit {junit}: there is no folder {junit.parent}")
        if self.values.flag("only-failed") and self.jobs:
            raise UsageError("--only-failed chooses the jobs itself; name none")
        if self.values.text("shell-into") and (self.jobs or self.values.flag("watch")):
            raise UsageError("--shell-into opens one job; name no others, and leave --watch out")

    def flag(self, name: str) -> bool:
        """Tell whether a switch is on."""
        return self.values.flag(name)

    def text(self, name: str) -> str:
        """Return the value of an option, empty without one."""
        return self.values.text(name)

    @property
    def concurrency(self) -> int:
        """Jobs at once."""
        return self.values.number("concurrency") or DEFAULT_CONCURRENCY

    @property
    def with_needs(self) -> bool:
        """Whether named jobs bring what they wait for."""
        return self.flag("needs") and not self.flag("no-needs")


def _pair(flag: str, text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise UsageError(f"--{flag} wants NAME=VALUE")
    return name, value


def _variable(text: str, environ: Mapping[str, str]) -> Variable:
    if "=" in text:
        return Variable(*_pair("var", text))
    if text not in environ:
        raise UsageError(f"--var {text}: there is no such variable to pass on; give it a value with =")
    return Variable(text, environ[text])


def _settings(files: Iterable[str], secret: bool) -> list[Setting]:
    settings = []
    for file in files:
        from dotenv import dotenv_values  # only who has such a file needs it

        if not Path(file).is_file():
            raise UsageError(f"{file}: there is no such file")
        try:
            pairs = dotenv_values(file, interpolate=False)
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"{file}: cannot be read: {error}") from None
        for name, value in pairs.items():
            if value is None:
                raise UsageError(f"{file}: {name} has no value; every line is NAME=VALUE")
            settings.append(Setting(Variable(name, value, masked=secret, raw=secret)))
    return settings
