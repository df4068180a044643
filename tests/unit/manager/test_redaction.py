"""Rules of :mod:`pyrunner.manager.redaction` (design R8)."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from pyrunner.manager.redaction import redact_payload, redact_record

SECRET = "s3cr3t-value"


def test_no_secret_stays() -> None:
    """Tokens, credentials, scripts, private and masked values are gone wherever they stand."""
    record = {
        "payload": {
            "id": 5,
            "token": SECRET,
            "variables": [
                {"key": "A", "value": SECRET, "public": False},
                {"key": "B", "value": SECRET, "public": True, "masked": True},
                {"key": "CI_REPOSITORY_URL", "value": f"https://u:{SECRET}@h/x", "public": True},
                SECRET,
            ],
            "git_info": {"repo_url": f"https://gitlab-ci-token:{SECRET}@git.example.com/a.git"},
            "credentials": [{"password": SECRET}],
            "dependencies": [{"token": SECRET}],
            "steps": [{"script": [f"echo {SECRET}"]}],
            "secrets": {"X": {"vault": SECRET}},
            "image": {"name": "alpine", "variables": [{"value": SECRET}]},
            "unknown": SECRET,
        },
        "runner": {"name": "r", "url": "https://x", "token": SECRET, "environment": [f"A={SECRET}"]},
        "tls": {"key": SECRET},
        "business_id": "1",
    }
    redacted = redact_record(record)
    assert SECRET not in json.dumps(redacted)
    assert redacted["business_id"] == "1"
    assert redacted["payload"]["git_info"]["repo_url"] == "https://git.example.com/a.git"


def test_public_values_stay() -> None:
    """What anybody may see remains, for whoever looks into an old job."""
    payload = {"variables": [{"key": "A", "value": "seen", "public": True, "masked": False}]}
    assert redact_payload(payload)["variables"][0]["value"] == "seen"


@given(
    st.recursive(
        st.none() | st.text() | st.integers(), lambda one: st.lists(one) | st.dictionaries(st.text(), one)
    )
)
def test_any_shape_is_redacted(payload: object) -> None:
    """A payload that does not decode is redacted as well, whatever it holds."""
    assert isinstance(redact_payload(payload), dict)
    assert isinstance(redact_payload({"variables": payload, "git_info": payload, "image": payload}), dict)
