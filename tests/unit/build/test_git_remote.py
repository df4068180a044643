"""Remote URL and rewrites (job-execution.md 4.6)."""

from __future__ import annotations

import dataclasses

import pytest

from pyrunner.build.git_remote import GitRemote
from pyrunner.errors import PyrunnerError

PLAIN = GitRemote(
    clone_url="",
    server_url="https://gitlab.example.com/",
    repo_url="https://gitlab-ci-token:tok@gitlab.example.com/group/app.git",
    project_path="group/app",
    token="tok",
)


def changed(**changes: object) -> GitRemote:
    """Return :data:`PLAIN` with changes."""
    return dataclasses.replace(PLAIN, **changes)  # type: ignore[arg-type]


def test_the_payload_url_is_used_and_origin_has_no_credentials() -> None:
    """The URL carries the token already; ``origin`` does not."""
    assert PLAIN.url() == PLAIN.repo_url
    assert PLAIN.url_without_credentials() == "https://gitlab.example.com/group/app.git"
    assert PLAIN.host() == "https://gitlab.example.com"
    assert PLAIN.takes_credentials()


def test_rewrites_in_order_without_duplicates() -> None:
    """Project, base URL; the base of repo_url is the same here and dropped."""
    assert PLAIN.rewrites() == [
        (PLAIN.repo_url, "https://gitlab.example.com/group/app.git"),
        ("https://gitlab-ci-token:tok@gitlab.example.com", "https://gitlab.example.com"),
    ]


def test_clone_url_replaces_host_and_keeps_its_path() -> None:
    """Its own rewrite comes before that of the payload's host."""
    remote = changed(clone_url="http://inner:8080/git/", token="a/b:c@d$e")
    assert remote.url_without_credentials() == "http://inner:8080/git/group/app.git"
    assert [original for _, original in remote.rewrites()] == [
        "http://inner:8080/git/group/app.git",
        "http://inner:8080/git",
        "https://gitlab.example.com",
    ]
    assert remote.rewrites()[1][0] == "http://gitlab-ci-token:a%2Fb%3Ac%40d$e@inner:8080/git"


def test_an_ssh_clone_url_gets_a_user_and_no_rewrites() -> None:
    """A base that is not http produces none."""
    remote = changed(clone_url="ssh://gitlab.example.com:2222")
    assert remote.url() == "ssh://git@gitlab.example.com:2222/group/app.git"
    assert remote.rewrites() == [(remote.url(), "ssh://gitlab.example.com:2222/group/app.git")]
    assert changed(clone_url="ssh://me@host").url() == "ssh://me@host/group/app.git"


@pytest.mark.parametrize("port", ["", "22"])
def test_force_https_rewrites_both_ssh_forms(port: str) -> None:
    """The scp form's replacement ends with a slash, the other's does not."""
    remote = changed(force_https=True, ssh_host="ssh.example.com", server_host="other", ssh_port=port)
    base = "https://gitlab-ci-token:tok@gitlab.example.com"
    assert remote.rewrites()[2:4] == [
        (f"{base}/", "git@ssh.example.com:"),
        (base, "ssh://git@ssh.example.com"),
    ]


def test_force_https_with_another_port_and_the_fallback_host() -> None:
    """Only the ssh URL form can carry a port."""
    remote = changed(force_https=True, server_host="gitlab.example.com", ssh_port="2222")
    assert [original for _, original in remote.rewrites()][2:] == ["ssh://git@gitlab.example.com:2222"]


def test_without_tokens_in_urls_nothing_holds_one() -> None:
    """FF_GIT_URLS_WITHOUT_TOKENS: only ssh forms are rewritten, to plain https."""
    remote = changed(authenticated=False, force_https=True, ssh_host="h")
    assert remote.url() == "https://gitlab.example.com/group/app.git"
    assert remote.rewrites() == [
        ("https://gitlab.example.com/", "git@h:"),
        ("https://gitlab.example.com", "ssh://git@h"),
    ]


@pytest.mark.parametrize(("url", "host"), [("file:///srv/app.git", "file:"), ("/srv/app.git", "")])
def test_local_repositories_take_no_credentials(url: str, host: str) -> None:
    """git refuses to ask credentials of a path."""
    remote = changed(repo_url=url)
    assert remote.url() == url
    assert remote.host() == host
    assert not remote.takes_credentials()


def test_a_broken_url_is_an_error_without_the_url() -> None:
    """It may hold the token."""
    with pytest.raises(PyrunnerError) as caught:
        changed(repo_url="https://x:tok@[::1/app.git").url()
    assert "tok" not in str(caught.value).replace("token", "")
