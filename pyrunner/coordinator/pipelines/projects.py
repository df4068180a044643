"""What pipelines need to know of a project: the files of its commits, and where runners fetch them."""

from __future__ import annotations

from collections.abc import Callable, Collection

from pyrunner.ci.compiler import Sources
from pyrunner.ci.files import Folder
from pyrunner.coordinator.jobs import authenticated
from pyrunner.coordinator.pipelines.commit_files import CommitFiles, CommitFolder
from pyrunner.coordinator.repositories import Repositories, RepositoryError
from pyrunner.system.git import Git


class Projects:
    """The served repositories, as pipelines need them.

    :param url: returns the coordinator's base URL.
    :param elsewhere: included files of other projects, templates and addresses.
    """

    def __init__(
        self, repositories: Repositories, url: Callable[[], str], elsewhere: Folder | None = None
    ) -> None:
        self._repositories = repositories
        self._url = url
        self._elsewhere = elsewhere
        self._files: dict[tuple[str, str], CommitFiles] = {}

    def git(self, project: str) -> Git:
        """Return git in the served repository of a project.

        :raises RepositoryError: when the project is not served.
        """
        found = self._repositories.get(project)
        if found is None:
            raise RepositoryError(f"no repository {project!r} has been added")
        return Git(found.path, self._repositories.environment())

    def files(self, project: str, sha: str, changed: Collection[str] | None = None) -> CommitFiles:
        """Return the files of a commit.

        :raises RepositoryError: when the project is not served.
        """
        git = self.git(project)
        known = self._files.get((project, sha))
        if known is None or known.git != git or known.changes != changed:
            # all jobs of a pipeline ask for the files of one commit; those of older ones are let go of
            known = CommitFiles(git, sha, changed)
            self._files = {(project, sha): known}
        return known

    def sources(self, project: str, sha: str, changed: Collection[str] | None) -> Sources:
        """Return what a pipeline of a commit is compiled from.

        :raises RepositoryError: when the project is not served.
        """
        files = self.files(project, sha, changed)
        return Sources(CommitFolder(files), files, self._elsewhere)

    def keep(self, project: str, pipeline_id: int, sha: str) -> None:
        """Make the ref of a pipeline: the first that its jobs fetch (7.1).

        :raises GitError: when the repository has no such commit.
        """
        self.git(project).raw("update-ref", f"refs/pipelines/{pipeline_id}", sha)

    def repository_url(self, project: str, token: str) -> str:
        """Return where a job fetches from, with its credentials."""
        return authenticated(f"{self._url()}/{project}.git", token)
