"""Walks a tree, with several processes where it is large; links are entries, never doors (8.1 step 3)."""

from __future__ import annotations

import logging
import marshal
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from pyrunner.helper.crews import Crew, Result, crew_size
from pyrunner.helper.folders import FolderChain
from pyrunner.helper.inventory import KEPT, Inventory, Row, row

_log = logging.getLogger(__name__)

#: So many entries are looked at before others are asked to help, for at least so many folders.
_ALONE: Final = 500
_WORTH_A_CREW: Final = 8
#: Their folders are shared out in about so many pieces, for none knows how large each is.
_PIECES: Final = 64

_KIND: Final = 0o170000
_IS_FOLDER: Final = 0o040000
_IS_FILE: Final = 0o100000


class Walk:
    """Takes all below a folder into an inventory.

    :param inventory: that one.
    :param doors: folders to which links lead on purpose.
    :param rule_against: returns the rule that leaves a path out; what is below it is not left out by that.
    """

    def __init__(
        self, inventory: Inventory, doors: Sequence[str], rule_against: Callable[[str], str | None] | None
    ) -> None:
        self._inventory = inventory
        self._doors = doors
        self._rule_against = rule_against
        #: Entries taken in.
        self.count = 0
        #: Entries left out, by rule.
        self.excluded: Counter[str] = Counter()

    def run(self, top: str) -> None:
        """Walk the tree below ``top``, empty for the working directory.

        The order depends on the tree alone, not on the number of processes.
        """
        pending, done, looked_at = [top], 0, 0
        with FolderChain(doors=self._doors) as chain:
            while done < len(pending) and looked_at < _ALONE:
                looked_at += self._folder(chain, pending[done], pending)
                done += 1
        del pending[:done]
        workers = crew_size() if len(pending) >= _WORTH_A_CREW else 1
        # The first ones are higher up and so hold more: each piece gets some of them.
        pieces = [pending[first::_PIECES] for first in range(min(_PIECES, len(pending)))]

        def share(number: int, count: int) -> Iterator[Result]:
            for folders in pieces[number::count]:
                inventory = Inventory()
                walk = Walk(inventory, self._doors, self._rule_against)
                walk._subtrees(folders)
                yield inventory.pack(), marshal.dumps((walk.count, dict(walk.excluded)))

        with Crew(share, workers) as crew:
            for packed, note in crew.results():
                self._inventory.unpack(packed)
                self._inventory.digest()  # the others take their time
                count, excluded = marshal.loads(note)  # noqa: S302 - from a process of our own
                self.count += count
                self.excluded.update(excluded)

    def _subtrees(self, tops: list[str]) -> None:
        stack = tops[::-1]
        with FolderChain(doors=self._doors) as chain:
            while stack:
                folders: list[str] = []
                self._folder(chain, stack.pop(), folders)
                stack.extend(reversed(folders))

    def _folder(self, chain: FolderChain, folder: str, folders: list[str]) -> int:
        """Take in what a folder holds and add its folders to ``folders``; returns how many there are."""
        try:
            fd = chain.open(folder)
            names = sorted(os.listdir("." if fd is None else fd))
        except OSError:
            return 0  # no folder, not ours to read, or gone: the entry itself is all there is
        prefix = f"{folder}/" if folder else ""
        rows: list[Row] = []
        newest = 0
        rule_against = self._rule_against
        for name in names:
            try:
                status = os.stat(name, dir_fd=fd, follow_symlinks=False)
            except FileNotFoundError:
                continue  # gone since it was found
            except OSError as error:
                path = prefix + name
                _log.warning("%s: lstat %s: %s", path, path, (error.strerror or "").lower())
                continue
            mode = status.st_mode
            kind = mode & _KIND
            if kind == _IS_FOLDER:
                folders.append(prefix + name)
            if rule_against is not None and (rule := rule_against(prefix + name)) is not None:
                self.excluded[rule] += 1
                continue
            if kind == _IS_FILE:  # as :func:`row` makes it: most are files, and each call takes its time
                rows.append((name, mode & KEPT, status.st_size, status.st_mtime_ns, ""))
            else:
                rows.append(row(name, status, fd))
                newest = max(newest, status.st_mtime_ns)
        if rows:
            self._inventory.add(folder, rows, newest)
            self.count += len(rows)
        return len(names)
