"""``changes`` and ``exists``: globs against the files of a commit (gitlab-ci-yml.md 3.3)."""

from __future__ import annotations

from pyrunner.ci.expansion import expand
from pyrunner.ci.globs import any_match, with_folders
from pyrunner.ci.layers import View
from pyrunner.ci.locations import IncludeContext
from pyrunner.ci.repository import Repository, UnknownRef
from pyrunner.ci.tree import Map, Position, as_text
from pyrunner.errors import PipelineError


class FileConditions:
    """Answers the conditions of one pipeline; folders are worked out once."""

    def __init__(self, repository: Repository, context: IncludeContext) -> None:
        self._repository = repository
        self._context = context
        self._tree: frozenset[str] | None = None
        self._changed: frozenset[str] | None = None
        self._since: dict[str, frozenset[str]] = {}

    def changes(self, job: str, written: object, place: Position, view: View) -> tuple[bool, str]:
        """Tell whether ``changes`` holds, and why.

        :raises PipelineError: when ``compare_to`` is no ref.
        """
        patterns = _patterns(written, view)
        compare_to = written.get("compare_to") if isinstance(written, Map) else None
        if compare_to is not None:
            ref = expand(as_text(compare_to), view.expanded)
            changed = self._since_ref(job, ref, place)
        else:
            known = self._known_changes()
            if known is None:
                return True, "changes: the list of changed files is unknown"
            changed = known
        found = any_match(patterns, changed)
        if found is None:
            return False, "changes: no changed file matches"
        return True, f"changes: {found}" if found else "changes: too many files to compare"

    def exists(self, written: object, place: Position, view: View) -> tuple[bool, str]:
        """Tell whether ``exists`` holds, and why.

        :raises PipelineError: when the files of another project are not there.
        """
        patterns = _patterns(written, view)
        project = written.get("project") if isinstance(written, Map) else None
        if isinstance(written, Map) and project is not None:
            ref = expand(as_text(written.get("ref") or "HEAD"), view.expanded)
            tree = self._other_tree(expand(as_text(project), view.expanded), ref, place)
        else:
            if self._tree is None:
                self._tree = with_folders(self._repository.names())
            tree = self._tree
        found = any_match(patterns, tree)
        if found is None:
            return False, "exists: no file matches"
        return True, f"exists: {found}" if found else "exists: too many files to compare"

    def _known_changes(self) -> frozenset[str] | None:
        if self._changed is None:
            changed = self._repository.changed()
            self._changed = None if changed is None else frozenset(changed)
        return self._changed

    def _since_ref(self, job: str, ref: str, place: Position) -> frozenset[str]:
        if ref not in self._since:
            try:
                self._since[ref] = frozenset(self._repository.changed_since(ref))
            except UnknownRef:
                message = f"Failed to parse rule for {job}: rules:changes:compare_to is not a valid ref"
                raise PipelineError(message, *place, hint=f"there is no ref {ref}") from None
        return self._since[ref]

    def _other_tree(self, project: str, ref: str, place: Position) -> frozenset[str]:
        elsewhere = self._context.elsewhere
        folder = elsewhere / f"project/{project}/{ref}" if elsewhere else None
        names = frozenset() if folder is None else with_folders(folder.names())
        if not names:
            message = f"rules:exists:project: the files of `{project}` at `{ref}` are not available offline"
            hint = "put them below project/<path>/<ref> in the folder for included files"
            raise PipelineError(message, *place, hint=hint)
        return names


def _patterns(written: object, view: View) -> list[str]:
    paths = written.get("paths") if isinstance(written, Map) else written
    items = paths if isinstance(paths, list) else [] if paths is None else [paths]
    texts = [as_text(one) for one in items]
    return [
        expand(one, view.expanded, keep_unknown=True) if "$" in one or "%" in one else one for one in texts
    ]
