"""Images as the engine knows them (docker-executor.md 1.4, 3.4)."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from pyrunner.errors import EngineError
from pyrunner.executors.docker.images.image import Image, inspect_image
from pyrunner.executors.docker.images.platforms import Platform
from tests.support.fake_engine import FakeEngine, image_id, inspection


@pytest.fixture
def fake() -> Iterator[FakeEngine]:
    """An engine."""
    with FakeEngine() as engine:
        yield engine


def test_what_an_inspection_tells() -> None:
    """Containers are created from the first repository digest."""
    config = {
        "Env": ["A=b"],
        "Entrypoint": ["/run"],
        "User": "app",
        "ExposedPorts": {"80/tcp": {}, "443/tcp": {}},
    }
    found = inspection(1, Config=config, Architecture="arm64", Variant="v8", RepoDigests=["a@x", "b@y"])
    assert Image.of(found) == Image(
        id=image_id(1),
        digest="a@x",
        entrypoint=["/run"],
        user="app",
        exposed_ports=["443/tcp", "80/tcp"],
        env=["A=b"],
        platform="linux/arm64/v8",
    )
    assert Image.of(found).reference == "a@x"


def test_an_image_of_no_registry_is_referred_to_by_id() -> None:
    """Also where the engine leaves members out."""
    image = Image.of({"Id": image_id(2), "Config": None, "RepoDigests": None})
    assert (image.reference, image.exposed_ports, image.platform) == (image_id(2), [], "")


def test_through_the_journal_and_back() -> None:
    """A member of a newer version is left out."""
    image = Image.of(inspection(3))
    value = json.loads(json.dumps(image.to_dict()))
    assert Image.from_dict({**value, "later": 1}) == image


def test_the_variant_is_asked_for_where_the_engine_can_tell() -> None:
    """From API 1.49 on; before, the name alone."""
    arm = Platform("linux", "arm64")
    for version, expected in (("1.48", image_id(1)), ("1.49", image_id(2)), ("1.51", image_id(2))):
        with FakeEngine(version) as fake:
            fake.images = {"ruby": inspection(1), f"ruby {arm.to_json()}": inspection(2)}
            assert inspect_image(fake.engine(), "ruby", arm).id == expected
            assert inspect_image(fake.engine(), "ruby").id == image_id(1)


def test_a_missing_image_in_the_engines_words() -> None:
    """With and without a variant."""
    for version in ("1.41", "1.49"):
        with FakeEngine(version) as fake, pytest.raises(EngineError) as raised:
            inspect_image(fake.engine(), "ruby", Platform("linux", "arm64"))
        assert str(raised.value) == "Error response from daemon: No such image: ruby"
        assert raised.value.not_found


def test_no_name_leads_to_another_request(fake: FakeEngine) -> None:
    """What is no reference is refused here: ``../containers/x`` would be the inspection of a container."""
    for name in ("../containers/x", "a/../../containers/x", "x/json?y=", "", "%2e%2e/x"):
        with pytest.raises(EngineError, match="invalid reference format"):
            inspect_image(fake.engine(), name)
    assert fake.requests == []
