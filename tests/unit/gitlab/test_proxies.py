"""Proxy settings by Go's rules (runner-api.md 6.5)."""

from __future__ import annotations

import pytest

from pyrunner.gitlab.proxies import Proxies

PROXY = "http://proxy.example.com:3128"


def proxy_for(url: str, no_proxy: str = "") -> str | None:
    """Return the proxy of ``url`` when both schemes have one."""
    return Proxies(http=PROXY, https=PROXY, no_proxy=no_proxy).for_url(url)


def test_upper_case_wins_and_all_proxy_does_not_count() -> None:
    """Go asks HTTP_PROXY before http_proxy and has never heard of ALL_PROXY."""
    proxies = Proxies.of(
        {"HTTP_PROXY": "a:1", "http_proxy": "b:1", "https_proxy": "c:1", "ALL_PROXY": "d:1", "no_proxy": "x"}
    )
    assert (proxies.http, proxies.https, proxies.no_proxy) == ("a:1", "c:1", "x")
    assert Proxies.of({"ALL_PROXY": PROXY}).for_url("http://gitlab.example.com/") is None


def test_each_scheme_has_its_own() -> None:
    """https calls do not go through HTTP_PROXY."""
    assert Proxies(http=PROXY).for_url("https://gitlab.example.com/") is None
    assert Proxies(https=PROXY).for_url("https://gitlab.example.com/") == PROXY


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.9.1", "[::1]", "[::ffff:127.0.0.1]"])
def test_loopback_is_never_proxied(host: str) -> None:
    """A proxy could not reach this machine's loopback anyway."""
    assert proxy_for(f"http://{host}:8080/") is None


@pytest.mark.parametrize(
    ("entry", "url", "bypassed"),
    [
        ("*", "https://gitlab.example.com/", True),
        ("example.com", "https://gitlab.example.com/", True),
        ("example.com", "https://example.com/", True),
        ("example.com", "https://notexample.com/", False),
        (".example.com", "https://gitlab.example.com/", True),
        (".example.com", "https://example.com/", False),
        ("*.example.com", "https://gitlab.example.com/", True),
        ("*.example.com", "https://example.com/", False),
        ("EXAMPLE.com", "https://Gitlab.Example.com/", True),
        ("gitlab.example.com:8443", "https://gitlab.example.com:8443/", True),
        ("gitlab.example.com:8443", "https://gitlab.example.com/", False),
        ("gitlab.example.com:443", "https://gitlab.example.com/", True),
        ("10.0.0.0/8", "http://10.1.2.3/", True),
        ("10.0.0.0/8", "http://11.1.2.3/", False),
        ("10.0.0.0/8", "http://gitlab.example.com/", False),
        ("10.1.2.3", "http://10.1.2.3/", True),
        ("10.1.2.3:80", "http://10.1.2.3/", True),
        ("10.1.2.3:81", "http://10.1.2.3/", False),
        ("fd00::/8", "http://[fd00::1]/", True),
        ("fd00::1", "http://[fd00::1]/", True),
        ("[fd00::1]:80", "http://[fd00::1]/", True),
        (" other.example.com , example.com ", "https://gitlab.example.com/", True),
        (",,", "https://gitlab.example.com/", False),
        (":80", "http://gitlab.example.com/", False),
    ],
)
def test_no_proxy(entry: str, url: str, bypassed: bool) -> None:
    """NO_PROXY knows names with their subdomains, suffixes, ports, addresses, networks and ``*``."""
    assert proxy_for(url, entry) == (None if bypassed else PROXY)


def test_a_bare_address_means_http() -> None:
    """``proxy:3128`` is understood as ``http://proxy:3128``."""
    assert Proxies(http="proxy:3128").for_url("http://gitlab.example.com/") == "http://proxy:3128"


def test_an_unusable_setting_is_an_error_without_its_password() -> None:
    """Going straight would defeat the purpose; the setting may hold a password."""
    with pytest.raises(ValueError, match="HTTP_PROXY") as raised:
        Proxies(http="ftp://user:secret@proxy").for_url("http://gitlab.example.com/")
    assert "secret" not in str(raised.value)
    assert "secret" not in repr(Proxies(http="http://user:secret@proxy"))
