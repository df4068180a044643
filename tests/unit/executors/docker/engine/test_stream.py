"""Long requests to the engine (engine_stream)."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyrunner.errors import EngineError
from pyrunner.executors.docker.engine.connection import Endpoint
from pyrunner.executors.docker.engine.stream import EngineStream
from tests.support.fake_engine import FakeEngine, Pull


@pytest.fixture
def fake() -> Iterator[FakeEngine]:
    """An engine."""
    with FakeEngine() as engine:
        yield engine


def ask(fake: FakeEngine, stream: EngineStream | None = None) -> list[object]:
    """Return the answer of a pull."""
    used = stream or EngineStream(fake.endpoint)
    query, headers = {"fromImage": "a b", "tag": "1"}, {"X-Registry-Auth": "e30="}
    return list(used.events("1.41", "/images/create", query, headers))


def test_objects_come_as_they_are_sent(fake: FakeEngine) -> None:
    """Query and headers arrive."""
    fake.pulls = [Pull(events=({"status": "one"}, {"status": "two"}))]
    assert ask(fake) == [{"status": "one"}, {"status": "two"}]
    assert fake.requests == ["POST /v1.41/images/create"]
    assert fake.queries == [{"fromImage": "a b", "tag": "1"}]
    assert fake.credentials == [{}]


def test_a_refusal_comes_in_the_engines_words(fake: FakeEngine) -> None:
    """With its status."""
    fake.pulls = [Pull(status=404, message="manifest unknown")]
    with pytest.raises(EngineError) as raised:
        ask(fake)
    assert (str(raised.value), raised.value.status) == ("Error response from daemon: manifest unknown", 404)


def test_a_redirect_is_refused(fake: FakeEngine) -> None:
    """Whoever redirects is no engine, and gets no credentials."""
    fake.pulls = [Pull(status=307)]
    with pytest.raises(EngineError, match=r"^redirects disallowed$"):
        ask(fake)


def test_an_answer_that_breaks_off_is_a_failure(fake: FakeEngine) -> None:
    """Not the end of a pull."""
    fake.pulls = [Pull(events=({"status": "one"},), cut=True)]
    with pytest.raises(EngineError, match=r"^unexpected EOF$"):
        ask(fake)


def test_an_engine_that_is_not_there() -> None:
    """In the system's words."""
    stream = EngineStream(Endpoint("unix:///nonexistent/docker.sock"))
    with pytest.raises(EngineError, match="No such file"):
        list(stream.events("1.41", "/x", {}, {}))


def test_other_ways_to_an_engine_are_refused() -> None:
    """ssh:// has no socket of its own."""
    with pytest.raises(EngineError, match=r"cannot pull through ssh: use unix:// or tcp://"):
        list(EngineStream(Endpoint("ssh://host")).events("1.41", "/x", {}, {}))


def test_certificates_that_cannot_be_read(tmp_path: Path) -> None:
    """TLS is not given up for it."""
    point = Endpoint("tcp://127.0.0.1:1", str(tmp_path), verify=True)
    with pytest.raises(EngineError):
        list(EngineStream(point).events("1.41", "/x", {}, {}))
    (tmp_path / "cert.pem").write_text("none")
    with pytest.raises(EngineError):
        list(EngineStream(Endpoint("tcp://127.0.0.1:1", str(tmp_path))).events("1.41", "/x", {}, {}))
    assert issubclass(ssl.SSLError, OSError)


@pytest.mark.parametrize("begun", [False, True])
def test_given_up_before_and_during_the_answer(fake: FakeEngine, begun: bool) -> None:
    """The request ends, and the engine sees that nobody waits any more."""
    never = threading.Event()
    plan = Pull(events=({"status": "one"},), behind=never) if begun else Pull(before=never)
    fake.pulls = [plan]
    stream = EngineStream(fake.endpoint)
    answered = threading.Event()
    failures: list[EngineError] = []

    def work() -> None:
        try:
            for _ in stream.events("1.41", "/images/create", {}, {}):
                answered.set()
        except EngineError as error:
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    assert (answered if begun else fake.asked).wait(30)
    stream.give_up()
    thread.join(30)
    assert not thread.is_alive()
    assert len(failures) == 1
    assert fake.left.wait(30)


@pytest.mark.parametrize("events", [(), ({"status": "one"},)])
def test_an_engine_that_dies_is_no_end_of_an_answer(
    fake: FakeEngine, events: tuple[dict[str, str], ...]
) -> None:
    """Also where the connection ends between two pieces: an image would pass for pulled that is not."""
    fake.pulls = [Pull(events=events, dies=True)]
    with pytest.raises(EngineError, match=r"^unexpected EOF$"):
        ask(fake)


def test_given_up_before_it_began(fake: FakeEngine) -> None:
    """Nothing is asked."""
    stream = EngineStream(fake.endpoint)
    stream.give_up()
    with pytest.raises(EngineError):
        ask(fake, stream)
    assert fake.requests == []
