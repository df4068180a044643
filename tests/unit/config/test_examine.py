"""All findings about a config.toml at once (``lint-config``)."""

from __future__ import annotations

import pytest

from pyrunner.config.examine import ConfigFinding, examine

GOOD = 'concurrent = 4\n[[runners]]\nurl = "https://h/"\ntoken = "t"\n'


def found(text: str, **environ: str) -> list[ConfigFinding]:
    """Return the findings about a text."""
    return examine(text.encode(), environ)


def one(text: str, **environ: str) -> ConfigFinding:
    """Return the only finding about a text."""
    findings = found(text, **environ)
    assert len(findings) == 1, findings
    return findings[0]


def test_a_good_file_has_none() -> None:
    """What loads without a complaint is not complained about; an empty file is valid."""
    assert found(GOOD) == []
    assert found("") == []


def test_settings_that_delay_jobs_are_none() -> None:
    """The long polling advice of the log, which nearly every file gets, is none."""
    assert found(GOOD + "limit = 1\n") == []


def test_what_is_no_toml() -> None:
    """The parser's message with line and column, and nothing else."""
    finding = one("concurrent = 1\nx = \n")
    assert (finding.line, finding.column, finding.warning) == (2, 5, False)


def test_bytes_that_are_no_text() -> None:
    """A file that is not UTF-8 is one finding with its place."""
    (finding,) = examine(b"concurrent = 1\n# \xff\n", {})
    assert (finding.message, finding.line, finding.column) == ("not UTF-8 text", 2, 3)


def test_all_wrong_types_at_once() -> None:
    """Loading stops at the first one; here each is told, where it stands."""
    text = 'concurrent = "2"\n[[runners]]\nurl = 5\ntoken = "t"\n'
    text += '[runners.docker]\nvolumes = ["/a", 1]\ncpus = 2\n'
    assert [(finding.key, finding.line, finding.column) for finding in found(text)] == [
        ("concurrent", 1, 1),
        ("runners.url", 3, 1),
        ("runners.docker.volumes", 6, 18),
        ("runners.docker.cpus", 7, 1),
    ]


def test_an_entry_of_a_wrong_kind() -> None:
    """A table where a list of tables belongs is one finding, not a crash."""
    assert "[[runners]]" in one('[runners]\nurl = "x"\n').message


@pytest.mark.parametrize(
    ("text", "key", "hint"),
    [
        ("concurent = 2\n" + GOOD, "concurent", "did you mean concurrent?"),
        (GOOD + "[runners.docker]\nimgae = 'x'\n", "runners.docker.imgae", "did you mean image?"),
        (GOOD + "[runners.docker]\nipc_mode = 'x'\n", "runners.docker.ipc_mode", "did you mean ipcmode?"),
        (GOOD + "tls_ca_file = 'x'\n", "runners.tls_ca_file", "did you mean tls-ca-file?"),
        (
            GOOD + "[runners.cache.s3]\nBucketname2 = 'x'\n",
            "runners.cache.s3.Bucketname2",
            "did you mean BucketName?",
        ),
        (GOOD + "privileged = true\n", "runners.privileged", "privileged belongs to [runners.docker]"),
        (GOOD + "on_stop = 'wait'\n", "runners.on_stop", "on_stop belongs to [runners.tristan]"),
        (
            "check_interval = 1\n" + GOOD + "check_interval = 3\n",
            "runners.check_interval",
            "belongs to the top of the file",
        ),
        (GOOD + "URL = 'x'\n", "runners.URL", "url is already given in this table"),
        (GOOD + "zzzzzz = 1\n", "runners.zzzzzz", ""),
        (GOOD + "[runners.tristn]\nroot = '/x'\n", "runners.tristn", "did you mean tristan?"),
    ],
)
def test_unknown_keys(text: str, key: str, hint: str) -> None:
    """Each unknown key is an error, as for gitlab-runner's lint, with what may be meant."""
    finding = one(text)
    assert finding.key == key
    assert hint in finding.hint
    assert bool(hint) == bool(finding.hint)
    assert not finding.warning


def test_what_only_run_refuses() -> None:
    """Each of the three settings is told, not the first alone."""
    text = 'concurrent = 0\nlog_level = "loud"\nlog_format = "xml"\n'
    assert [finding.key for finding in found(text)] == ["concurrent", "log_level", "log_format"]


def test_the_schema_of_gitlab_runner() -> None:
    """Missing url and token and an unknown shell are errors, at the entry where there is no key."""
    text = '[[runners]]\nname = "n"\nshell = "fish"\n'
    assert [(finding.key, finding.line) for finding in found(text)] == [
        ("runners.url", 1),
        ("runners.token", 1),
        ("runners.shell", 3),
    ]


def test_a_variable_that_this_shell_has_not() -> None:
    """A token that comes from the environment may be empty here and not in the service: a warning."""
    text = GOOD.replace('"t"', '"$CI_TOKEN"')
    finding = one(text)
    assert finding.warning
    assert "variable" in finding.hint
    assert found(text, CI_TOKEN="t") == []


def test_warnings() -> None:
    """What can be used with a loss is a warning with its place."""
    text = GOOD.replace("https://h/", "https://h/ci").replace('"t"', '" "')
    text += 'executor = "docker"\n[runners.docker]\nmemory = "2x"\n'
    findings = found(text)
    assert [(finding.key, finding.line) for finding in findings] == [
        ("runners.url", 3),
        ("runners.token", 4),
        ("runners.docker.memory", 7),
    ]
    assert all(finding.warning for finding in findings)
