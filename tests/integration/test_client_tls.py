"""The client over real TLS on loopback (runner-api.md 6.4)."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

import pytest

from pyrunner.errors import CoordinatorError
from pyrunner.gitlab.call import Call
from pyrunner.gitlab.credentials import RunnerCredentials
from pyrunner.gitlab.jobs import request_job
from pyrunner.gitlab.transport import Transport
from pyrunner.protocol.runner import runner_info
from tests.support.certificates import OTHER_HOST, Certificates, make_certificates
from tests.support.connect_proxy import ConnectProxy
from tests.support.http_script import ScriptedServer

pytestmark = pytest.mark.integration

GET = Call("GET", "version")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Return certificates of an authority that no system knows."""
    return make_certificates(tmp_path_factory.mktemp("certificates"))


def transport_to(server: ScriptedServer, **files: object) -> Transport:
    """Return a transport that trusts what ``files`` names."""
    names = {key: str(value) for key, value in files.items()}
    return Transport(RunnerCredentials(server.url, "glrt-x", **names), environment={})


def der(path: Path) -> str:
    """Return a certificate in the form the client writes it."""
    return ssl.DER_cert_to_PEM_cert(ssl.PEM_cert_to_DER_cert(path.read_text())).strip()


def test_an_unknown_authority_is_refused(certificates: Certificates) -> None:
    """Without tls-ca-file the system's pool decides, and the error says what to set."""
    with ScriptedServer(certificates.server_context()) as server:
        with pytest.raises(CoordinatorError, match=r"certificate verify failed.*tls-ca-file"):
            transport_to(server).call(GET)
        assert server.requests == []


def test_tls_ca_file_extends_the_trust(certificates: Certificates, tmp_path: Path) -> None:
    """With tls-ca-file the call succeeds, and that file is what a job gets, byte for byte."""
    ca = tmp_path / "ca.pem"
    ca.write_text("a comment\n" + certificates.ca.read_text())
    with ScriptedServer(certificates.server_context()) as server:
        server.answer(201, json={"id": 1, "token": "t"})
        transport = transport_to(server, tls_ca_file=ca)
        outcome = request_job(transport, runner_info("shell", "bash"), "s_0123456789ab")
        assert outcome.status == 201
        assert outcome.tls.ca_chain == ca.read_text()
        assert (outcome.tls.cert, outcome.tls.key) == ("", "")
        transport.close()


def test_the_servers_own_certificate_may_be_the_anchor(certificates: Certificates) -> None:
    """As in Go, any certificate in tls-ca-file is trusted, its issuer need not be there."""
    with ScriptedServer(certificates.server_context()) as server:
        server.answer(200)
        transport = transport_to(server, tls_ca_file=certificates.server)
        assert transport.call(GET).status == 200
        transport.close()


def test_without_a_ca_file_a_job_gets_the_verified_chain(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The chain of the jobs/request connection, leaf first, root included (6.4; 8.2, trap 30)."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.ca))  # the system's pool of this test
    with ScriptedServer(certificates.server_context()) as server:
        server.answer(200)
        server.answer(201, json={"id": 1, "token": "t"})
        transport = transport_to(server)
        transport.call(GET)
        outcome = request_job(transport, runner_info("shell", "bash"), "s_0123456789ab")
        assert outcome.tls.ca_chain == f"{der(certificates.server)}\n{der(certificates.ca)}"
        assert server.requests[0].port == server.requests[1].port
        transport.close()


def test_a_client_certificate_is_shown_and_handed_to_the_job(certificates: Certificates) -> None:
    """Certificate and key identify the runner, and its jobs (6.4)."""
    with ScriptedServer(certificates.server_context(client_needed=True)) as server:
        server.answer(201, json={"id": 1, "token": "t"})
        transport = transport_to(
            server,
            tls_ca_file=certificates.ca,
            tls_cert_file=certificates.client,
            tls_key_file=certificates.client_key,
        )
        outcome = request_job(transport, runner_info("shell", "bash"), "s_0123456789ab")
        assert outcome.status == 201
        assert outcome.tls.cert == certificates.client.read_text()
        assert outcome.tls.key == certificates.client_key.read_text()
        assert "PRIVATE KEY" not in repr(outcome)
        transport.close()
        with pytest.raises(CoordinatorError):
            transport_to(server, tls_ca_file=certificates.ca).call(GET)


def test_the_certificate_directory_is_looked_up(certificates: Certificates, tmp_path: Path) -> None:
    """``<host>.crt``, the host without its port."""
    (tmp_path / "127.0.0.1.crt").write_text(certificates.ca.read_text())
    with ScriptedServer(certificates.server_context()) as server:
        server.answer(200)
        credentials = RunnerCredentials(server.url, "glrt-x")
        transport = Transport(credentials, certificate_directory=tmp_path, environment={})
        assert transport.call(GET).status == 200
        transport.close()


def test_a_changed_ca_file_is_noticed(certificates: Certificates, tmp_path: Path) -> None:
    """A file that comes, changes or goes is looked at before the next request (6.4)."""
    ca = tmp_path / "ca.pem"
    with ScriptedServer(certificates.server_context()) as server:
        server.answer(200, times=2)
        transport = transport_to(server, tls_ca_file=ca)
        with pytest.raises(CoordinatorError):
            transport.call(GET)
        ca.write_text(certificates.ca.read_text())
        assert transport.call(GET).status == 200
        os.utime(ca, ns=(1, 1))
        assert transport.call(GET).status == 200
        assert server.requests[0].port != server.requests[1].port
        ca.unlink()
        with pytest.raises(CoordinatorError):
            transport.call(GET)
        transport.close()


def test_a_proxy_tunnels_tls(certificates: Certificates) -> None:
    """HTTPS_PROXY gets its own credentials and a CONNECT; the rest is the coordinator's (6.5)."""
    with ScriptedServer(certificates.server_context()) as server, ConnectProxy(server.port) as proxy:
        server.answer(201, json={"id": 1, "token": "t"}, times=2)
        credentials = RunnerCredentials(
            f"https://{OTHER_HOST}:8443", "glrt-x", tls_ca_file=str(certificates.ca)
        )
        environment = {"HTTPS_PROXY": f"http://user:secret@127.0.0.1:{proxy.port}"}
        transport = Transport(credentials, environment=environment)
        for _ in range(2):
            outcome = request_job(transport, runner_info("shell", "bash"), "s_0123456789ab")
            assert outcome.status == 201
        transport.close()
        (asked,) = proxy.requests
        assert asked.startswith(f"CONNECT {OTHER_HOST}:8443 HTTP/1.")
        assert "Proxy-Authorization: Basic dXNlcjpzZWNyZXQ=" in asked
        assert "proxy-authorization" not in server.requests[0].header_names


def test_a_proxy_does_not_replace_trust(certificates: Certificates) -> None:
    """Through a proxy, too, an unknown authority is refused."""
    with ScriptedServer(certificates.server_context()) as server, ConnectProxy(server.port) as proxy:
        environment = {"HTTPS_PROXY": f"http://127.0.0.1:{proxy.port}"}
        transport = Transport(RunnerCredentials(f"https://{OTHER_HOST}", "glrt-x"), environment=environment)
        with pytest.raises(CoordinatorError, match="certificate verify failed"):
            transport.call(GET)
        assert server.requests == []
