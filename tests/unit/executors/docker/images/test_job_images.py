"""Images that containers need come to the engine, policy by policy (docker-executor.md 3.2, 3.3)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pyrunner.errors import BuildError
from pyrunner.executors.base import StageStopped, Stop, StopKind
from pyrunner.executors.docker.images.job_images import Images
from tests.support.fake_engine import FakeEngine, Pull, image_id, inspection
from tests.support.image_desk import Desk, brings, fails

DIGEST = f"ruby@{image_id(1001)}"
EFFECTIVE = "Using effective pull policy of [{}] for container ruby:3"
USING = f"Using docker image {image_id(1)} for ruby:3 with digest {DIGEST} ..."
PULLING = "Pulling docker image ruby:3 ..."
LOCAL = 'Using locally found image version due to "if-not-present" pull policy'
MISSING = "Error response from daemon: No such image: ruby:3"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A job and an engine that has nothing."""
    with FakeEngine() as fake:
        yield Desk(fake, tmp_path)


# --- the table of one attempt


def test_always_pulls(desk: Desk) -> None:
    """Also what is there already."""
    desk.fake.images["ruby:3"] = inspection(9)
    desk.fake.pulls = [brings()]
    (image,) = desk.run()
    assert (image.id, image.reference) == (image_id(1), DIGEST)
    assert desk.lines() == [EFFECTIVE.format("always"), PULLING, USING]
    assert desk.fake.queries == [{"fromImage": "docker.io/library/ruby", "tag": "3"}]
    assert desk.fake.credentials == [None]


def test_if_not_present_takes_what_is_there(desk: Desk) -> None:
    """And says so."""
    desk.fake.images["ruby:3"] = inspection()
    desk.run(docker={"pull_policy": ["if-not-present"]})
    assert desk.lines() == [EFFECTIVE.format("if-not-present"), LOCAL, USING]


def test_if_not_present_pulls_what_is_missing(desk: Desk) -> None:
    """Like always."""
    desk.fake.pulls = [brings()]
    desk.run(docker={"pull_policy": ["if-not-present"]})
    assert desk.lines() == [EFFECTIVE.format("if-not-present"), PULLING, USING]


def test_never_takes_what_is_there(desk: Desk) -> None:
    """Without a word about where it came from."""
    desk.fake.images["ruby:3"] = inspection(1, RepoDigests=[])
    desk.run(docker={"pull_policy": ["never"]})
    assert desk.lines() == [EFFECTIVE.format("never"), f"Using docker image {image_id(1)} for ruby:3 ..."]


def test_never_and_missing_is_a_plain_error(desk: Desk) -> None:
    """Preparation is tried again (13 #5)."""
    (error,) = desk.run(docker={"pull_policy": ["never"]})
    assert not isinstance(error, BuildError)
    assert str(error) == f'failed to pull image "ruby:3" with specified policies [never]: {MISSING}'
    assert desk.lines() == [
        EFFECTIVE.format("never"),
        f'WARNING: Failed to pull image with policy "never": {MISSING}',
    ]


@pytest.mark.parametrize("policy", ["always", "if-not-present", "never"])
def test_an_image_by_id_is_not_pulled(desk: Desk, policy: str) -> None:
    """Nor told."""
    desk.fake.images[image_id(1)] = inspection()
    desk.run({"name": image_id(1)}, docker={"pull_policy": [policy]})
    assert desk.lines() == [f"Using effective pull policy of [{policy}] for container {image_id(1)}"]


def test_what_the_job_has_used_is_not_pulled_again(desk: Desk) -> None:
    """The lines repeat, the pull does not (13 #4)."""
    desk.fake.pulls = [brings()]
    desk.run({"name": "ruby:3"}, {"name": "ruby:3"})
    assert desk.lines() == [EFFECTIVE.format("always"), PULLING, USING, EFFECTIVE.format("always"), USING]


def test_a_name_that_means_another_image_by_now_is_pulled(desk: Desk) -> None:
    """The id counts."""
    desk.fake.pulls = [brings(), brings(2)]

    def act(images: Images) -> str:
        images.use("ruby:3")
        desk.fake.images["ruby:3"] = inspection(5)
        return images.use("ruby:3").id

    assert desk.use(act) == image_id(2)


# --- several policies


def test_policies_in_their_order(desk: Desk) -> None:
    """Each failure is told, each next policy announced."""
    desk.fake.pulls = [fails("manifest unknown")]
    desk.fake.images["ruby:3"] = inspection()
    desk.run(
        {"name": "ruby:3", "requested": ["always", "if-not-present"]},
        docker={"pull_policy": ["if-not-present", "always"]},
    )
    assert desk.lines() == [
        EFFECTIVE.format("always if-not-present"),
        PULLING,
        'WARNING: Failed to pull image with policy "always": manifest unknown',
        'Attempt #2: Trying "if-not-present" pull policy',
        LOCAL,
        USING,
    ]


def test_only_the_last_class_counts(desk: Desk) -> None:
    """``always, never`` without a local image is a plain error, whatever the registry said."""
    desk.fake.pulls = [fails("manifest unknown")]
    (error,) = desk.run(docker={"pull_policy": ["always", "never"]})
    assert not isinstance(error, BuildError)
    assert str(error) == f'failed to pull image "ruby:3" with specified policies [always never]: {MISSING}'


def test_policies_that_contradict(desk: Desk) -> None:
    """Nothing is asked of the engine, nothing printed."""
    (error,) = desk.run({"name": "ruby:3", "requested": ["never"]})
    assert error.failure_reason == "runner_configuration_error"
    assert (desk.lines(), desk.fake.requests) == ([], [])


# --- failures


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("manifest for ruby:3 not found: manifest unknown", "runner_configuration_error"),
        ("pull access denied for ruby", "runner_configuration_error"),
        ("toomanyrequests: pull rate limit", "image_pull_failure"),
    ],
)
def test_failures_in_the_engines_words(desk: Desk, text: str, reason: str) -> None:
    """An error in the stream is a failure; the reason goes to the coordinator."""
    desk.fake.pulls = [fails(text)]
    (error,) = desk.run()
    assert isinstance(error, BuildError)
    assert (str(error), error.failure_reason) == (
        f'failed to pull image "ruby:3" with specified policies [always]: {text}',
        reason,
    )
    assert desk.lines()[-1] == f'WARNING: Failed to pull image with policy "always": {text}'


def test_a_refused_request(desk: Desk) -> None:
    """What the engine answers instead of a stream."""
    desk.fake.pulls = [Pull(status=404, message="pull access denied")]
    (error,) = desk.run()
    assert str(error).endswith("[always]: Error response from daemon: pull access denied")


def test_failures_outside_are_tried_three_times(desk: Desk) -> None:
    """With a pause of 2 to 10 seconds before the next policy has its turn."""
    text = "dial tcp: i/o timeout"
    desk.fake.pulls = [fails(text)] * 3
    (error,) = desk.run()
    assert error.failure_reason == "runner_external_dependency_failure"
    retrying = 'WARNING: Failed to pull image "ruby:3" (attempt #{}), retrying: ' + text
    assert desk.lines() == [
        EFFECTIVE.format("always"),
        PULLING,
        retrying.format(1),
        retrying.format(2),
        f'WARNING: Failed to pull image with policy "always": {text}',
    ]
    pauses = [one for one in desk.watch.pauses if one >= 1]
    assert len(pauses) == 2
    assert all(2 <= one <= 10 for one in pauses)


def test_a_failure_outside_may_pass(desk: Desk) -> None:
    """The third try is as good as the first."""
    desk.fake.pulls = [fails("connection reset by peer"), fails("connection reset by peer"), brings()]
    (image,) = desk.run()
    assert image.id == image_id(1)
    assert desk.lines()[-1] == USING


def test_an_image_that_is_not_there_after_its_pull(desk: Desk) -> None:
    """Classified like a pull's failure."""
    desk.fake.pulls = [Pull()]
    (error,) = desk.run()
    assert str(error).endswith(f'[always]: inspecting image "ruby:3" after pull: {MISSING}')
    assert error.failure_reason == "image_pull_failure"


@pytest.mark.parametrize("name", ["Ruby", "../../containers/x", "a b"])
def test_a_name_that_is_none_never_reaches_the_engine(desk: Desk, name: str) -> None:
    """It fails as a pull, in docker's words."""
    (error,) = desk.run({"name": name})
    assert error.failure_reason == "image_pull_failure"
    assert "invalid reference format" in str(error)
    assert desk.fake.requests == []
    assert desk.lines()[1] == f"Pulling docker image {name} ..."


def test_a_stopped_job_is_no_pull_failure(desk: Desk) -> None:
    """What stops the job comes through, and is not journaled."""
    desk.watch.stop = Stop(StopKind.CANCEL)
    desk.fake.pulls = [fails("connection reset")]
    (error,) = desk.run()
    assert isinstance(error, StageStopped)


# --- platform


def test_a_platform_is_asked_for(desk: Desk) -> None:
    """In the line as it was written, in the request as docker names it."""
    desk.fake.pulls = [brings()]
    desk.run({"name": "ruby:3", "platform": "aarch64"})
    assert desk.lines()[1] == "Pulling docker image ruby:3 for platform aarch64 ..."
    assert desk.fake.queries[0]["platform"] == "linux/arm64"


def test_a_platform_that_is_none(desk: Desk) -> None:
    """The configuration's fault."""
    (error,) = desk.run({"name": "ruby:3", "platform": "no-such"})
    assert error.failure_reason == "runner_configuration_error"
    assert desk.fake.requests == []


# --- references


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("ruby", {"fromImage": "docker.io/library/ruby", "tag": "latest"}),
        ("host:5000/img", {"fromImage": "host:5000/img", "tag": "latest"}),
        (f"ruby@{image_id(7)}", {"fromImage": "docker.io/library/ruby", "tag": image_id(7)}),
    ],
)
def test_never_all_tags(desk: Desk, name: str, query: dict[str, str]) -> None:
    """A reference without tag gets ``latest``, also behind a port."""
    desk.fake.pulls = [brings(1, name)]
    desk.run({"name": name})
    assert desk.fake.queries == [query]
    assert desk.lines()[1] == f"Pulling docker image {name} ..."
