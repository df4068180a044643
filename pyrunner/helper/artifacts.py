"""What both artifact commands need: whose artifacts they are, and the way to the coordinator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pyrunner.helper.arguments import Flags, Options

if TYPE_CHECKING:
    from pyrunner.gitlab.credentials import JobCredentials
    from pyrunner.gitlab.direct import DirectTransport
    from pyrunner.gitlab.transport import Transport


def add_job_flags(flags: Flags) -> None:
    """Add the flags that name coordinator and job."""
    flags.number("id", env="CI_JOB_ID", about="The build ID to download and upload artifacts for")
    flags.text("token", env="CI_JOB_TOKEN", about="Build token")
    flags.text("url", env="CI_SERVER_URL", about="GitLab CI URL")
    flags.text("tls-ca-file", env="CI_SERVER_TLS_CA_FILE", about="Certificates to verify the peer")
    flags.text("tls-cert-file", env="CI_SERVER_TLS_CERT_FILE", about="Certificate for TLS client auth")
    flags.text("tls-key-file", env="CI_SERVER_TLS_KEY_FILE", about="Private key for TLS client auth")


def add_meter_flag(flags: Flags) -> None:
    """Add the flag of all transfers."""
    flags.duration(
        "transfer-meter-frequency",
        default="0s",
        env="TRANSFER_METER_FREQUENCY",
        about="If set to more than 0s it enables an interactive transfer meter",
    )


def connect(
    options: Options, environment: Mapping[str, str]
) -> tuple[Transport | DirectTransport, JobCredentials]:
    """Return the way to the coordinator and who speaks there; nothing is opened before the first call."""
    # The HTTP client takes longer to import than all the rest: only when there is something to send.
    from pyrunner.gitlab.credentials import JobCredentials, RunnerCredentials
    from pyrunner.gitlab.direct import DirectTransport, suits

    credentials = RunnerCredentials(
        url=options.url,
        token=options.token,
        tls_ca_file=options.tls_ca_file,
        tls_cert_file=options.tls_cert_file,
        tls_key_file=options.tls_key_file,
    )
    job = JobCredentials(options.id, options.token)
    if suits(options.url, environment):
        return DirectTransport(credentials), job
    from pyrunner.gitlab.transport import Transport

    return Transport(credentials, environment=environment), job
