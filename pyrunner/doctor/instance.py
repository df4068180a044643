"""The way to a coordinator, hop by hop: URL, proxy, name service, connection, TLS, token, clock.

The first hop that fails is named, and those behind it are skipped: they could only fail, too.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final
from urllib.parse import SplitResult, urlsplit

from pyrunner.config.model import RunnerConfig
from pyrunner.doctor.context import Context
from pyrunner.doctor.handshake import check_tls
from pyrunner.doctor.result import Result, Status, failed, ok, skipped, warning
from pyrunner.doctor.token import check_tokens
from pyrunner.gitlab.answer import clean_url
from pyrunner.gitlab.proxies import Proxies
from pyrunner.gitlab.trust import TlsFiles

#: Seconds to reach a host.
CONNECT_PATIENCE: Final = 10.0
_PORTS: Final = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}
_HOPS: Final = ("url", "proxy", "dns", "connection", "tls", "token")


@dataclass(frozen=True)
class Instance:
    """One coordinator as some entries reach it."""

    url: str
    files: TlsFiles
    runners: tuple[RunnerConfig, ...]


def instances(context: Context) -> list[Instance]:
    """Return the coordinators of the configuration; entries with the same address and files share one."""
    found: dict[tuple[str, TlsFiles], list[RunnerConfig]] = {}
    for runner in context.config.runners:
        files = TlsFiles(runner.tls_ca_file, runner.tls_cert_file, runner.tls_key_file)
        url = runner.url.rstrip("/").removesuffix("/ci")
        found.setdefault((url, files), []).append(runner)
    return [Instance(url, files, tuple(runners)) for (url, files), runners in found.items()]


def check_instance(context: Context, instance: Instance) -> Iterator[Result]:
    """Yield what each hop says, up to the first that fails."""
    done = 0
    for number, hop in enumerate(_walk(context, instance)):
        stop = False
        for result in hop:
            yield result
            stop = stop or result.status is Status.FAILED
        done = number + 1
        if stop:
            break
    for name in _HOPS[done:]:
        yield skipped(name, f"{_shown(instance.url)}: not reached")


def _walk(context: Context, instance: Instance) -> Iterator[Iterable[Result]]:
    """Yield the results of each of :data:`_HOPS`, lazily: one is not begun before the last is looked at."""
    url = instance.url
    yield _check_url(url)
    parts = urlsplit(url)
    proxies = Proxies.of(context.host.environ)
    yield _check_proxy(url, proxies)
    proxy = proxies.for_url(url)
    first = urlsplit(proxy) if proxy else parts
    yield _check_dns(first)
    yield _check_connection(first)
    files = instance.files.completed(context.certificates, parts.hostname or "")
    yield check_tls(parts, proxy, files, context.certificates, CONNECT_PATIENCE)
    yield check_tokens(context, instance.runners)


def _check_url(url: str) -> Iterator[Result]:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        text = f"{_shown(url) or '(empty)'} is no address of a GitLab instance"
        yield failed("url", text, 'write url = "https://gitlab.example.com" in the entry')
    elif parts.scheme == "http" and not _is_loopback(parts.hostname or ""):
        text = f"{_shown(url)}: tokens and sources travel unencrypted"
        yield warning("url", text, "use https:// where the instance has it")
    else:
        yield ok("url", _shown(url))


def _check_proxy(url: str, proxies: Proxies) -> Iterator[Result]:
    host = urlsplit(url).hostname
    try:
        proxy = proxies.for_url(url)
    except ValueError as error:
        yield failed("proxy", f"{host}: {error}", "HTTPS_PROXY=http://proxy.example.com:3128")
        return
    if proxy is None:
        yield ok("proxy", f"{host} is reached directly")
        return
    yield ok("proxy", f"{host} is reached through {_shown(proxy)} (from the environment of this command)")


def _check_dns(target: SplitResult) -> Iterator[Result]:
    host = target.hostname or ""
    if _is_address(host):
        yield skipped("dns", f"{host} is an address")
        return
    try:
        found = socket.getaddrinfo(host, _port(target), type=socket.SOCK_STREAM)
    except OSError as error:
        reason = error.strerror or str(error)
        yield failed("dns", f"{host}: {reason}", f"check the name, /etc/resolv.conf and: getent hosts {host}")
        return
    addresses = list(dict.fromkeys(str(one[4][0]) for one in found))
    yield ok("dns", f"{host} is {', '.join(addresses[:4])}")


def _check_connection(target: SplitResult) -> Iterator[Result]:
    host, port = target.hostname or "", _port(target)
    try:
        socket.create_connection((host, port), timeout=CONNECT_PATIENCE).close()
    except ConnectionRefusedError:
        text = f"{host} port {port} refuses connections"
        yield failed("connection", text, "check the port in url, and whether the instance is up")
    except TimeoutError:
        text = f"{host} port {port} does not answer within {CONNECT_PATIENCE:.0f} s"
        yield failed("connection", text, "check firewalls on the way, or set HTTPS_PROXY for the service")
    except OSError as error:
        yield failed(
            "connection", f"{host} port {port}: {error.strerror or error}", "check routes and firewalls"
        )
    else:
        yield ok("connection", f"{host} port {port} accepts connections")


def _port(parts: SplitResult) -> int:
    return parts.port or _PORTS.get(parts.scheme, 443)


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _is_loopback(host: str) -> bool:
    return host == "localhost" or (_is_address(host) and ip_address(host).is_loopback)


def _shown(url: str) -> str:
    return clean_url(url).rstrip("/")
