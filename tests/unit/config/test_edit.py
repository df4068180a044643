"""Changes to config.toml that leave the rest of the file alone."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pyrunner.config.docker import DockerConfig
from pyrunner.config.edit import append_runner, create_default, remove_runners, replace_token
from pyrunner.config.load import load_config
from pyrunner.config.model import RunnerConfig
from pyrunner.errors import ConfigError

RUNNER = RunnerConfig(
    name="host1",
    url="https://gitlab.example.com",
    id=42,
    token="glrt-xxxx",
    token_obtained_at=datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC),
    executor="docker",
    docker=DockerConfig(image="alpine:latest", volumes=["/cache"]),
)
GLOBALS = """\
concurrent = 1
check_interval = 0
connection_max_age = "15m0s"
shutdown_timeout = 0

[session_server]
  session_timeout = 1800
"""
ENTRY = """\

[[runners]]
  name = "host1"
  url = "https://gitlab.example.com"
  id = 42
  token = "glrt-xxxx"
  token_obtained_at = 2026-01-02T03:04:05Z
  token_expires_at = 0001-01-01T00:00:00Z
  executor = "docker"
  [runners.cache]
    MaxUploadedArchiveSize = 0
    [runners.cache.s3]
      AssumeRoleMaxConcurrency = 0
    [runners.cache.gcs]
    [runners.cache.azure]
  [runners.docker]
    tls_verify = false
    image = "alpine:latest"
    privileged = false
    disable_entrypoint_overwrite = false
    oom_kill_disable = false
    disable_cache = false
    volumes = ["/cache"]
    volume_keep = false
    shm_size = 0
    network_mtu = 0
"""


def _named(*names: str) -> Callable[[RunnerConfig], bool]:
    return lambda runner: runner.name in names


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "config.toml"


def _write(path: Path, text: str) -> None:
    path.write_bytes(text.encode())


def _text(path: Path) -> str:
    return path.read_bytes().decode()


def test_first_runner_in_an_empty_file_looks_as_register_leaves_it(path: Path) -> None:
    """The layout is gitlab-runner's to the byte."""
    path.touch()
    append_runner(path, RUNNER)
    assert _text(path) == GLOBALS + ENTRY


def test_missing_file_is_made_private(path: Path) -> None:
    """A new file is 0600 in 0700 folders and lacks connection_max_age, as upstream's."""
    path = path.parent / "new" / "config.toml"
    append_runner(path, RUNNER)
    assert _text(path) == GLOBALS.replace('connection_max_age = "15m0s"\n', "") + ENTRY
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_default_file_is_made_once(path: Path) -> None:
    """An existing file is never replaced by the defaults, not even an empty one."""
    assert create_default(path)
    assert load_config(path, {}).concurrent == 1
    assert not create_default(path)
    _write(path, "")
    assert not create_default(path)
    assert _text(path) == ""


@pytest.mark.parametrize(
    ("before", "between"),
    [
        ("concurrent = 2\n", "\n"),
        ("concurrent = 2\n\n", ""),
        ("concurrent = 2\n  \n", ""),
        ("# only a comment", "\n\n"),
        ("[[runners]]\n  name = 'a' # no newline", "\n\n"),
        ("# tail\n[x]\ny = '''\n[[runners]]\n'''\n", "\n"),
    ],
)
def test_append_keeps_what_is_there(path: Path, before: str, between: str) -> None:
    """The file so far is a prefix of the new one, byte for byte; one blank line goes between."""
    _write(path, before)
    append_runner(path, RUNNER)
    assert _text(path) == before + between + ENTRY[1:]
    assert load_config(path, {}).runners[-1].token == "glrt-xxxx"


def test_append_and_remove_give_the_old_file_back(path: Path) -> None:
    """Registering and unregistering leave no trace."""
    before = '# mine\nconcurrent = 2\n\n# first\n[[runners]]\n  name = "a"\n'
    _write(path, before)
    append_runner(path, RUNNER)
    assert remove_runners(path, _named("host1"), {}) == 1
    assert _text(path) == before


def test_line_ends_of_the_file_are_kept(path: Path) -> None:
    """A file with CRLF stays one, in all that is added."""
    _write(path, "concurrent = 2\r\n")
    append_runner(path, RUNNER)
    assert _text(path) == "concurrent = 2\r\n" + ENTRY.replace("\n", "\r\n")
    replace_token(path, _named("host1"), {}, "new")
    assert "\n" not in _text(path).replace("\r\n", "")


@pytest.mark.parametrize("header", ["[[Runners]]", "[[ runners ]]", '[["runners"]]', "[['runners']] # x"])
def test_spelling_of_the_array_is_followed(path: Path, header: str) -> None:
    """A second array under another spelling would hide the first one."""
    _write(path, f'{header}\nname = "a"\n')
    append_runner(path, RUNNER)
    assert [runner.name for runner in load_config(path, {}).runners] == ["a", "host1"]
    assert remove_runners(path, _named("a"), {}) == 1
    assert [runner.name for runner in load_config(path, {}).runners] == ["host1"]


def test_inline_array_is_refused_with_its_place(path: Path) -> None:
    """Entries that are one value cannot be added to as text; the file stays as it is."""
    before = "concurrent = 1\nrunners = [{ name = 'a', token = 't' }]\n"
    _write(path, before)
    with pytest.raises(ConfigError, match=r"config\.toml:2:1: .*\[\[runners\]\]"):
        append_runner(path, RUNNER)
    with pytest.raises(ConfigError, match=r"config\.toml:2:1"):
        remove_runners(path, _named("a"), {})
    assert _text(path) == before


MANY = """\
# The machine in room 5.
concurrent = 4 # four

# --- first ---

# a: the small one
[[runners]] # a
  name = "a"
  token = "$TOKEN_A" # from the unit
  # belongs to a

  # [runners.docker] was here once

# About the second half of the file.

# b: the big one
[[runners]]
  name = "b"
  url = "${URL}"
  token = "tb"

# Room 5 again.
[session_server]
  session_timeout = 5
# b's engine
  [runners.docker]
    image = "x"
    [[runners.docker.services]]
      name = "[[runners]]"
  [runners.cache.s3]
    BucketName = \"\"\"

# not a comment
\"\"\"

[[runners]]
  name = "c"
  token = "tc"
# end of file
"""


def test_removing_takes_the_entry_and_its_own_comments(path: Path) -> None:
    """A comment above the header and indented ones go; what stands free in the first column stays."""
    _write(path, MANY)
    assert remove_runners(path, _named("a"), {}) == 1
    start = MANY.index("\n# a: the small one")
    end = MANY.index("\n# About the second half")
    assert _text(path) == MANY[:start] + MANY[end:]


def test_removing_takes_sub_tables_wherever_they_stand(path: Path) -> None:
    """A sub-table belongs to the entry it follows, with another table between them too."""
    _write(path, MANY)
    assert remove_runners(path, _named("b"), {}) == 1
    first = MANY.index("\n# b: the big one"), MANY.index("\n# Room 5 again.")
    second = MANY.index("# b's engine"), MANY.index('\n[[runners]]\n  name = "c"')
    assert _text(path) == MANY[: first[0]] + MANY[first[1] : second[0]] + MANY[second[1] :]
    assert load_config(path, {}).session_server.session_timeout == 5


def test_removing_the_last_and_all(path: Path) -> None:
    """Nothing but entries goes, also when none is left."""
    _write(path, MANY)
    assert remove_runners(path, _named("a", "b", "c"), {}) == 3
    left = _text(path)
    assert load_config(path, {}).runners == []
    for line in (
        "# The machine",
        "concurrent = 4 # four",
        "# About the second",
        "# Room 5",
        "session_timeout = 5",
    ):
        assert line in left
    for line in ("# a:", "# b", "services", "tc", "not a comment"):
        assert line not in left


def test_nothing_chosen_writes_nothing(path: Path) -> None:
    """Without a match the file is not touched; without a file none is made."""
    assert remove_runners(path, _named("a"), {}) == 0
    assert replace_token(path, _named("a"), {}, "x") == 0
    assert not path.exists()
    _write(path, MANY)
    before = path.stat()
    assert remove_runners(path, _named("z"), {}) == 0
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_selector_sees_expanded_values(path: Path) -> None:
    """An entry can be chosen by the token that its variable holds; other references stay as written."""
    _write(path, MANY)
    assert replace_token(path, lambda runner: runner.token == "secret", {"TOKEN_A": "secret"}, "new") == 1
    assert '  token = "new" # from the unit\n' in _text(path)
    assert 'url = "${URL}"' in _text(path)


def test_token_times_replace_or_follow_the_token(path: Path) -> None:
    """Existing times are replaced where they stand, missing ones go below the token, indented alike."""
    _write(
        path,
        '[[runners]]\n    token = "a" # secret\n    name = "a"\n'
        "    TOKEN_EXPIRES_AT = 2020-01-01T00:00:00Z # old\n",
    )
    obtained = datetime(2026, 1, 2, 3, 4, 5, 999999, tzinfo=UTC)
    expires = datetime(2027, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert replace_token(path, _named("a"), {}, 'n"ew', obtained, expires) == 1
    assert _text(path) == (
        '[[runners]]\n    token = "n\\"ew" # secret\n    token_obtained_at = 2026-01-02T03:04:05Z\n'
        '    name = "a"\n    TOKEN_EXPIRES_AT = 2027-01-02T03:04:05Z # old\n'
    )


@pytest.mark.parametrize(
    "text",
    [
        "runners = [{name='a', token='t'}, {name='b', token='u'}]",
        "runners = [{token='t', name='a'}, ]",
        "runners = [{name='a'}]",
        "[[runners]]\nname='a'",
        "[[runners]]\nname='a'\ntoken=''''t'''' # no newline",
        "[[runners]]\r\nname='a'\r\ntoken='t'\r\n[runners.docker]\r\n",
    ],
)
def test_token_is_replaced_in_any_form_of_entry(path: Path, text: str) -> None:
    """Inline tables, entries without a token and files without a last newline are all served."""
    _write(path, text)
    assert replace_token(path, _named("a"), {}, "new", RUNNER.token_obtained_at) == 1
    runner = load_config(path, {}).runners[0]
    assert (runner.name, runner.token) == ("a", "new")
    assert runner.token_obtained_at == RUNNER.token_obtained_at.replace(microsecond=0)


def test_entries_with_the_same_credentials_are_all_changed(path: Path) -> None:
    """One token may stand in two entries; a rotation concerns both."""
    _write(path, '[[runners]]\ntoken = "t"\n[[runners]]\ntoken = "u"\n[[runners]]\ntoken = "t"\n')
    assert replace_token(path, lambda runner: runner.token == "t", {}, "new") == 2
    assert [runner.token for runner in load_config(path, {}).runners] == ["new", "u", "new"]


def test_broken_file_is_left_alone(path: Path) -> None:
    """A file that cannot be read is not written."""
    _write(path, "concurrent = \n")
    for change in (
        lambda: append_runner(path, RUNNER),
        lambda: remove_runners(path, _named("a"), {}),
        lambda: replace_token(path, _named("a"), {}, "x"),
    ):
        with pytest.raises(ConfigError):
            change()
    assert _text(path) == "concurrent = \n"


def test_value_that_is_no_text_is_refused(path: Path) -> None:
    """Bytes from the environment that are not UTF-8 never reach the file."""
    _write(path, MANY)
    with pytest.raises(ConfigError, match="not valid text"):
        replace_token(path, _named("a"), {}, os.fsdecode(b"\xff"))
    assert _text(path) == MANY


def test_nan_elsewhere_does_not_stop_an_edit(path: Path) -> None:
    """The comparison before a write knows that nan differs from itself."""
    _write(path, "unknown = [nan, 1.0]\n")
    append_runner(path, RUNNER)
    assert _text(path).startswith("unknown = [nan, 1.0]\n\n[[runners]]")
