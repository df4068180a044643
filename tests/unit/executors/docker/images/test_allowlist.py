"""Allow lists of images and services (docker-executor.md 3.1)."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyrunner.errors import BuildError, PyrunnerError
from pyrunner.executors.docker.images.allowlist import check_allowed, is_allowed
from tests.support.job_reports import JobLife


def test_an_empty_list_allows_everything() -> None:
    """Without a list pipelines choose freely."""
    assert is_allowed("evil/image", [])


def test_any_pattern_or_name_of_the_configuration_allows() -> None:
    """One match is enough; names that config.toml itself uses need none."""
    assert is_allowed("ruby:2.1", ["alpine", "ruby:*"])
    assert is_allowed("gitlab/helper", ["alpine"], ["gitlab/helper"])
    assert not is_allowed("gitlab/helper:1", ["alpine"], ["gitlab/helper"])


def test_a_refusal_is_told_to_the_byte(tmp_path: Path) -> None:
    """The trace names image, list and help; the error is a plain one: preparation is tried again."""
    life = JobLife(tmp_path)
    with life.supervisor() as (report, raw_log):
        with pytest.raises(PyrunnerError, match=r"^disallowed image$") as raised:
            check_allowed('evil"image', "images", ["alpine", "ruby:*"], [], report)
        assert not isinstance(raised.value, BuildError)
        raw_log.close_messages(0)
    assert life.trace() == (
        b"\x1b[0K\x1b[0;m\n"
        b'\x1b[31;1mERROR: The "evil\\"image" image is not present on list of allowed images:\x1b[0;m\n'
        b"\x1b[0K- alpine\x1b[0;m\n"
        b"\x1b[0K- ruby:*\x1b[0;m\n"
        b"\x1b[0K\x1b[0;m\n"
        b"\x1b[0KPlease check runner's allowed_images configuration: "
        b"https://docs.gitlab.com/runner/configuration/advanced-configuration/\x1b[0;m\n"
    )
