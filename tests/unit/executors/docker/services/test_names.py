"""What a service is called, from its reference (docker-executor.md 5.2)."""

from __future__ import annotations

import pytest

from pyrunner.executors.docker.services.names import ServiceName, parse_service_name

DIGEST = "sha256:" + "a1" * 32


@pytest.mark.parametrize(
    ("reference", "image", "aliases"),
    [
        ("postgres", "postgres:latest", ("postgres",)),
        ("group/svc:1", "group/svc:1", ("group__svc", "group-svc")),
        (
            "host.tld:5000/group/svc",
            "host.tld:5000/group/svc:latest",
            ("host.tld__group__svc", "host.tld-group-svc"),
        ),
        (f"svc@{DIGEST}", f"svc@{DIGEST}", ("svc",)),
    ],
)
def test_the_table_of_names(reference: str, image: str, aliases: tuple[str, ...]) -> None:
    """Every row of the table in 5.2."""
    name = parse_service_name(reference)
    assert name.image == image
    assert name.aliases == aliases


@pytest.mark.parametrize(
    ("reference", "title", "image"),
    [
        ("postgres:16", "postgres:16", "postgres:16"),
        ("postgres", "postgres:latest", "postgres:latest"),
        ("host:5000/db:9.6-alpine", "host/db:9.6-alpine", "host:5000/db:9.6-alpine"),
        # Without a path there is no port: it is a tag.
        ("localhost:5000", "localhost:5000", "localhost:5000"),
        ("[fe80::1]:5000/db", "[fe80::1]/db:latest", "[fe80::1]:5000/db:latest"),
        (f"svc@{DIGEST}", f"svc@{DIGEST}", f"svc@{DIGEST}"),
        # The tag counts where both are given, and the digest stays in the reference.
        (f"svc:1@{DIGEST}", "svc:1", f"svc:1@{DIGEST}"),
        # Pinned is pinned, whatever the algorithm.
        ("svc@sha512:" + "ab" * 64, "svc@sha512:" + "ab" * 64, "svc@sha512:" + "ab" * 64),
    ],
)
def test_title_and_image(reference: str, title: str, image: str) -> None:
    """The trace names service and version; the host's port is not part of it, but of what is pulled."""
    name = parse_service_name(reference)
    assert (name.title, name.image) == (title, image)


@pytest.mark.parametrize(
    "reference",
    [
        "",
        "group/UPPER",
        "two words",
        "postgres:",
        ":16",
        "a//b",
        "svc@sha256:short",
        "post\u00e9",
        "\ud800",
        "postgres\n",
        "-x",
        "a" * 10 + ":" + "t" * 129,
    ],
)
def test_what_cannot_be_read(reference: str) -> None:
    """No service name and no alias come of what is no reference."""
    assert parse_service_name(reference) == ServiceName("", "latest", reference)


def test_a_hostile_name_is_read_in_no_time() -> None:
    """The length of a name that a job makes up costs linear time: this one would take an expression
    that backtracks past the end of the test.
    """
    name = "a-" * 200_000 + "!"
    assert not parse_service_name(name).service
