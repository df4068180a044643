"""What is logged about a usable config.toml."""

from __future__ import annotations

from pyrunner.config.load import parse_config
from pyrunner.config.model import Notice


def _notices(text: str) -> list[Notice]:
    return parse_config(text.encode(), {}).notices


def _with(text: str, part: str) -> list[Notice]:
    return [notice for notice in _notices(text) if part in notice.text]


GOOD = 'concurrent = 4\n[[runners]]\nurl = "https://h/"\ntoken = "t"\nrequest_concurrency = 2\n'


def test_a_good_file_says_nothing() -> None:
    """No notice without a reason."""
    assert _notices(GOOD) == []


def test_schema_findings_are_one_info_line() -> None:
    """Empty url and token and an unknown shell are told, not refused."""
    found = _with(GOOD.replace("https://h/", "") + 'shell = "fish"\n', "jsonschema annotations")
    assert [notice.level for notice in found] == ["info"]
    assert "/runners/0/url" in found[0].text
    assert "/runners/0/shell" in found[0].text
    assert not found[0].run_only


def test_blank_token_warns_with_the_runner() -> None:
    """White space is no token; the line carries the runner's name."""
    found = _with(GOOD.replace('"t"', '" \\t"') + 'name = "n"\n', "Runner token is empty or whitespace")
    assert [(notice.level, notice.fields["runner_name"], notice.run_only) for notice in found] == [
        ("warning", "n", True)
    ]


def test_legacy_url_warns() -> None:
    """A final /ci is told at each load, with and without a slash behind it."""
    assert _with(GOOD.replace("https://h/", "https://h/ci/"), "legacy '/ci' suffix")
    assert not _with(GOOD.replace("https://h/", "https://h/cid"), "legacy '/ci' suffix")


def test_long_polling_issues_are_counted() -> None:
    """Too few slots, single requests and low limits are one warning, numbered solutions included."""
    text = "concurrent = 1\n" + '[[runners]]\nurl = "u"\ntoken = "t"\nlimit = 2\n' * 2
    (notice,) = _with(text, "CONFIGURATION: Long polling issues detected.")
    assert "'concurrent' setting (1) is less than number of runners (2)" in notice.text
    assert "Request bottleneck: 2 runners have request_concurrency=1" in notice.text
    assert "Build limit bottleneck: 2 runners" in notice.text
    assert "  3. For 2 runners with low limits" in notice.text


def test_slot_template_without_placeholder_warns() -> None:
    """Only where slot cgroups are used at all."""
    line = 'slot_cgroup_template = "x"\n'
    assert _with(GOOD + "use_slot_cgroups = true\n" + line, "does not contain ${slot}")
    assert not _with(GOOD + line, "does not contain ${slot}")
