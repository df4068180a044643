"""Image references and the paths of credentials (docker-executor.md 3.2, 4)."""

from __future__ import annotations

import pytest

from pyrunner.executors.docker.images.references import (
    InvalidReference,
    check_inspectable,
    image_path,
    parse_reference,
    registry_path,
)

DIGEST = "sha256:" + "a1" * 32


@pytest.mark.parametrize(
    ("text", "name", "version"),
    [
        ("ruby", "docker.io/library/ruby", "latest"),
        ("ruby:3.3", "docker.io/library/ruby", "3.3"),
        ("user/ruby", "docker.io/user/ruby", "latest"),
        ("docker.io/ruby", "docker.io/library/ruby", "latest"),
        ("index.docker.io/ruby", "docker.io/library/ruby", "latest"),
        ("localhost/ruby", "localhost/ruby", "latest"),
        ("host:5000/img", "host:5000/img", "latest"),
        ("host:5000/img:1", "host:5000/img", "1"),
        ("[::1]:5000/img", "[::1]:5000/img", "latest"),
        ("Host/img", "Host/img", "latest"),
        (f"ruby@{DIGEST}", "docker.io/library/ruby", DIGEST),
        (f"ruby:3@{DIGEST}", "docker.io/library/ruby", DIGEST),
        ("a.b/c__d/e-_f", "", ""),
        ("a.b/c__d/e---f.g", "a.b/c__d/e---f.g", "latest"),
        (DIGEST, "docker.io/library/sha256", "a1" * 32),
    ],
)
def test_references_are_normalised(text: str, name: str, version: str) -> None:
    """A reference without tag and digest means ``latest``: else the engine would fetch all tags."""
    if not name:
        with pytest.raises(InvalidReference):
            parse_reference(text)
        return
    reference = parse_reference(text)
    assert (reference.name, reference.version) == (name, version)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "invalid reference format"),
        ("Ruby", "invalid reference format: repository name (library/Ruby) must be lowercase"),
        ("host.tld/Ruby:1", "invalid reference format: repository name (Ruby) must be lowercase"),
        ("a1" * 32, f"invalid repository name ({'a1' * 32}), cannot specify 64-byte hexadecimal strings"),
        ("ruby:", "invalid reference format"),
        ("ruby tag", "invalid reference format"),
        ("ruby\n", "invalid reference format"),
        ("../../containers/json", "invalid reference format"),
        ("a/../b", "invalid reference format"),
        ("a?b=c", "invalid reference format"),
        ("a#b", "invalid reference format"),
        ("a%2e", "invalid reference format"),
        ("ruby@sha256:abc", "invalid reference format"),
        (f"ruby@md5:{'a' * 32}", "unsupported digest algorithm"),
        (f"ruby@sha256:{'a' * 32}", "invalid checksum digest length"),
        (f"ruby@sha256:{'A' * 64}", "invalid checksum digest format"),
        ("a" * 300, "repository name must not be more than 255 characters"),
        ("a/" * 100_000 + "a", "invalid reference format"),
        ("\ud800", "invalid reference format"),
    ],
)
def test_other_names_are_refused_in_dockers_words(text: str, words: str) -> None:
    """What the engine would refuse, or take for another request, never reaches it."""
    with pytest.raises(InvalidReference) as raised:
        parse_reference(text)
    assert str(raised.value) == words


def test_ids_may_be_inspected() -> None:
    """An image id has no place in a pull, but one in an inspection."""
    check_inspectable("a1" * 32)
    check_inspectable(DIGEST)
    with pytest.raises(InvalidReference):
        check_inspectable("../containers/x")


@pytest.mark.parametrize(
    ("image", "path"),
    [
        ("tutum.co/user/ubuntu:latest", "tutum.co/user/ubuntu"),
        ("cr.internal:5000/user/ubuntu", "cr.internal:5000/user/ubuntu"),
        ("user/ubuntu", "docker.io/user/ubuntu"),
        ("ubuntu", "docker.io/ubuntu"),
        ("ubuntu:22.04", "docker.io/ubuntu"),
        ("index.docker.io/user/ubuntu", "docker.io/user/ubuntu"),
        ("docker.io/user/ubuntu", "docker.io/user/ubuntu"),
        ("foo.bar:123/asdf/baz:latest", "foo.bar:123/asdf/baz"),
        ("FOO.BAR:123/With/Case", "foo.bar:123/With/Case"),
        ("InDex.DOCKER.io/user/ubuntu", "docker.io/user/ubuntu"),
        ("LOCALHOST/test:xxx", "localhost/test"),
        ("notLocalhost/test", "docker.io/notLocalhost/test"),
        ("localhost:1234/test", "localhost:1234/test"),
        (f"reg.tld/group/img@{DIGEST}", "reg.tld/group/img@sha256"),
    ],
)
def test_the_path_of_an_image(image: str, path: str) -> None:
    """The tag goes, docker.io comes, the host is lower-cased; a digest leaves its algorithm behind."""
    assert image_path(image) == path


@pytest.mark.parametrize(
    ("address", "path"),
    [
        ("my.hostname", "my.hostname"),
        ("my.HOSTNAME/With/Path/CASE", "my.hostname/With/Path/CASE"),
        ("my.hostname/with/tag/image:latest", "my.hostname/with/tag/image"),
        ("my.hostname:5000/with/tag/image:latest", "my.hostname:5000/with/tag/image"),
        ("my.hostname:5000", "my.hostname:5000"),
        ("registry.tld/group/", "registry.tld/group"),
        ("http://index.docker.io/v1/", "docker.io"),
        ("HTTPS://INDEX.DOCKER.IO/V1/blibb", "docker.io"),
        ("https://my.hostname/v1/something", "my.hostname"),
        ("https://my.hostname:5000/v2/", "my.hostname:5000"),
    ],
)
def test_the_path_of_a_registry(address: str, path: str) -> None:
    """A URL means its host, anything else may be a path without tag."""
    assert registry_path(address) == path
