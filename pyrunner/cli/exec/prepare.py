"""From the command line to a compiled pipeline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pyrunner.ci.compiler import Sources, compile_pipeline
from pyrunner.ci.event import NO_COMMIT, Event
from pyrunner.ci.files import Folder
from pyrunner.ci.locations import IncludeContext
from pyrunner.ci.plan import Pipeline
from pyrunner.cli.exec.options import Options
from pyrunner.coordinator.pipelines.commit_files import CommitFiles, CommitFolder
from pyrunner.errors import UsageError
from pyrunner.snapshot.event import Played, Wanted, play
from pyrunner.snapshot.files import WorkingFiles, WorkingFolder
from pyrunner.snapshot.working_copy import WorkingCopy
from pyrunner.system.git import Git


@dataclass(frozen=True)
class Prepared:
    """What is to be played, not compiled yet.

    :param elsewhere: included files of other projects, templates and addresses.
    """

    options: Options
    copy: WorkingCopy
    played: Played
    elsewhere: Folder | None

    @property
    def file(self) -> str:
        """The configuration's path, from the top of the repository."""
        return self.options.text("file")

    def sources(self) -> Sources:
        """Return where the files are: in the working copy, or in the commit that is played."""
        if self.played.revision:
            return self.commit_sources(self.copy.git, self.played.revision)
        files = WorkingFiles(self.copy, self.played.changed)
        return Sources(WorkingFolder(files), files, self.elsewhere)

    def commit_sources(self, git: Git, sha: str) -> Sources:
        """Return where the files of a commit are."""
        files = CommitFiles(git, sha, self.played.changed)
        return Sources(CommitFolder(files), files, self.elsewhere)

    def compile(self, sources: Sources, event: Event | None = None) -> Pipeline:
        """Return the pipeline.

        :raises PipelineError: for a configuration that GitLab would refuse.
        :raises UsageError: when there is none.
        """
        return compile_pipeline(
            self.text(sources), event or self.played.event, sources, self.file, self.options.inputs
        )

    def text(self, sources: Sources) -> str:
        """Return the configuration as written.

        :raises UsageError: when there is none.
        """
        if self.played.revision:
            found = sources.tree.read(self.file)
        else:
            # on disk it may be anywhere, and ignored by git, too
            path = self.copy.top / self.file
            try:
                found = path.read_text(encoding="utf-8") if path.is_file() else None
            except (OSError, UnicodeDecodeError) as error:
                raise UsageError(f"{path}: cannot be read: {error}") from None
        if found is None:
            raise UsageError(f"there is no {self.file} in {self.copy.top}; --file names another")
        return found

    def context(self, sources: Sources) -> IncludeContext:
        """Return what the includes depend on."""
        return sources.context(self.played.event)


def prepare(
    options: Options, environ: Mapping[str, str], copy: WorkingCopy, previous: Mapping[str, str], iid: int
) -> Prepared:
    """Find out what is played.

    :param previous: by ref, the commit of its previous run.
    :param iid: number of the pipeline in this working copy.
    :raises UsageError: when the event cannot be told.
    """
    wanted = Wanted(
        ref=options.text("ref"),
        tag=options.text("tag"),
        target=options.text("mr"),
        source=options.text("source"),
        since=options.text("since"),
        config_path=options.text("file"),
        iid=iid,
        variables=options.variables,
        settings=options.settings,
    )
    name = wanted.tag or wanted.ref or copy.branch
    played = play(copy, wanted, previous.get(name, ""))
    folder = options.text("include-folder")
    return Prepared(options, copy, played, Folder(Path(folder)) if folder else None)


def for_snapshot(event: Event, sha: str) -> Event:
    """Return the event of a snapshot: before the first commit, it is the only one there is."""
    if event.commit.sha != NO_COMMIT:
        return event
    return replace(event, commit=replace(event.commit, sha=sha))
