"""``gpus`` has the syntax of ``docker run --gpus``."""

from __future__ import annotations

from typing import Any

import pytest

from pyrunner.config.gpus import parse_gpus


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        ("all", {"Count": -1}),
        ("2", {"Count": 2}),
        ("count=2", {"Count": 2}),
        ("driver=nvidia", {"Count": 1, "Driver": "nvidia"}),
        ('"device=0,1"', {"DeviceIDs": ["0", "1"]}),
        ("device=GPU-3a23c669", {"DeviceIDs": ["GPU-3a23c669"]}),
        ('all,"capabilities=compute,video"', {"Count": -1, "Capabilities": [["compute", "video", "gpu"]]}),
        ('all,"options=a=1,b"', {"Count": -1, "Options": {"a": "1", "b": ""}}),
    ],
)
def test_requests(text: str, changes: dict[str, Any]) -> None:
    """One request, of one GPU unless it says how many or which."""
    expected = {"Driver": "", "Count": 0, "Capabilities": [["gpu"]], "Options": {}, **changes}
    assert parse_gpus(text) == [expected]


def test_nothing_asks_for_nothing() -> None:
    """White space is no request."""
    assert parse_gpus("") == parse_gpus("  ") == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("some", 'invalid count (some): value must be either "all" or an integer: invalid syntax'),
        ("colour=red", "unexpected key 'colour' in 'colour=red'"),
        ("device=0,device=1", "gpu request key 'device' can be specified only once"),
        ("all,count=1", "gpu request key 'count' can be specified only once"),
    ],
)
def test_no_requests(text: str, words: str) -> None:
    """What docker refuses is refused with its words."""
    with pytest.raises(ValueError, match="parsing gpus string") as caught:
        parse_gpus(text)
    assert str(caught.value) == f'parsing gpus string "{text}": {words}'


def test_quotes_must_be_closed() -> None:
    """The text is one line of comma separated values."""
    with pytest.raises(ValueError, match=r"^parsing gpus string "):
        parse_gpus('"device=0,1')
