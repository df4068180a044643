"""What a wrapper does for a stage that is one of several in the same running container."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from typing import Any, Final

from pyrunner.errors import EngineError
from pyrunner.executors.docker.engine.attachment import Attachment
from pyrunner.executors.docker.engine.connection import Endpoint, Engine
from pyrunner.executors.docker.engine.waiting import RECONNECT
from pyrunner.executors.stagefiles import StageFiles
from pyrunner.system.process import boot_id
from pyrunner.system.usage import ResourceUsage

#: Seconds between two looks at a stage that has closed its streams, or left a process that has not.
_LOOK: Final = 0.02
_SELDOM: Final = 1.0


@dataclass(frozen=True)
class ExecWork:
    """One stage run by ``exec``."""

    files: StageFiles
    endpoint: Endpoint
    container: str
    command: list[str]
    #: The script goes to its standard input: the container does not see this host's files.
    by_stdin: bool
    #: Monotonic time after which the container is killed.
    give_up_at: float

    def run(self, out: int, err: int) -> dict[str, Any]:
        """Let the stage run to its end; see :class:`pyrunner.executors.wrapper.WrapperWork`."""
        started = time.monotonic()
        engine = Engine(self.endpoint)
        try:
            made = engine.call(lambda api: api.exec_create(self.container, self.command, stdin=self.by_stdin))
            identity = str(made["Id"])
            streams = Attachment.of_exec(engine, identity, out, err)
            streams.begin(self.files.script.read_bytes() if self.by_stdin else None)
        except EngineError as error:
            return {"error": str(error)}
        # The connection is the streams' now.
        record = self._await_end(Engine(self.endpoint), identity, streams)
        streams.finish()
        return {
            **record,
            "ended_at": time.monotonic(),
            "boot_id": boot_id(),
            "usage": ResourceUsage(wall=time.monotonic() - started).to_dict(),
        }

    def _await_end(self, engine: Engine, identity: str, streams: Attachment) -> dict[str, Any]:
        try:
            while True:
                ended = streams.await_end(_SELDOM)
                state = engine.call(lambda api: api.exec_inspect(identity))
                if not state["Running"]:
                    return {"exit_code": int(state["ExitCode"])}
                if time.monotonic() >= self.give_up_at:
                    engine.call(lambda api: api.kill(self.container))
                    return {"given_up": True}
                if ended:
                    time.sleep(_LOOK)
        except EngineError as error:
            self._end_container()
            return {"vanished": f"the container of the stage is not to be reached: {error}"}

    def _end_container(self) -> None:
        """End what may go on in it: a restarted engine knows nothing of it, and it is done again."""
        ends = min(time.monotonic() + RECONNECT, self.give_up_at)
        while True:
            with contextlib.closing(Engine(self.endpoint)) as engine:
                try:
                    engine.call(lambda api: api.kill(self.container))
                except EngineError as error:
                    if not error.status and time.monotonic() < ends:
                        time.sleep(_SELDOM / 2)
                        continue
            # Killed; or it does not run, or is gone.
            return
