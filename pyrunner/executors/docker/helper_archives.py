"""Helper images as gitlab-runner's packages bring them: archives on this host (docker-executor.md 8.2)."""

from __future__ import annotations

import lzma
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final

from pyrunner.errors import EngineError
from pyrunner.executors.docker.engine import Engine

#: A saved image, and an exported file system, which has lost its entrypoint.
_SAVED: Final = ".docker.tar.zst"
_EXPORTED: Final = ".tar.xz"
_ENTRYPOINT: Final = 'ENTRYPOINT ["/usr/bin/dumb-init", "/entrypoint"]'
_PIECE: Final = 1024 * 1024
#: What the engine says before the name or id of an image it has loaded.
_LOADED: Final = ("Loaded image ID:", "Loaded image:")


class HelperArchives:
    """Loads a packaged helper image into the engine.

    :param folders: where to look; the first archive that can be loaded counts.
    """

    def __init__(self, engine: Engine, folders: Sequence[Path]) -> None:
        self._engine = engine
        self._folders = folders
        self._stopped = False

    def load(self, archive: str, name: str) -> bool:
        """Load the archive as ``name``; False when there is none that the engine takes.

        :param archive: file name without its ending.
        """
        for path in self._candidates(archive):
            try:
                with path.open("rb") as file:
                    self._load(file, path, name)
            except (OSError, EngineError, EOFError, lzma.LZMAError, ValueError):
                # a broken archive is no worse than none: the registry has the image, too
                if self._stopped:
                    return False
                continue
            return True
        return False

    def stop(self) -> None:
        """End the load that runs, from another thread."""
        self._stopped = True

    def _candidates(self, archive: str) -> Iterator[Path]:
        names = dict.fromkeys((archive, archive.replace("x86_64", "amd64")))
        for folder in self._folders:
            for name in names:
                yield folder / f"{name}{_SAVED}"
                yield folder / f"{name}{_EXPORTED}"

    def _load(self, file: BinaryIO, path: Path, name: str) -> None:
        repository, _, tag = name.rpartition(":")
        if path.name.endswith(_SAVED):
            import zstandard

            with zstandard.ZstdDecompressor().stream_reader(file) as content:
                try:
                    loaded = self._engine.call(lambda api: _load_saved(api, self._pieces(content)))
                except zstandard.ZstdError as error:
                    raise ValueError(str(error)) from None
            self._engine.call(lambda api: api.tag(loaded, repository, tag))
            return
        with lzma.open(file) as content:
            self._engine.call(
                lambda api: api.import_image_from_data(
                    self._pieces(content), repository=repository, tag=tag, changes=[_ENTRYPOINT]
                )
            )

    def _pieces(self, content: Any) -> Iterator[bytes]:
        while piece := content.read(_PIECE):
            if self._stopped:
                raise InterruptedError(os.strerror(4))
            yield piece


def _load_saved(api: Any, content: Iterator[bytes]) -> str:
    for event in api.load_image(content, quiet=True):
        text = event.get("stream", "")
        for sign in _LOADED:
            if text.startswith(sign):
                return str(text.removeprefix(sign)).strip()
        if error := event.get("error"):
            raise EngineError(str(error))
    raise EngineError("the engine did not say which image it has loaded")
